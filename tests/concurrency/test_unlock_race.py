"""The unit that lets a price fall does so once, whoever pays when; and the pool's lock is why."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from commerce.goods.inventory import store as inventory
from commerce.kernel.ports import Transaction
from commerce.sales.unlocks import service, store
from commerce.sales.unlocks.model import Unlock
from tests.support.till import Till
from tests.support.unlocking import LOW, Crowd, check_books

BUYERS = 8
PAUSE_S = 0.1


def stay_at_the_look(
    monkeypatch: pytest.MonkeyPatch, meet: Callable[[], Awaitable[object]]
) -> None:
    """Between its look at the threshold and its writing, everybody waits for this."""
    real = store.lock_unlock

    async def look(connection: Transaction, sale_id: str) -> Unlock:
        found = await real(connection, sale_id)
        await meet()
        return found

    monkeypatch.setattr(store, "lock_unlock", look)


async def pay_at_once(till: Till, *, units: int) -> Crowd:
    """Let many whose orders wait pay in one moment."""
    crowd = await Crowd.gather(till, units=units, quantity=BUYERS)
    orders = [await crowd.order() for _ in range(BUYERS)]
    await asyncio.gather(*(buyer.press(url, "pay") for buyer, _, url in orders))
    return crowd


async def test_the_price_falls_once_when_many_pay_for_the_last_unit(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    stay_at_the_look(monkeypatch, lambda: asyncio.sleep(PAUSE_S))
    crowd = await pay_at_once(till, units=4)
    assert await crowd.outcome() == ("unlocked", 1)
    await crowd.run_jobs()
    assert await crowd.orders() == {("paid", LOW): BUYERS}
    assert await crowd.money() == {("captured", LOW): BUYERS}
    await check_books(crowd)


async def test_without_the_pools_lock_nobody_sees_the_others_and_it_does_not_fall(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: all of them count before any has written."""

    async def lock_nothing(_transaction: Transaction, _pools: Sequence[str]) -> dict[str, int]:
        return {}

    stay_at_the_look(monkeypatch, asyncio.Barrier(BUYERS).wait)
    unguarded = store.LOCK.replace("FOR NO KEY UPDATE OF u", "")
    monkeypatch.setattr(store, "LOCK", unguarded)
    monkeypatch.setattr(service, "lock_pools", lock_nothing)
    assert service.lock_pools is not inventory.lock_pools
    crowd = await pay_at_once(till, units=BUYERS)
    assert await crowd.outcome() == ("open", 0)
