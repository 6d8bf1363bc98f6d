"""The race between payment and expiry, with the control that shows what its lock is for."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from commerce.insight.audit.service import audit
from commerce.kernel.ports import Transaction
from commerce.orders.checkout import settlement, store
from commerce.orders.payments.model import Settled
from tests.support.shop import read_stock
from tests.support.till import Till, order_one, told_by


async def race_payment_with_expiry(till: Till) -> tuple[int, int]:
    """Settle an order exactly while its hold is being freed; return (sold, claimed)."""
    _, sale = await till.sale(quantity=1)
    buyer = await till.buyer()
    order_id, _ = await order_one(till, sale, buyer)
    await till.end_holds(sale)
    pool = (await read_stock(till.database, sale))["pool_id"]
    remote = await till.remote(order_id)
    # The sweeper has freed the hold and is about to commit when the money comes.
    async with till.database.transaction() as sweeper:
        await sweeper.fetch("SELECT id FROM expire_due($1)", pool)
        webhook = asyncio.create_task(till.webhook(told_by(remote, "authorised")))
        await _until_somebody_waits_or(till, webhook)
    assert (await webhook).status_code == 200
    sold = await till.values("SELECT count(*) FROM reservations WHERE state = 'sold'")
    return sold[0], (await read_stock(till.database, sale))["claimed"]


async def _until_somebody_waits_or(till: Till, task: asyncio.Task[httpx.Response]) -> None:
    """Return when a backend waits for a lock, or the task is done."""
    async with asyncio.timeout(30):
        while not task.done():
            if await till.values("SELECT 1 FROM pg_locks WHERE NOT granted"):
                return
            await asyncio.sleep(0.01)


async def test_money_that_lost_the_race_with_expiry_takes_the_unit_again(till: Till) -> None:
    """The sweeper had the row first and freed the unit; nobody wanted it in between."""
    assert await race_payment_with_expiry(till) == (1, 1)
    assert till.news("payment.voided") == []
    assert (await audit(till.database)).violations == []


async def test_without_that_lock_the_race_sells_freed_stock(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: reading the hold without its lock sells a unit that was freed."""

    async def settle_unlocked(
        self: settlement.OrderSettlement,
        transaction: Transaction,
        order_id: str,
        card: str | None = None,
    ) -> Settled:
        order = await store.lock_order(transaction, order_id)
        assert order is not None
        seen = await transaction.fetch(
            "SELECT reservation_id FROM order_lines WHERE order_id = $1", order_id
        )
        await transaction.execute(
            "UPDATE reservations SET state = 'sold' WHERE id = ANY ($1::uuid[])",
            [str(row[0]) for row in seen],
        )
        await store.update_state(transaction, order_id, "paid")
        return Settled()

    monkeypatch.setattr(settlement.OrderSettlement, "settle", settle_unlocked)
    assert await race_payment_with_expiry(till) == (1, 0)
    assert (await audit(till.database)).violations != []


async def test_payment_and_expiry_in_any_order_never_disagree(till: Till) -> None:
    """Many orders whose holds end while their money comes: paid ⇔ sold, else freed.

    One is paid before its hold ends; one when others have everything that was freed; between
    these two, whoever comes first.
    """
    _, sale = await till.sale(quantity=12)
    pool = (await read_stock(till.database, sale))["pool_id"]
    buyers = [await till.buyer(f"B{number}") for number in range(12)]
    rivals = [await till.buyer(f"R{number}") for number in range(12)]
    orders = [await order_one(till, sale, buyer) for buyer in buyers]
    remotes = [await till.remote(order_id) for order_id, _ in orders]
    are_freed, is_gone = asyncio.Event(), asyncio.Event()

    async def pay(number: int) -> None:
        assert (await till.webhook(told_by(remotes[number], "authorised"))).status_code == 200

    async def pay_some_time(number: int) -> None:
        await asyncio.sleep(0.03 * number)
        await pay(number)

    async def sweep() -> None:
        async with asyncio.timeout(30):
            while not is_gone.is_set():
                if await till.settlement.expire_orders():
                    are_freed.set()
                await asyncio.sleep(0.01)

    async def come_after_it() -> None:
        await are_freed.wait()
        till.inventory.forget_latches([pool])
        await asyncio.gather(
            *(
                till.inventory.reserve(user_id=rival.id, sale_id=sale, qty=1, key="rival")
                for rival in rivals
            )
        )
        is_gone.set()
        await pay(11)

    await pay(0)
    await till.change(
        "UPDATE reservations SET release_at_ms = (SELECT clock_ms()) + 150"
        " WHERE sale_id = $1 AND state = 'paying'",
        sale,
    )
    await asyncio.gather(
        sweep(), come_after_it(), *(pay_some_time(number) for number in range(1, 11))
    )
    await till.settlement.expire_orders()

    first, last = [
        (await till.values("SELECT state FROM orders WHERE id = $1", orders[number][0]))[0]
        for number in (0, 11)
    ]
    assert (first, last) == ("paid", "expired")
    await check_both_ends(till, sale)


async def check_both_ends(till: Till, sale: str) -> None:
    """Some orders are paid, some expired; every unit is sold or held, all other money let go."""
    states = await till.values("SELECT state FROM orders")
    assert set(states) == {"paid", "expired"}
    sold = await till.values("SELECT count(*) FROM reservations WHERE state = 'sold'")
    held = await till.values("SELECT count(*) FROM reservations WHERE state = 'held'")
    assert states.count("paid") == sold[0] == len(till.lines())
    assert (await read_stock(till.database, sale))["claimed"] == sold[0] + held[0] == 12
    assert len(till.news("payment.voided")) == states.count("expired")
    assert (await audit(till.database)).violations == []
