"""Refunds that race for the same money, with the control that shows what their lock is for."""

from __future__ import annotations

import asyncio

import pytest

from commerce.insight.audit.service import audit
from commerce.kernel.ports import Connection
from commerce.orders.checkout import store as orders
from commerce.orders.payments import store as payments
from commerce.orders.payments.model import Payment, Refund
from commerce.orders.refunds import store as refund_store
from commerce.orders.refunds.completion import RefundCompletion
from commerce.orders.refunds.model import ReturnedLine
from tests.support.refunding import PaidOrder, broken, pay_order
from tests.support.till import Till

PRICE = 19_900
AT_ONCE = 6


async def race(till: Till, amount_minor: int) -> tuple[list[int], int]:
    """Ask for the same amount from many sides at once; return the statuses and the sum."""
    order = await pay_order(till)
    answers = await asyncio.gather(
        *(order.refund(amount_minor=amount_minor) for _ in range(AT_ONCE))
    )
    sums = await till.values("SELECT sum(amount_minor)::bigint FROM refunds")
    return sorted(answer.status_code for answer in answers), sums[0]


async def test_refunds_at_once_never_exceed_the_payment(till: Till) -> None:
    """Two of six fit; the provider is asked for those two."""
    statuses, asked = await race(till, 9_000)
    assert statuses == [201, 201, 409, 409, 409, 409]
    assert asked == 18_000
    await till.payments.run_payment_calls()
    assert await till.values("SELECT sum(amount_minor)::bigint FROM sandbox.refunds") == [18_000]
    assert (await audit(till.database)).violations == []
    assert await broken(till) == {}


async def test_without_the_locks_refunds_exceed_the_payment(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: read without the locks, the same money is promised many times."""
    everybody = asyncio.Barrier(AT_ONCE)
    lock_payments, lock_order = payments.LOCK_PAYMENTS_OF_ORDER, orders.LOCK_ORDER

    async def look(connection: Connection, order_id: str) -> list[Payment]:
        rows = await connection.fetch(lock_payments.replace("FOR NO KEY UPDATE", ""), order_id)
        await everybody.wait()
        return [payments._payment(row) for row in rows]

    order = await pay_order(till)
    monkeypatch.setattr(payments, "lock_payments_of_order", look)
    monkeypatch.setattr(orders, "LOCK_ORDER", lock_order.replace("FOR NO KEY UPDATE", ""))
    monkeypatch.setattr("commerce.orders.refunds.store.TOUCH_ORDER", "SELECT 1 WHERE $1 = $1")
    await asyncio.gather(*(order.refund(amount_minor=9_000) for _ in range(AT_ONCE)))

    [asked] = await till.values("SELECT sum(amount_minor)::bigint FROM refunds")
    assert asked > PRICE
    assert "refunds_within_payment" in await broken(till)


async def test_refunds_done_at_once_add_up(till: Till) -> None:
    """Parts of lines whose answers come at the same time: each counted once, goods once."""
    order = await pay_order(till, quantities=(3, 3))
    for reservation in order.reservations * 3:
        line = {"reservation": reservation, "qty": 1}
        assert (await order.refund(lines=[line], restock=True)).status_code == 201
    assert await till.payments.run_payment_calls() == AT_ONCE
    assert (await order.read())["state"] == "refunded"
    [row] = [await till.row("SELECT total, claimed FROM stock WHERE sale_id IS NOT NULL")]
    assert tuple(row) == (20, 0)
    assert (await audit(till.database)).violations == []
    assert await broken(till) == {}


async def part_of_a_line(till: Till, *restock: bool) -> tuple[PaidOrder, list[Refund]]:
    """Return a paid line of four, and refunds of one unit each that are not done yet."""
    order = await pay_order(till, quantities=(4,))
    ids = [await order.ask(0, 1, restock=one) for one in restock]
    async with till.database.reading() as connection:
        found = [await payments.select_refund(connection, id) for id in ids]
    return order, [refund for refund in found if refund is not None]


async def test_parts_of_a_line_done_at_once_free_each_its_units(till: Till) -> None:
    """The answers, and each of them again by webhook, at the same moment."""
    order, refunds = await part_of_a_line(till, True, True, False)
    await asyncio.gather(
        till.payments.run_payment_calls(), *(order.report(one.id, "done") for one in refunds * 2)
    )
    assert await order.units() == (19, 1, 1)
    assert await broken(till) == {}


async def test_without_the_lock_of_their_order_units_are_lost(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: each counts its own refund alone, so only one of three is free."""
    order, refunds = await part_of_a_line(till, True, True, True)
    everybody = asyncio.Barrier(len(refunds))
    select = refund_store.select_returned_lines

    async def look(connection: Connection, order_id: str) -> list[ReturnedLine]:
        lines = await select(connection, order_id)
        await everybody.wait()
        return lines

    async def finish(refund: Refund) -> None:
        async with till.database.transaction() as transaction:
            await transaction.execute("UPDATE refunds SET state = 'done' WHERE id = $1", refund.id)
            await RefundCompletion().take_back(transaction, refund)

    monkeypatch.setattr(refund_store, "select_returned_lines", look)
    monkeypatch.setattr(orders, "LOCK_ORDER", orders.SELECT_ORDER)
    monkeypatch.setattr(
        refund_store, "ADD_REFUNDED", "SELECT refunded_minor + $2 FROM orders WHERE id = $1"
    )
    await asyncio.gather(*(finish(refund) for refund in refunds))

    assert await order.units() == (20, 3, 3), "three came back, one is free"
    assert "refunded_units_are_taken_back" in await broken(till)
