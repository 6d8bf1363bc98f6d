"""Late money against a walk-in for the last unit, with the control that takes the lock away."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence

import asyncpg
import pytest

from commerce.goods.inventory.model import Request
from commerce.goods.inventory.store import reserve_batch
from commerce.goods.inventory.sweeper import sweep
from commerce.insight.audit.service import audit
from commerce.kernel.ports import Transaction
from commerce.orders.checkout import late
from tests.support.journal import find_untrue
from tests.support.shop import read_stock
from tests.support.till import Till, order_one, told_by


async def race_with_walk_in(till: Till, database_url: str) -> tuple[str, int]:
    """Let money come while a walk-in takes the last unit; return (order's state, claimed)."""
    _, sale = await till.sale(quantity=1)
    order_id, _ = await order_one(till, sale, await till.buyer())
    await till.end_holds(sale)
    await sweep(till.database)
    remote = await till.remote(order_id)
    pool = str((await read_stock(till.database, sale))["pool_id"])
    walk_in = await asyncpg.connect(database_url)
    try:
        slow = walk_in.transaction()
        await slow.start()
        press = Request(str(uuid.uuid4()), sale, str(uuid.uuid4()), 1)
        assert (await reserve_batch(walk_in, pool, [press])).outcomes == [0]
        webhook = asyncio.create_task(till.webhook(told_by(remote, "authorised")))
        async with asyncio.timeout(30):
            while not await till.values("SELECT 1 FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.01)
        await slow.commit()
    finally:
        await walk_in.close()
    assert (await webhook).status_code == 200
    state = (await till.values("SELECT state FROM orders"))[0]
    return state, (await read_stock(till.database, sale))["claimed"]


async def test_the_last_unit_goes_to_the_walk_in_or_to_late_money(
    till: Till, database_url: str
) -> None:
    """The walk-in had the pool first: the money waits for the lock, looks, and is let go."""
    assert await race_with_walk_in(till, database_url) == ("expired", 1)
    assert len(till.news("payment.voided")) == 1
    assert (await audit(till.database)).violations == []


async def test_without_the_pools_lock_both_get_the_last_unit(
    till: Till, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: the look comes before the walk-in's commit, the claim after it."""

    async def look_only(transaction: Transaction, pools: Sequence[str]) -> dict[str, int]:
        return {}

    async def expire_nothing(transaction: Transaction, pool_id: str) -> int:
        return 0

    monkeypatch.setattr(late, "lock_pools", look_only)
    monkeypatch.setattr(late, "expire_pool", expire_nothing)
    await till.change("ALTER TABLE stock DROP CONSTRAINT stock_check")
    assert await race_with_walk_in(till, database_url) == ("paid", 2)
    checks = {violation.check for violation in (await audit(till.database)).violations}
    assert "oversold" in checks


async def test_late_money_and_walk_ins_in_any_order_never_disagree(till: Till) -> None:
    """Ten late payments and ten walk-ins for ten units: each unit has one owner."""
    _, sale = await till.sale(quantity=10)
    buyers = [await till.buyer(f"B{number}") for number in range(10)]
    orders = [await order_one(till, sale, buyer) for buyer in buyers]
    remotes = [await till.remote(order_id) for order_id, _ in orders]
    await till.end_holds(sale)

    async def pay(number: int) -> None:
        await asyncio.sleep(0.01 * number)
        assert (await till.webhook(told_by(remotes[number], "authorised"))).status_code == 200

    async def press(number: int) -> None:
        await asyncio.sleep(0.01 * number)
        await till.inventory.reserve(user_id=str(uuid.uuid4()), sale_id=sale, qty=1, key="k")

    await asyncio.gather(
        *(pay(n) for n in range(10)), *(press(n) for n in range(10)), sweep(till.database)
    )
    states = await till.values("SELECT state FROM reservations")
    assert states.count("sold") + states.count("held") == 10
    paid = await till.values("SELECT 1 FROM orders WHERE state = 'paid'")
    assert len(paid) == states.count("sold") == 10 - len(till.news("payment.voided"))
    assert (await audit(till.database)).violations == []
    pool_id = str((await read_stock(till.database, sale))["pool_id"])
    assert await find_untrue(till.database, pool_id) == []
