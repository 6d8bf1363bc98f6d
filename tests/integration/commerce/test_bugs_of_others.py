"""Bugs that other shops shipped, each with a test that would have found it here.

Named after the project and the number of its issue. Those of group buys and coupons are with their
features' own tests; `docs/testing.md` names each.
"""

from __future__ import annotations

import asyncio
import uuid

import pytest

from commerce.goods.carts.model import Granted, RefusedItems
from commerce.goods.carts.service import CartService
from commerce.goods.inventory.model import Outcome, Request
from commerce.goods.inventory.store import reserve_batch
from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from commerce.orders.checkout.model import PlaceOrder
from commerce.orders.checkout.rules import HELD_MS_MAX
from server.db.database import Told
from tests.support.shop import arm_flash, read_stock
from tests.support.till import Till, order_one, told_by

RELEASE = "SELECT release_at_ms FROM reservations WHERE id = $1"


async def is_sound(till: Till) -> bool:
    """Say whether the auditor finds nothing."""
    return (await audit(till.database)).violations == []


async def press_anew(till: Till, sale: str) -> None:
    """Let somebody else have what came free."""
    await till.reserve(sale, (await till.buyer()).id)


async def test_medusa_16502_two_lines_of_one_sale_are_one_wish(till: Till) -> None:
    """Two lines that fit one by one, and not together, are refused together."""
    _, sale = await till.sale(quantity=3, per_buyer=9)
    carts = CartService(till.inventory)
    answer = await carts.reserve(user_id=str(uuid.uuid4()), items=[(sale, 2), (sale, 2)], key="k")
    assert isinstance(answer, RefusedItems)
    assert [one.outcome for _, one in answer.items] == [Outcome.NOT_ENOUGH_LEFT]
    assert (await read_stock(till.database, sale))["claimed"] == 0


async def test_medusa_16569_whoever_calls_the_core_gets_its_lock(till: Till) -> None:
    """Nobody has to lock before the call: the function that decides takes the lock itself."""
    _, sale = await till.sale(quantity=5)
    pool_id = str((await read_stock(till.database, sale))["pool_id"])

    async def call() -> int:
        request = Request(str(uuid.uuid4()), sale, str(uuid.uuid4()), 1)
        async with till.database.pool.acquire() as connection:
            return (await reserve_batch(connection, pool_id, [request])).outcomes[0]

    outcomes = await asyncio.gather(*(call() for _ in range(20)))
    assert outcomes.count(Outcome.RESERVED) == 5
    assert (await read_stock(till.database, sale))["claimed"] == 5
    assert await is_sound(till)


async def test_medusa_16825_the_loser_of_a_race_leaves_no_order(till: Till) -> None:
    """One reservation, many orders at once: one order and one payment exist afterwards."""
    _, sale = await till.sale(quantity=1)
    buyer = await till.buyer()
    held = await till.reserve(sale, buyer.id)
    wishes = [PlaceOrder(buyer.id, f"key {n}", [held]) for n in range(6)]
    done = await asyncio.gather(
        *(till.checkout.place_order(wish) for wish in wishes), return_exceptions=True
    )
    lost = [one.code for one in done if isinstance(one, CommerceError)]
    assert lost == ["reservation_gone"] * 5
    for table in ("orders", "order_lines", "payments"):
        assert await till.values(f"SELECT count(*) FROM {table}") == [1]
    assert await is_sound(till)


async def test_alfio_1421_nobody_has_paid_for_goods_that_are_gone(till: Till) -> None:
    """Money that was taken for a unit somebody else has by now is owed back, and they are told."""
    _, sale = await till.sale(quantity=1)
    order_id, _ = await order_one(till, sale, await till.buyer())
    await till.end_holds(sale)
    await press_anew(till, sale)
    await till.webhook(told_by(await till.remote(order_id), "captured"))
    assert await till.values("SELECT state FROM orders WHERE id = $1", order_id) == ["expired"]
    assert await till.values("SELECT kind FROM payment_calls WHERE kind = 'refund'") == ["refund"]
    assert [one["order"] for one in till.news("payment.voided")] == [order_id]
    assert await is_sound(till)


async def test_alfio_531_the_payment_of_an_expired_hold_does_not_vanish(till: Till) -> None:
    """The order is long expired; its money is noted, and let go at the provider."""
    _, sale = await till.sale(quantity=1)
    buyer = await till.buyer()
    order_id, url = await order_one(till, sale, buyer)
    await till.end_holds(sale)
    await press_anew(till, sale)
    assert await till.settlement.expire_orders() == 1
    assert (await buyer.press(url, "pay")).status_code < 400
    await till.webhook(told_by(await till.remote(order_id), "authorised"))
    await till.payments.run_payment_calls()
    assert (await till.remote(order_id))["state"] == "voided"
    states = await till.values("SELECT state FROM payments WHERE order_id = $1", order_id)
    assert states == ["voided"]
    assert await is_sound(till)


async def test_a_second_hold_does_not_reset_the_firsts_timer(till: Till) -> None:
    """Adding something to what one holds keeps nothing from others for longer."""
    _, sale = await till.sale(quantity=5, per_buyer=3)
    buyer = await till.buyer()
    first = await till.reserve(sale, buyer.id)
    # As if it had been made a minute ago; the same moment would hide a reset.
    await till.change("UPDATE reservations SET release_at_ms = release_at_ms - 60000")
    before = await till.values(RELEASE, first)
    await till.reserve(sale, buyer.id)
    await CartService(till.inventory).reserve(user_id=buyer.id, items=[(sale, 1)], key="more")
    assert await till.values(RELEASE, first) == before


async def test_no_hold_is_extended_beyond_its_cap(till: Till) -> None:
    """Neither checkout, nor its repetition, nor a declined card moves the end past the cap."""
    _, sale = await till.sale(quantity=1)
    buyer = await till.buyer()
    held = await till.reserve(sale, buyer.id)
    # Fourteen minutes old, and one more to live.
    await till.change(
        "UPDATE reservations SET decided_at_ms = clock_ms() - 840000,"
        " release_at_ms = clock_ms() + 30000"
    )
    order = (await buyer.order([held], key="k")).json()["order"]
    [cap] = await till.values("SELECT decided_at_ms FROM reservations")
    assert await till.values(RELEASE, held) == [cap + HELD_MS_MAX]
    await buyer.order([held], key="k")
    await till.webhook(told_by(await till.remote(order["id"]), "declined"))
    assert await till.values(RELEASE, held) == [cap + HELD_MS_MAX]
    assert await till.values("SELECT count(*) FROM payments") == [2]


async def test_shopper_591_nothing_that_counts_waits_for_a_listener(
    till: Till, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever listens after COMMIT may fail: stock, order and money are right without them."""

    async def fail(told: Told) -> None:
        raise RuntimeError("the listener is broken")

    till.database.publish = fail
    _, sale = await till.sale(quantity=1)
    order_id, _ = await order_one(till, sale, await till.buyer())
    await till.webhook(told_by(await till.remote(order_id), "authorised"))
    assert await till.values("SELECT state FROM orders WHERE id = $1", order_id) == ["paid"]
    assert (await read_stock(till.database, sale))["claimed"] == 1
    assert "publishing after commit failed" in caplog.text
    assert await is_sound(till)


async def test_seckill_16_of_two_carts_that_cross_one_wins(till: Till) -> None:
    """Two buyers want the last of two things, in opposite order: one has both, one has neither."""
    shop, first = await till.sale(quantity=1)
    await till.change("UPDATE sales SET state = 'ended' WHERE kind = 'flash'")
    second = await arm_flash(till.database, shop, quantity=1)
    await till.change("UPDATE sales SET state = 'open' WHERE id = $1", first)
    # A process takes one cart after the other; two processes do not wait for each other.
    carts = CartService(till.inventory), CartService(till.inventory)
    for items in ([(first, 1), (second, 1)], [(second, 1), (first, 1)]):
        answers = await asyncio.gather(
            carts[0].reserve(user_id=str(uuid.uuid4()), items=items, key="k"),
            carts[1].reserve(user_id=str(uuid.uuid4()), items=items[::-1], key="k"),
        )
        assert sum(isinstance(one, Granted) for one in answers) == 1
        await till.change(
            "UPDATE reservations SET release_at_ms = clock_ms() - 1 WHERE state = 'held'"
        )
    assert await is_sound(till)
