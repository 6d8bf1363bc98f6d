"""The waiting list, promise by promise, on real PostgreSQL."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import msgspec
import orjson
import pytest

from commerce.goods.adjustments.model import Adjustment
from commerce.goods.adjustments.service import change_pool
from commerce.goods.inventory.model import Refused, Reserved
from commerce.goods.inventory.service import InventoryService
from commerce.goods.inventory.store import lock_pools, select_figures
from commerce.goods.inventory.sweeper import sweep
from commerce.goods.waiting_list.model import Entry
from commerce.goods.waiting_list.service import WaitingList, tell_waiters, tend_lines
from commerce.goods.waiting_list.store import select_to_tend
from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from commerce.sales.flash_sales.halting import halt, unhalt
from commerce.sales.flash_sales.service import finish
from commerce.sales.show_floor.store import select_sale_view
from loadtests.conformance.matching import find_mismatch
from loadtests.conformance.shapes import OFFER
from server.db.database import PgDatabase, Told
from tests.support.shop import Shop, arm_flash, make_shop, make_user, read_stock


class Line:
    """A flash sale whose units are all held, and the people who want them."""

    def __init__(self, database: PgDatabase, inventory: InventoryService, shop: Shop) -> None:
        self.database = database
        self.inventory = inventory
        self.shop = shop
        self.list = WaitingList(database, inventory)
        self.sale = ""
        self.holders: list[tuple[str, str]] = []
        self.told: list[tuple[str, str, dict[str, Any]]] = []
        database.publish = self.hear

    async def hear(self, told: Told) -> None:
        """Keep what single users were told."""
        self.told += [(user, type, orjson.loads(payload)) for _, user, type, payload in told.direct]

    async def open(self, units: int, **terms: int) -> None:
        """Open the sale and let its units be held one by one."""
        self.sale = await arm_flash(self.database, self.shop, quantity=units, **terms)
        for _ in range(units):
            user = str(uuid.uuid4())
            answer = await self.press(user)
            assert isinstance(answer, Reserved)
            self.holders.append((user, answer.reservation.id))

    async def press(self, user: str | None = None, qty: int = 1) -> Reserved | Refused:
        """Press buy as a walk-in, with no latch in the way."""
        stock = await read_stock(self.database, self.sale)
        self.inventory.forget_latches([str(stock["pool_id"])])
        return await self.inventory.reserve(
            user_id=user or str(uuid.uuid4()), sale_id=self.sale, qty=qty, key=str(uuid.uuid4())
        )

    async def join(self, user: str | None = None, qty: int = 1, key: str = "k") -> Entry:
        """Join the line."""
        return await self.list.join(
            user_id=user or str(uuid.uuid4()), sale_id=self.sale, qty=qty, key=key
        )

    async def release_one(self) -> None:
        """Let the first holder give the unit back."""
        user, reservation = self.holders.pop(0)
        await self.inventory.release(user_id=user, reservation_id=reservation)

    async def states(self, *entries: Entry) -> list[str]:
        """Return what became of entries."""
        async with self.database.reading() as connection:
            return [
                await connection.fetchval("SELECT state FROM waiting_list WHERE id = $1", one.id)
                for one in entries
            ]

    async def change(self, statement: str, *values: Any) -> None:
        """Change rows behind everybody's back."""
        async with self.database.transaction() as transaction:
            await transaction.execute(statement, *values)

    async def is_in_order(self) -> bool:
        """Say whether the books add up."""
        return (await audit(self.database)).ok


@pytest.fixture
async def line(database: PgDatabase, inventory: InventoryService) -> Line:
    """A line in front of nothing yet."""
    return Line(database, inventory, await make_shop(database))


async def test_a_unit_given_back_goes_to_the_next_in_line(line: Line) -> None:
    """Never to the public, in order of arrival, and the next one is told."""
    await line.open(2)
    first, second = await line.join(), await line.join()
    assert (first.place, second.place, second.waiting) == (1, 2, 2)
    await line.release_one()
    assert await line.states(first, second) == ["offered", "waiting"]
    answer = await line.press()
    assert isinstance(answer, Refused)
    assert (answer.outcome.name, answer.waiting) == ("HELD_OUT", 1)
    assert await tell_waiters(line.database) == 1
    [(user, type, payload)] = line.told
    assert (user, type, payload["entry"]) == (first.user_id, "offer.made", first.id)
    assert payload["waiting"] == 1
    assert find_mismatch(payload, OFFER) is None
    assert payload["reservation"]["state"] == "held"
    assert 80_000 < payload["reservation"]["expires_in_ms"] <= 90_000
    assert await tell_waiters(line.database) == 0
    assert await line.is_in_order()


async def test_an_offer_lasts_as_long_as_its_sale_says(line: Line) -> None:
    """`offer_s` is the countdown, the sale's grace comes behind it."""
    await line.open(1, offer_s=30, grace_s=7)
    await line.join()
    await line.release_one()
    async with line.database.reading() as connection:
        row = await connection.fetchrow(
            "SELECT shown_until_ms - decided_at_ms, release_at_ms - shown_until_ms"
            " FROM reservations WHERE origin = 'waiting_list'"
        )
    assert tuple(row) == (30_000, 7_000)


async def test_an_offer_not_answered_or_passed_on_goes_to_the_next(line: Line) -> None:
    """Expiry, release and leaving the list all serve the next one in the same transaction."""
    await line.open(1)
    missed, passed, left, last = [await line.join() for _ in range(4)]
    await line.release_one()
    await line.change("UPDATE reservations SET release_at_ms = 1 WHERE state = 'held'")
    assert await sweep(line.database) == 1
    assert await line.states(missed, passed) == ["missed", "offered"]
    [entry] = await line.list.list_entries(passed.user_id)
    assert entry.reservation_id is not None
    assert entry.place is None
    await line.inventory.release(user_id=passed.user_id, reservation_id=entry.reservation_id)
    assert await line.states(passed, left) == ["passed", "offered"]
    assert (await line.list.leave(user_id=left.user_id, entry_id=left.id)).state == "passed"
    assert (await line.list.leave(user_id=left.user_id, entry_id=left.id)).state == "passed"
    assert await line.states(left, last) == ["passed", "offered"]
    assert await line.is_in_order()


async def test_a_press_that_frees_due_holds_serves_the_list_before_itself(line: Line) -> None:
    """With no sweeper at all, a walk-in does not jump the line."""
    await line.open(1)
    first = await line.join()
    await line.change("UPDATE reservations SET release_at_ms = 1")
    assert isinstance(await line.press(), Refused)
    assert await line.states(first) == ["offered"]
    assert await line.is_in_order()


async def test_added_units_go_to_the_line_first(line: Line) -> None:
    """What is left over is for everybody."""
    await line.open(1)
    waiting = [await line.join() for _ in range(2)]
    pool = str((await read_stock(line.database, line.sale))["pool_id"])
    host = await make_user(line.database)
    async with line.database.transaction() as transaction:
        await lock_pools(transaction, [pool])
        sku = await transaction.fetchval("SELECT sku FROM sales WHERE id = $1", line.sale)
        wish = Adjustment(str(uuid.uuid4()), host, sku, 3, "found more", line.sale)
        done = await change_pool(transaction, pool, wish, journal_reason="restocked")
        assert done.to_waiting_list == 2
    assert await line.states(*waiting) == ["offered", "offered"]
    assert isinstance(await line.press(), Reserved)
    assert isinstance(await line.press(), Refused)
    assert await line.is_in_order()


async def test_stock_that_a_sale_returns_serves_the_skus_own_line(
    database: PgDatabase, inventory: InventoryService
) -> None:
    """A regular sale is held out while a flash sale has the rest; its end brings units back."""
    shop = await make_shop(database, stock=2)
    line = Line(database, inventory, shop)
    flash = await arm_flash(database, shop, quantity=1)
    async with database.reading() as connection:
        line.sale = str(await connection.fetchval("SELECT id FROM sales WHERE kind = 'regular'"))
    assert isinstance(await line.press(), Reserved)
    entry = await line.join()
    async with database.transaction() as transaction:
        await finish(transaction, flash, "end")
    assert await line.states(entry) == ["offered"]
    assert await line.is_in_order()


async def test_two_wanted_and_one_free_lets_the_next_one_go_first(line: Line) -> None:
    """Who wants two keeps the place; one free unit that nobody fits is for everybody."""
    await line.open(3, per_buyer=2)
    two, one = await line.join(qty=2), await line.join()
    await line.release_one()
    assert await line.states(two, one) == ["waiting", "offered"]
    await line.release_one()
    assert await line.states(two) == ["waiting"]
    await line.release_one()
    assert await line.states(two) == ["offered"]
    assert await line.is_in_order()


async def test_a_halted_sale_serves_its_line_when_it_goes_on(line: Line) -> None:
    """Nobody joins or is served meanwhile; what came free then goes to the line first."""
    await line.open(1)
    first = await line.join()
    async with line.database.transaction() as transaction:
        await halt(transaction, line.sale, "a wrong price")
    with pytest.raises(CommerceError) as refused:
        await line.join()
    assert (refused.value.code, refused.value.retryable) == ("halted", True)
    await line.release_one()
    assert await line.states(first) == ["waiting"]
    async with line.database.reading() as connection:
        assert await select_to_tend(connection, 10) == [], "there is nothing to do until it goes on"
    async with line.database.transaction() as transaction:
        await unhalt(transaction, line.sale)
    assert await line.states(first) == ["offered"]
    assert await line.is_in_order()


async def test_who_is_over_the_limit_by_now_is_closed_and_told(line: Line) -> None:
    """The limit counts when the offer is made."""
    await line.open(2, per_buyer=2)
    full, later = await line.join(qty=2), await line.join()
    await line.release_one()
    assert isinstance(await line.press(), Refused)
    await line.change(
        "INSERT INTO sale_buyers (sale_id, user_id, qty) VALUES ($1, $2, 1)",
        line.sale,
        full.user_id,
    )
    await line.list.leave(user_id=later.user_id, entry_id=later.id)
    await line.release_one()
    assert await line.states(full) == ["closed"]
    await tell_waiters(line.database)
    assert line.told[-1] == (
        full.user_id,
        "waiting.closed",
        {"entry": full.id, "sale": line.sale, "reason": "limit_reached"},
    )


async def refusal(line: Line, **wish: Any) -> CommerceError:
    """Join and return the refusal."""
    with pytest.raises(CommerceError) as caught:
        await line.join(**wish)
    return caught.value


async def test_joining_is_refused_with_what_to_do_instead(line: Line) -> None:
    """Each refusal has its code, and what helps."""
    await line.open(2, per_buyer=2)
    holder = line.holders[0][0]
    assert (await refusal(line, user=holder, qty=2)).code == "limit_reached"
    error = await refusal(line, qty=3)
    assert error.code == "limit_reached"
    me = str(uuid.uuid4())
    mine = await line.join(me)
    assert (await line.join(me)).id == mine.id
    assert (await refusal(line, user=me, qty=2)).code == "idempotency_conflict"
    again = await refusal(line, user=me, key="another")
    assert again.code == "already_waiting"
    assert again.detail is not None
    assert again.detail["entry"]["id"] == mine.id
    await line.list.leave(user_id=me, entry_id=mine.id)
    await line.release_one()
    free = await refusal(line)
    assert (free.code, free.detail) == ("not_held_out", {"available": 1})
    await line.press()
    await line.change("UPDATE reservations SET state = 'sold' WHERE state = 'held'")
    assert (await refusal(line)).code == "sold_out"
    await line.change("UPDATE sales SET state = 'ended' WHERE id = $1", line.sale)
    assert (await refusal(line)).code == "ended"
    line.sale = str(uuid.uuid4())
    assert (await refusal(line)).code == "not_found"


async def test_whoever_waits_already_is_answered_without_the_pools_lock(line: Line) -> None:
    """Asking again changes nothing, so it does not wait for those who decide."""
    await line.open(1)
    me = str(uuid.uuid4())
    mine = await line.join(me)
    pool = str((await read_stock(line.database, line.sale))["pool_id"])
    async with line.database.transaction() as busy:
        await lock_pools(busy, [pool])
        async with asyncio.timeout(30):
            assert (await line.join(me)).id == mine.id
            assert (await refusal(line, user=me, qty=2)).code == "idempotency_conflict"
            again = await refusal(line, user=me, key="another")
    assert again.code == "already_waiting"


async def test_a_dead_offer_is_decided_under_the_lock(line: Line) -> None:
    """Whoever let an offer run out does not wait any more; no sweeper has come by."""
    await line.open(1)
    me = str(uuid.uuid4())
    await line.join(me)
    await line.release_one()
    assert (await refusal(line, user=me, key="again")).code == "already_waiting"
    await line.change("UPDATE reservations SET release_at_ms = 0 WHERE state = 'held'")
    assert (await refusal(line, user=me, key="again")).code == "not_held_out"


async def test_a_full_list_takes_nobody_else(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cap holds before the lock is taken and under it."""
    for place in ("rules", "service"):
        monkeypatch.setattr(f"commerce.goods.waiting_list.{place}.LIST_MAX", 2)
    await line.open(1)
    answers = await asyncio.gather(*(line.join() for _ in range(6)), return_exceptions=True)
    refused = [one for one in answers if isinstance(one, CommerceError)]
    assert [one.code for one in refused] == ["list_full"] * 4
    assert refused[0].detail == {"waiting": 2}


async def test_a_full_list_still_answers_those_who_are_in_it(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A retry meets its own row."""
    monkeypatch.setattr("commerce.goods.waiting_list.service.LIST_MAX", 1)
    monkeypatch.setattr("commerce.goods.waiting_list.rules.LIST_MAX", 1)
    await line.open(1)
    mine = await line.join()
    assert (await line.join(mine.user_id)).id == mine.id


async def test_an_entry_is_only_its_owners(line: Line) -> None:
    """Nobody else takes somebody out of the line."""
    await line.open(1)
    entry = await line.join()
    with pytest.raises(CommerceError, match="not_found"):
        await line.list.leave(user_id=await make_user(line.database), entry_id=entry.id)
    assert (await line.list.leave(user_id=entry.user_id, entry_id=entry.id)).state == "left"
    assert await line.list.list_entries(entry.user_id) == []


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE sales SET state = 'ended' WHERE id = $1", "ended"),
        ("UPDATE sales SET ends_at_ms = opens_at_ms WHERE id = $1", "ended"),
        ("UPDATE reservations SET state = 'sold' WHERE sale_id = $1", "sold_out"),
    ],
)
async def test_who_waits_in_vain_is_told(line: Line, statement: str, reason: str) -> None:
    """A sale that ended by hand or by time, or is all paid, closes its line once."""
    await line.open(1)
    entry = await line.join()
    await tend_lines(line.database)
    assert await line.states(entry) == ["waiting"]
    await line.change(statement, line.sale)
    await asyncio.gather(tend_lines(line.database), tend_lines(line.database))
    assert await line.states(entry) == ["closed"]
    counts = await asyncio.gather(tell_waiters(line.database), tell_waiters(line.database))
    assert sorted(counts) == [0, 1]
    assert [payload["reason"] for _, _, payload in line.told] == [reason]


async def test_the_room_sees_who_waits_and_who_has_an_offer(line: Line) -> None:
    """Both figures of the pool, in the room state only while there is somebody."""
    await line.open(1)
    figures, view = await look(line)
    assert figures.waiting is None
    assert "waiting" not in view
    entries = [await line.join() for _ in range(2)]
    await line.release_one()
    figures, view = await look(line)
    assert figures.waiting == (1, 1)
    assert figures.stock == (0, 1, 0)
    assert tuple(view["waiting"]) == (1, 1)
    for entry in reversed(entries):
        await line.list.leave(user_id=entry.user_id, entry_id=entry.id)
    figures, view = await look(line)
    assert figures.waiting == (0, 0)
    assert "waiting" not in view


async def look(line: Line) -> tuple[Any, dict[str, Any]]:
    """Return a sale's figures for the state lane, and the sale in the room state."""
    async with line.database.reading() as connection:
        figures = (await select_figures(connection, [line.sale]))[line.sale]
        view = await select_sale_view(connection, line.sale)
    return figures, orjson.loads(orjson.dumps(msgspec.to_builtins(view)))
