"""Many for one coupon, one coupon for many orders, one budget: each with what its guard is for."""

from __future__ import annotations

import asyncio

import pytest

from commerce.goods.inventory.service import InventoryService
from commerce.insight.audit.service import audit
from commerce.sales.coupons import ledger
from commerce.sales.coupons.model import Claimed
from commerce.sales.coupons.service import Drops
from server.db.database import PgDatabase
from server.wiring.sources import monotonic_ms
from tests.support.coupons import Stand
from tests.support.shop import make_user
from tests.support.till import Till

CROWD = 90
DROPPED = 30
ORDERS = 5


@pytest.fixture
async def stand(till: Till) -> Stand:
    """A shop with coupons and an open sale."""
    shop, sale = await till.sale(per_buyer=9)
    return Stand(till, shop, sale)


async def rewrite(database: PgDatabase, changes: dict[str, str]) -> None:
    """Change lines of `claim_coupons_batch`."""
    async with database.transaction() as transaction:
        source = await transaction.fetchval(
            "SELECT pg_get_functiondef('claim_coupons_batch'::regproc)"
        )
        for old, new in changes.items():
            assert source.count(old) == 1
            source = source.replace(old, new)
        await transaction.execute(source)


# Each batch stays a moment between its look at the drop and its COMMIT.
READ = "    left_over := d.quantity - d.claimed;"
SLOW = {READ: f"    PERFORM pg_sleep(0.05);\n{READ}"}
LOCK = "WHERE x.id = p_drop FOR NO KEY UPDATE"


async def claim_all(stand: Stand, cores: list[InventoryService]) -> int:
    """Let a crowd claim from several processes at once; return how many claims there are."""
    dropped = await stand.drop(await stand.coupon(), quantity=DROPPED)
    users = [await make_user(stand.till.database) for _ in range(CROWD)]
    processes = [Drops(stand.till.database, core, monotonic_ms) for core in cores]
    answers = await asyncio.gather(
        *(
            processes[n % len(processes)].claim(user_id=user, drop_id=dropped.id, key="k")
            for n, user in enumerate(users)
        ),
        return_exceptions=True,
    )
    [claims] = await stand.till.values("SELECT count(*) FROM coupon_claims")
    assert claims == len([one for one in answers if isinstance(one, Claimed)])
    return int(claims)


async def test_a_drop_is_claimed_to_the_last_and_not_beyond(
    stand: Stand, cores: list[InventoryService]
) -> None:
    await rewrite(stand.till.database, SLOW)
    assert await claim_all(stand, cores) == DROPPED
    assert (await audit(stand.till.database)).violations == []


async def test_without_the_drops_lock_more_is_claimed_than_there_is(
    stand: Stand, cores: list[InventoryService]
) -> None:
    """The control: if it fails, the test above might be useless."""
    await stand.till.change("ALTER TABLE coupon_drops DROP CONSTRAINT coupon_drops_check")
    await rewrite(stand.till.database, {**SLOW, LOCK: "WHERE x.id = p_drop"})
    assert await claim_all(stand, cores) > DROPPED
    found = {one.check for one in (await audit(stand.till.database)).violations}
    assert "drop_is_its_claims" in found


async def order_all(stand: Stand) -> list[str]:
    """Order several times at once with one coupon; return the orders that got it."""
    buyer = await stand.till.buyer()
    claim = await stand.claimed(buyer)
    held = [await stand.till.reserve(stand.sale, buyer.id) for _ in range(ORDERS)]
    answers = await asyncio.gather(*(buyer.order([one], coupon=claim) for one in held))
    return [one.json()["order"]["id"] for one in answers if one.status_code == 201]


async def test_one_coupon_is_on_one_order(stand: Stand) -> None:
    assert len(await order_all(stand)) == 1
    assert (await audit(stand.till.database)).violations == []


async def test_a_coupon_that_is_looked_at_and_not_locked_is_on_many(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the look beforehand is not the guard, the guarded change is."""
    monkeypatch.setattr(ledger, "LOCK", ledger.LOCK.replace("AND state = 'claimed'", ""))
    assert len(await order_all(stand)) > 1
    found = {one.check for one in (await audit(stand.till.database)).violations}
    assert "order_has_its_coupon" in found


async def spend_all(stand: Stand) -> int:
    """Order at once with coupons whose budget is for two; return how many got it."""
    dropped = await stand.drop(await stand.coupon(budget_minor=6_500))
    buyers = [await stand.till.buyer() for _ in range(ORDERS)]
    claims = [(await stand.claim(dropped.id, buyer.id)).id for buyer in buyers]
    answers = await asyncio.gather(
        *(stand.order(buyer, claim) for buyer, claim in zip(buyers, claims, strict=True))
    )
    return len([one for one in answers if "order" in one])


async def test_a_budget_is_never_exceeded(stand: Stand) -> None:
    assert await spend_all(stand) == 2
    assert (await audit(stand.till.database)).violations == []


async def test_a_budget_that_is_not_asked_as_it_is_spent_is_exceeded(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the schema would stop it, so it is loosened as well."""
    await stand.till.change("ALTER TABLE coupons DROP CONSTRAINT coupons_check2")
    unguarded = ledger.SPEND.replace("spent_minor + $2 <= budget_minor", "true")
    monkeypatch.setattr(ledger, "SPEND", unguarded)
    assert await spend_all(stand) == ORDERS
    found = {one.check for one in (await audit(stand.till.database)).violations}
    assert "coupon_budget_adds_up" in found


async def test_paying_and_cancelling_at_once_leave_the_coupon_in_one_place(stand: Stand) -> None:
    buyer = await stand.till.buyer()
    claim = await stand.claimed(buyer)
    answer = await stand.order(buyer, claim)
    order = answer["order"]["id"]
    await asyncio.gather(
        stand.pay(buyer, answer),
        buyer.client.post(f"/api/orders/{order}/cancel", headers={"Idempotency-Key": "c"}),
    )
    state = (await buyer.read(order))["state"]
    seen = await stand.seen(claim)
    assert (state, seen) in [("paid", ("used", 3_000, 3_000)), ("cancelled", ("claimed", 0, 0))]
    assert (await audit(stand.till.database)).violations == []
