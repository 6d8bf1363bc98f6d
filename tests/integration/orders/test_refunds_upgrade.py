"""Orders refunded in part before units came free one by one: the migration frees them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from commerce.goods.waiting_list.service import WaitingList
from commerce.insight.audit.rounds import look_at_changes
from commerce.orders.checkout import store as orders
from commerce.orders.refunds import store as refunds
from commerce.orders.refunds.model import ReturnedLine
from server.db import migrate as migrations
from tests.support import databases
from tests.support.refunding import PaidOrder, broken, pay_order
from tests.support.till import Till, open_till

UPGRADE = "0048_refunds_in_part.sql"
# As the auditor keeps them when it has looked at everything.
KEEP_SUMS = """
    WITH seen AS (DELETE FROM audit_marks WHERE pool_id IS NOT NULL)
    INSERT INTO audit_pools (pool_id, live, journal_rows, journal_version, journal_claimed,
        journal_total)
    SELECT pool_id, claimed, version, version, claimed, total FROM stock
"""
FIGURES = """
    SELECT refunded_qty || ' ' || restocked_qty || ' ' || state FROM reservations WHERE id = $1
"""


@pytest.fixture
def old_url(database_server_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database without this one migration, and the few queries of its columns as they were.

    The later ones are applied, as the shop that sells in it is today's.
    """
    url = databases.clone(database_server_url, "template0")
    before = [one for one in migrations.list_migrations() if one.name != UPGRADE]
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "list_migrations", lambda: before)
        databases.run_apart(migrations.migrate(url))

    async def nothing(*_: object) -> list[ReturnedLine]:
        return []

    with monkeypatch.context() as patch:
        patch.setattr(orders, "KEEP_PROOF", orders.KEEP_PROOF.replace(" - p.refunded_qty", ""))
        patch.setattr(refunds, "select_returned_lines", nothing)
        yield url
    databases.drop(database_server_url, url)


async def give_back(order: PaidOrder, line: int, qty: int, *, restock: bool) -> None:
    """Have units of a line refunded; the shop of before takes nothing back yet."""
    await order.report(await order.ask(line, qty, restock=restock), "done")


async def sell(till: Till) -> tuple[list[PaidOrder], str]:
    """Make the orders of before: in part, whole, twice over; and somebody who waits."""
    order = await pay_order(till, quantities=(3, 2), quantity=12)
    await give_back(order, 0, 1, restock=True)
    await give_back(order, 0, 1, restock=False)
    await give_back(order, 1, 2, restock=False)
    await till.change("SELECT refund_reservation($1, 0)", order.reservations[1])

    twice = await pay_order(till, quantities=(3,), quantity=4)
    failed = await twice.ask(0, 2)
    await twice.report(failed, "failed")
    await give_back(twice, 0, 2, restock=True)
    await twice.report(failed, "done")
    await till.change("SELECT refund_reservation($1, 2)", twice.reservations[0])

    waited = await pay_order(till, quantities=(2,), quantity=3)
    holder, waiter = await till.buyer("Holder"), await till.buyer("Waiter")
    await till.reserve(waited.sale, holder.id)
    lines = WaitingList(till.database, till.inventory)
    entry = await lines.join(user_id=waiter.id, sale_id=waited.sale, qty=1, key="k")
    await give_back(waited, 0, 1, restock=True)
    return [order, twice, waited], entry.id


async def test_units_of_before_come_free_with_the_upgrade(old_url: str) -> None:
    """What was refunded in part comes free at once, what was refunded whole stays as it is."""
    async with open_till(old_url) as till:
        [order, twice, waited], entry = await sell(till)
        await till.change(KEEP_SUMS)
        assert await order.units() == (10, 3, 3)

    await migrations.migrate(old_url)

    async with open_till(old_url) as till:
        for one in (order, twice, waited):
            one.till = till
        assert await till.values(FIGURES, order.reservations[0]) == ["2 1 sold"]
        assert await till.values(FIGURES, order.reservations[1]) == ["2 0 refunded"]
        assert await till.values(FIGURES, twice.reservations[0]) == ["3 2 refunded"]
        assert await order.units() == (9, 1, 1)
        assert await twice.units() == (3, 0, 0)
        assert await waited.units() == (3, 3, 1), "its unit is offered to who waits"
        state = await till.values("SELECT state FROM waiting_list WHERE id = $1", entry)
        assert state == ["offered"]
        assert set(await broken(till)) == {"refunded_units_within_line"}
        rounds = await look_at_changes(till.database)
        assert {one.check for one in rounds.violations} == {"refunded_units_within_line"}
