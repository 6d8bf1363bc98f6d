"""Refunds that race for the same money, with the control that shows what their lock is for."""

from __future__ import annotations

import asyncio

import pytest

from commerce.insight.audit.service import audit
from commerce.kernel.ports import Connection
from commerce.orders.checkout import store as orders
from commerce.orders.payments import store as payments
from commerce.orders.payments.model import Payment
from tests.support.refunding import broken, pay_order
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
