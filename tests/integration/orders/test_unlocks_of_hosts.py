"""What a host does to a sale whose price may fall: call it off, take units back."""

from __future__ import annotations

import uuid

import pytest

from commerce.goods.adjustments.model import Adjustment
from commerce.kernel.errors import CommerceError
from commerce.sales.flash_sales.quantity import change_quantity
from commerce.sales.flash_sales.service import finish
from commerce.sales.flash_sales.store import select_sale
from commerce.sales.unlocks.service import note_missed
from tests.support.till import Till
from tests.support.unlocking import PLAIN, Crowd, check_books


@pytest.fixture
async def crowd(till: Till) -> Crowd:
    """Ten units at the plain price; it falls with the third."""
    return await Crowd.gather(till)


async def test_a_sale_that_is_called_off_takes_nobodys_money(crowd: Crowd) -> None:
    """Also where the host chose to charge: that was for a sale that ran to its end."""
    buyer, order = await crowd.promise()
    late, late_order, url = await crowd.order()
    async with crowd.till.database.transaction() as transaction:
        await finish(transaction, crowd.sale, "cancel", "A wrong price.")
    await late.press(url, "pay")
    leaves = await buyer.client.post(
        f"/api/orders/{order}/cancel", headers={"Idempotency-Key": "leave"}
    )
    assert leaves.status_code == 200, leaves.text
    await crowd.run_jobs()
    await crowd.run_jobs()
    assert await crowd.outcome() == ("missed", 0)
    assert await crowd.money() == {("voided", PLAIN): 2}
    assert {state for state, _ in await crowd.orders()} == {"cancelled", "awaiting_payment"}
    assert crowd.till.news("payment.voided") == [{"order": late_order, "reason": "not_unlocked"}]
    shown = await late.read(late_order)
    assert shown["lines"][0]["unlock"]["otherwise"] == "release"
    told = await crowd.till.values(
        "SELECT payload::jsonb ->> 'otherwise' FROM room_events WHERE type = 'flash.not_unlocked'"
    )
    assert told == ["release"]
    await check_books(crowd)


async def test_whoever_promised_is_told_that_the_sale_was_called_off(crowd: Crowd) -> None:
    """Once each, and it is not the price that fell: whoever was charged before stays so."""
    orders = {(await crowd.promise())[1] for _ in range(2)}
    async with crowd.till.database.transaction() as transaction:
        await finish(transaction, crowd.sale, "cancel")
    await crowd.run_jobs()
    assert await crowd.orders() == {("expired", PLAIN): 2}
    assert await crowd.money() == {("voided", PLAIN): 2}
    told = [(news["order"], news["reason"]) for news in crowd.till.news("payment.voided")]
    assert sorted(told) == sorted((order, "not_unlocked") for order in orders)
    assert {news["order"]["id"] for news in crowd.till.news("order.expired")} == orders
    await check_books(crowd)


@pytest.mark.parametrize("is_noted", [True, False])
async def test_what_was_decided_before_the_sale_is_called_off_stands(
    crowd: Crowd, *, is_noted: bool
) -> None:
    """Missed and charged: that no job has come by, or not for every order, changes nothing."""
    await crowd.promise()
    await crowd.promise()
    await crowd.pass_time()
    if is_noted:
        await note_missed(crowd.till.database)
    async with crowd.till.database.transaction() as transaction:
        await finish(transaction, crowd.sale, "cancel")
    await crowd.run_jobs()
    assert await crowd.orders() == {("paid", PLAIN): 2}
    assert await crowd.money() == {("captured", PLAIN): 2}
    await check_books(crowd)


async def change(crowd: Crowd, delta: int) -> int:
    """Change how many units the sale has; return that."""
    async with crowd.till.database.transaction() as transaction:
        sale = await select_sale(transaction, crowd.sale)
        host = await transaction.fetchval("SELECT host_id::text FROM rooms")
        wish = Adjustment(str(uuid.uuid4()), host, sale.sku, delta, "", sale.id)
        await change_quantity(transaction, sale, wish)
        return (await select_sale(transaction, crowd.sale)).quantity or 0


async def test_a_threshold_keeps_the_units_that_it_asks_for(crowd: Crowd) -> None:
    """While it is open: who promised would wait for what cannot come any more."""
    with pytest.raises(CommerceError, match="invalid_request"):
        await change(crowd, -8)
    assert await change(crowd, -7) == 3
    await crowd.promise(qty=3)
    assert await crowd.outcome() == ("unlocked", 1)
    assert await change(crowd, 2) == 5
    assert await change(crowd, -2) == 3
