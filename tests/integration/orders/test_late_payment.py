"""Money that comes after its hold has ended: it buys the units again, or goes back."""

from __future__ import annotations

import uuid

import pytest

from commerce.goods.inventory.sweeper import sweep
from commerce.goods.waiting_list.service import WaitingList
from commerce.insight.audit.service import audit
from tests.support.shop import read_stock
from tests.support.till import Buyer, Till, order_one, told_by


async def late_order(till: Till, sale: str, buyer: Buyer) -> str:
    """Order one unit and let the hold end, the order with it."""
    order_id, _ = await order_one(till, sale, buyer)
    await till.end_holds(sale)
    await sweep(till.database)
    assert await till.settlement.expire_orders() == 1
    return order_id


async def pay(till: Till, order_id: str, state: str = "authorised") -> None:
    """Let the provider report money."""
    answer = await till.webhook(told_by(await till.remote(order_id), state))
    assert answer.status_code == 200


async def states(till: Till, order_id: str) -> tuple[str, list[str]]:
    """Return an order's state, and its reservations'."""
    order = await till.values("SELECT state FROM orders WHERE id = $1", order_id)
    lines = await till.values(
        "SELECT r.state FROM reservations r JOIN order_lines l ON l.reservation_id = r.id"
        " WHERE l.order_id = $1 ORDER BY r.version",
        order_id,
    )
    return order[0], lines


async def calls(till: Till) -> list[str]:
    """Return what we owe the provider beside creations."""
    return await till.values("SELECT kind FROM payment_calls WHERE kind <> 'create' ORDER BY kind")


async def test_late_money_buys_free_units_again(till: Till) -> None:
    """The order was expired and is paid: the unit is claimed anew, and no void is owed."""
    _, sale = await till.sale(quantity=1)
    buyer = await till.buyer()
    order_id = await late_order(till, sale, buyer)
    assert await calls(till) == ["void"]
    await pay(till, order_id)
    assert await states(till, order_id) == ("paid", ["sold"])
    assert await calls(till) == ["capture"]
    assert (await read_stock(till.database, sale))["claimed"] == 1
    reasons = await till.values(
        "SELECT reason FROM stock_journal WHERE pool_id = (SELECT pool_id FROM sales"
        " WHERE id = $1) ORDER BY version",
        sale,
    )
    assert reasons == ["carved_in", "reserved", "expired", "reserved_late"]
    assert till.news("payment.voided") == []
    assert len(till.lines()) == len(till.news("order.paid")) == 1
    await pay(till, order_id)
    assert (await audit(till.database)).violations == []


async def test_late_money_needs_no_sweeper(till: Till) -> None:
    """The hold is over and nobody came by: the unit is freed and taken in one transaction."""
    _, sale = await till.sale(quantity=1)
    order_id, _ = await order_one(till, sale, await till.buyer())
    await till.end_holds(sale)
    await pay(till, order_id)
    assert await states(till, order_id) == ("paid", ["sold"])
    assert (await audit(till.database)).violations == []


async def test_late_money_is_let_go_when_the_unit_is_gone(till: Till) -> None:
    """A walk-in was quicker; captured money is refunded, and a second report changes nothing."""
    _, sale = await till.sale(quantity=1)
    buyer = await till.buyer()
    order_id = await late_order(till, sale, buyer)
    await till.reserve(sale, (await till.buyer("Quick")).id)
    await pay(till, order_id, "captured")
    assert await states(till, order_id) == ("expired", ["refused_late"])
    assert await calls(till) == ["refund"]
    assert till.news("payment.voided") == [{"order": order_id, "reason": "order_expired"}]
    await pay(till, order_id, "captured")
    assert await calls(till) == ["refund"]
    assert (await audit(till.database)).violations == []


async def test_the_waiting_list_comes_before_late_money(till: Till) -> None:
    """What the ended hold frees goes to the line, in the very transaction that would pay."""
    _, sale = await till.sale(quantity=1)
    order_id, _ = await order_one(till, sale, await till.buyer())
    await WaitingList(till.database, till.inventory).join(
        user_id=str(uuid.uuid4()), sale_id=sale, qty=1, key="k"
    )
    await till.end_holds(sale)
    await pay(till, order_id)
    assert await states(till, order_id) == ("expired", ["refused_late"])
    assert await till.values("SELECT state FROM waiting_list") == ["offered"]
    assert await calls(till) == ["void"]
    assert (await audit(till.database)).violations == []


async def test_late_money_does_not_pass_the_limit(till: Till) -> None:
    """The buyer reserved anew meanwhile and has as many as one may have."""
    _, sale = await till.sale(quantity=5)
    buyer = await till.buyer()
    order_id = await late_order(till, sale, buyer)
    await till.reserve(sale, buyer.id)
    await pay(till, order_id)
    assert await states(till, order_id) == ("expired", ["refused_late"])
    assert (await audit(till.database)).violations == []


async def test_an_order_of_several_units_is_had_again_whole_or_not_at_all(till: Till) -> None:
    """One of two units is somebody else's: neither is bought, the other stays free."""
    _, sale = await till.sale(quantity=2, per_buyer=2)
    buyer = await till.buyer()
    reservations = [await till.reserve(sale, buyer.id) for _ in range(2)]
    order_id = (await buyer.order(reservations)).json()["order"]["id"]
    await till.end_holds(sale)
    await sweep(till.database)
    await till.reserve(sale, (await till.buyer("Quick")).id)
    await pay(till, order_id)
    assert await states(till, order_id) == ("expired", ["refused_late"] * 2)
    assert (await read_stock(till.database, sale))["claimed"] == 1
    assert (await audit(till.database)).violations == []


async def test_money_that_is_being_let_go_buys_nothing(till: Till) -> None:
    """A void is on its way: nobody knows whether the money is still there."""
    _, sale = await till.sale(quantity=1)
    order_id = await late_order(till, sale, await till.buyer())
    await till.change("UPDATE payment_calls SET attempts = 1 WHERE kind = 'void'")
    await pay(till, order_id)
    assert await states(till, order_id) == ("expired", ["expired"])
    assert await calls(till) == ["void"]
    assert (await audit(till.database)).violations == []


@pytest.mark.parametrize("state", ["cancelled", "halted", "ended"])
async def test_a_sale_that_was_stopped_is_not_bought_late(till: Till, state: str) -> None:
    """Called off, its units belong to the shop again; halted, it gives nothing to anybody.

    Nor does it once it has ended so: nobody has let it go on.
    """
    _, sale = await till.sale(quantity=1)
    order_id, _ = await order_one(till, sale, await till.buyer())
    await till.change(
        f"UPDATE sales SET state = '{state}', halted_from = 'open' WHERE id = $1",
        sale,
    )
    await till.end_holds(sale)
    await pay(till, order_id)
    assert await states(till, order_id) == ("expired", ["refused_late"])


async def test_a_paid_offer_is_bought(till: Till) -> None:
    """The entry of the waiting list follows its reservation through checkout."""
    _, sale = await till.sale(quantity=1)
    holder, waiter = await till.buyer(), await till.buyer("Wei")
    held = await till.reserve(sale, holder.id)
    lists = WaitingList(till.database, till.inventory)
    await lists.join(user_id=waiter.id, sale_id=sale, qty=1, key="k")
    await till.inventory.release(user_id=holder.id, reservation_id=held)
    [entry] = await lists.list_entries(waiter.id)
    assert entry.reservation_id is not None
    order_id = (await waiter.order([entry.reservation_id])).json()["order"]["id"]
    await pay(till, order_id)
    assert await states(till, order_id) == ("paid", ["sold"])
    assert await till.values("SELECT state FROM waiting_list") == ["bought"]
    assert (await audit(till.database)).violations == []
