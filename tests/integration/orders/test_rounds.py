"""A job's round goes on behind a row that breaks, whichever job it is."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import asyncpg
import msgspec
import pytest

from commerce.goods.inventory.sweeper import sweep
from commerce.goods.waiting_list.service import WaitingList, tend_lines
from commerce.kernel.ports import Connection
from commerce.records.rounds.service import REST_ROUNDS, Rounds
from commerce.sales.coupons.service import close_due_drops, open_due_drops
from commerce.sales.draws.service import Draws, hold_due_draws, tell_entrants
from commerce.sales.group_buys.campaigns import end_campaigns, fail_due_teams, return_spare_units
from commerce.sales.group_buys.service import GroupBuys
from commerce.sales.unlocks.service import note_missed
from server.jobs import sales
from tests.support.coupons import Stand
from tests.support.drawing import arm_draw_sale, close_entries, enter_many
from tests.support.grouping import join, open_group_buy, pass_deadline
from tests.support.shop import arm_flash, make_shop, make_user
from tests.support.till import Till
from tests.support.unlocking import Crowd

BREAK = """
    CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'broken';
    END
    $$;
    CREATE TRIGGER break_off BEFORE UPDATE ON {table} FOR EACH ROW
        WHEN (OLD.{column} = '{row}') EXECUTE FUNCTION break_off();
"""
PASS_OPENING = "UPDATE sales SET opens_at_ms = clock_ms() - 1 WHERE id = ANY ($1::uuid[])"
PASS_END = """
    UPDATE sales SET opens_at_ms = clock_ms() - 2, ends_at_ms = clock_ms() - 1
    WHERE id = ANY ($1::uuid[])
"""


class Due(msgspec.Struct, frozen=True):
    """Two rows that a job has to do.

    What breaks is any change of a row of `table` whose `column` is the row's; `ask` returns, of the
    rows' ids, something of each that is `done` when its turn was had.
    """

    rows: list[str]
    table: str
    ask: str
    done: Any
    column: str = "id"


def of_sales(rows: list[str], done: str) -> Due:
    return Due(rows, "sales", "SELECT state FROM sales WHERE id = $1", done)


async def to_open(till: Till) -> Due:
    shops = [await make_shop(till.database, slug=f"room-{n}") for n in range(2)]
    rows = [await arm_flash(till.database, shop, is_open=False, countdown_s=60) for shop in shops]
    await till.change(PASS_OPENING, rows)
    return of_sales(rows, "open")


async def two_open(till: Till, **terms: Any) -> list[str]:
    return [(await till.sale(**terms))[1] for _ in range(2)]


async def to_end(till: Till) -> Due:
    rows = await two_open(till)
    await till.change(PASS_END, rows)
    return of_sales(rows, "ended")


async def to_resume(till: Till) -> Due:
    rows = await two_open(till)
    await till.change("UPDATE sales SET state = 'sold_out' WHERE id = ANY ($1::uuid[])", rows)
    return of_sales(rows, "open")


TOTAL = "SELECT total FROM stock k JOIN sales s ON s.pool_id = k.pool_id WHERE s.id = $1"


async def with_leftovers(till: Till) -> Due:
    rows = await two_open(till)
    await till.change("UPDATE sales SET state = 'ended' WHERE id = ANY ($1::uuid[])", rows)
    return Due(rows, "stock", TOTAL, 0, "sale_id")


async def two_drops(till: Till, state: str, **terms: Any) -> Due:
    rows = []
    for _ in range(2):
        stand = Stand(till, *await till.sale())
        rows.append((await stand.drop(await stand.coupon(), countdown_s=60)).id)
    await till.change(
        "UPDATE coupon_drops SET opens_at_ms = clock_ms() - 2,"
        " ends_at_ms = clock_ms() + $2 WHERE id = ANY ($1::uuid[])",
        rows,
        terms["left_ms"],
    )
    return Due(rows, "coupon_drops", "SELECT state FROM coupon_drops WHERE id = $1", state)


async def to_draw(till: Till) -> Due:
    draws = Draws(till.database, till.inventory)
    rows = []
    for n in range(2):
        shop = await make_shop(till.database, slug=f"room-{n}")
        rows.append(await arm_draw_sale(till.database, shop))
        await enter_many(draws, rows[-1], [1] * 2)
        await close_entries(till.database, rows[-1])
    asked = "SELECT drawn_at_ms IS NOT NULL FROM draws WHERE sale_id = $1"
    return Due(rows, "draws", asked, True, "sale_id")


async def to_tell(till: Till) -> Due:
    due = await to_draw(till)
    assert await hold_due_draws(till.database) == 2
    asked = "SELECT told_rank FROM draws WHERE sale_id = $1"
    return msgspec.structs.replace(due, ask=asked, done=2)


async def two_teams(till: Till) -> Due:
    groups = GroupBuys(till.database, till.inventory)
    rows = []
    for n in range(2):
        shop = await make_shop(till.database, slug=f"room-{n}")
        sale = await open_group_buy(till.database, shop)
        rows.append((await join(groups, sale)).group_id)
        await pass_deadline(till.database, rows[-1])
    return Due(rows, "buy_groups", "SELECT state FROM buy_groups WHERE id = $1", "failed")


async def two_campaigns(till: Till) -> list[str]:
    shops = [await make_shop(till.database, slug=f"room-{n}") for n in range(2)]
    return [await open_group_buy(till.database, shop) for shop in shops]


async def campaigns_to_end(till: Till) -> Due:
    rows = await two_campaigns(till)
    await till.change(PASS_END, rows)
    return of_sales(rows, "ended")


async def spare_units(till: Till) -> Due:
    rows = await two_campaigns(till)
    await till.change("UPDATE sales SET state = 'ended' WHERE id = ANY ($1::uuid[])", rows)
    return Due(rows, "stock", TOTAL, 0, "sale_id")


async def two_crowds(till: Till) -> list[Crowd]:
    return [await Crowd.gather(till) for _ in range(2)]


async def to_miss(till: Till) -> Due:
    rows = [crowd.sale for crowd in await two_crowds(till)]
    await till.change(PASS_END, rows)
    asked = "SELECT state FROM price_unlocks WHERE sale_id = $1"
    return Due(rows, "price_unlocks", asked, "missed", "sale_id")


async def promised(till: Till) -> Due:
    crowds = await two_crowds(till)
    rows = [(await crowd.promise())[1] for crowd in crowds]
    await till.change(PASS_END, [crowd.sale for crowd in crowds])
    assert await note_missed(till.database) == 2
    return Due(rows, "orders", "SELECT state FROM orders WHERE id = $1", "paid")


async def dead_orders(till: Till) -> Due:
    crowd = await Crowd.gather(till)
    rows = [(await crowd.order())[1] for _ in range(2)]
    await till.end_holds(crowd.sale)
    return Due(rows, "orders", "SELECT state FROM orders WHERE id = $1", "expired")


async def due_holds(till: Till) -> Due:
    rows = await two_open(till)
    for sale in rows:
        await till.reserve(sale, (await till.buyer()).id)
        await till.end_holds(sale)
    asked = "SELECT state FROM reservations WHERE sale_id = $1"
    return Due(rows, "reservations", asked, "expired", "sale_id")


async def lines_to_close(till: Till) -> Due:
    waiting = WaitingList(till.database, till.inventory)
    rows = await two_open(till, quantity=1)
    for sale in rows:
        await till.reserve(sale, (await till.buyer()).id)
        user = await make_user(till.database)
        await waiting.join(user_id=user, sale_id=sale, qty=1, key="k")
    await till.change("UPDATE sales SET state = 'ended' WHERE id = ANY ($1::uuid[])", rows)
    return Due(
        rows,
        "waiting_list",
        "SELECT state FROM waiting_list WHERE sale_id = $1",
        "closed",
        "sale_id",
    )


Job = Callable[[Till], Awaitable[object]]


def plain(job: Callable[..., Awaitable[object]]) -> Job:
    return lambda till: job(till.database)


JOBS: dict[str, tuple[Callable[[Till], Awaitable[Due]], Job]] = {
    "open sales": (to_open, plain(sales.open_due_sales)),
    "end sales": (to_end, plain(sales.end_due_sales)),
    "note sold out": (to_resume, plain(sales.note_sold_out)),
    "return leftovers": (with_leftovers, plain(sales.return_leftovers)),
    "open drops": (partial(two_drops, state="open", left_ms=60_000), plain(open_due_drops)),
    "close drops": (partial(two_drops, state="ended", left_ms=-1), plain(close_due_drops)),
    "hold draws": (to_draw, plain(hold_due_draws)),
    "tell entrants": (to_tell, plain(tell_entrants)),
    "fail teams": (two_teams, plain(fail_due_teams)),
    "end group buys": (campaigns_to_end, plain(end_campaigns)),
    "return spare units": (spare_units, plain(return_spare_units)),
    "note missed thresholds": (to_miss, plain(note_missed)),
    "pay decided thresholds": (promised, lambda till: till.settlement.pay_decided()),
    "expire orders": (dead_orders, lambda till: till.settlement.expire_orders()),
    "sweep holds": (due_holds, plain(sweep)),
    "tend the waiting list": (lines_to_close, plain(tend_lines)),
}


@pytest.mark.parametrize("broken", [0, 1])
@pytest.mark.parametrize("name", list(JOBS))
async def test_a_row_that_breaks_costs_no_other_its_turn(
    till: Till, name: str, broken: int
) -> None:
    """Each of the two breaks once: one of them comes first."""
    prepare, job = JOBS[name]
    due = await prepare(till)
    row = due.rows[broken]
    await till.change(BREAK.format(table=due.table, column=due.column, row=row))
    await job(till)
    answers = [(await till.values(due.ask, one))[0] == due.done for one in due.rows]
    assert answers == [broken == 1, broken == 0]


async def run(till: Till, rounds: Rounds, do: Callable[[str], Awaitable[int]], limit: int) -> int:
    """Do one round over four rows."""

    async def select(_connection: Connection, most: int) -> list[str]:
        return ["a", "b", "c", "d"][:most]

    return await rounds.run(till.database, select, do, limit=limit)


async def test_what_broke_rests_and_is_in_nobodys_way(
    till: Till, caplog: pytest.LogCaptureFixture
) -> None:
    """As many rows as a round takes are broken: those behind them have their turn all the same."""
    done: list[str] = []

    async def do(row: str) -> int:
        done.append(row)
        if row in "ab":
            raise asyncpg.RaiseError("broken")
        return 1

    rounds = Rounds("mend")
    assert [await run(till, rounds, do, 2) for _ in range(3)] == [0, 2, 2]
    assert "".join(done) == "abcdcd"
    for _ in range(REST_ROUNDS - 3):
        await run(till, rounds, do, 2)
    assert "a" not in done[2:]
    await run(till, rounds, do, 2)
    assert done[-2:] == ["a", "b"]
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert told == ["job mend: a broke off", "job mend: b broke off"] * 2


async def test_a_row_in_other_hands_has_its_turn_in_the_next_round(till: Till) -> None:
    done: list[str] = []

    async def do(row: str) -> int:
        done.append(row)
        if row == "a":
            raise asyncpg.LockNotAvailableError("held")
        return 1

    rounds = Rounds("mend")
    assert [await run(till, rounds, do, 2) for _ in range(2)] == [1, 1]
    assert "".join(done) == "abab"


async def test_a_lost_connection_is_everybodys(till: Till) -> None:
    done: list[str] = []

    async def do(row: str) -> int:
        done.append(row)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await run(till, Rounds("mend"), do, 2)
    assert done == ["a"]
