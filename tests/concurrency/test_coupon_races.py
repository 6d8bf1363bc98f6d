"""Many for one coupon, one coupon for many orders, one budget: each with what its guard is for."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import httpx
import pytest

from commerce.goods.inventory.service import InventoryService
from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from commerce.kernel.ports import Transaction
from commerce.sales.coupons import halting, ledger
from commerce.sales.coupons.halting import halt
from commerce.sales.coupons.model import Claimed
from commerce.sales.coupons.service import Drops
from server.db.database import PgDatabase
from server.wiring.sources import monotonic_ms
from tests.support.coupons import Stand
from tests.support.meeting import MEET, arrange
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
        await arrange(transaction)
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
# Or until another batch has looked as well.
MEETING = {READ: f"{MEET}{READ}"}
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
    await rewrite(stand.till.database, {**MEETING, LOCK: "WHERE x.id = p_drop"})
    assert await claim_all(stand, cores) > DROPPED
    found = {one.check for one in (await audit(stand.till.database)).violations}
    assert "drop_is_its_claims" in found


@pytest.fixture
def all_look_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold each order between its look at the coupon and the lock until all have looked."""
    lock_claim = ledger.lock_claim
    have_looked = asyncio.Event()
    orders: set[str] = set()

    async def lock_later(*connection_and_claim: Any, order_id: str, **more: Any) -> None:
        orders.add(order_id)
        if len(orders) == ORDERS:
            have_looked.set()
        async with asyncio.timeout(30):
            await have_looked.wait()
        await lock_claim(*connection_and_claim, order_id=order_id, **more)

    monkeypatch.setattr(ledger, "lock_claim", lock_later)


async def order_all(stand: Stand) -> list[str]:
    """Order several times at once with one coupon; return the orders that got it."""
    buyer = await stand.till.buyer()
    claim = await stand.claimed(buyer)
    held = [await stand.till.reserve(stand.sale, buyer.id) for _ in range(ORDERS)]
    answers = await asyncio.gather(*(buyer.order([one], coupon=claim) for one in held))
    return [one.json()["order"]["id"] for one in answers if one.status_code == 201]


@pytest.mark.usefixtures("all_look_first")
async def test_one_coupon_is_on_one_order(stand: Stand) -> None:
    assert len(await order_all(stand)) == 1
    assert (await audit(stand.till.database)).violations == []


@pytest.mark.usefixtures("all_look_first")
async def test_a_coupon_that_is_looked_at_and_not_locked_is_on_many(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the look beforehand is not the guard, the guarded change is."""
    monkeypatch.setattr(ledger, "LOCK", ledger.LOCK.replace("AND state = 'claimed'", ""))
    assert len(await order_all(stand)) == ORDERS
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


@pytest.mark.usefixtures("all_look_first")
async def test_a_budget_is_never_exceeded(stand: Stand) -> None:
    assert await spend_all(stand) == 2
    assert (await audit(stand.till.database)).violations == []


@pytest.mark.usefixtures("all_look_first")
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


async def order_while_it_is_halted(stand: Stand) -> tuple[httpx.Response, tuple[str, int, int]]:
    """Order with a coupon that was good when it was looked at, and is halted before it is locked.

    The order waits for the coupon's lock behind a halt that has not committed yet.
    """
    buyer = await stand.till.buyer()
    claim = await stand.claimed(buyer)
    held = await stand.till.reserve(stand.sale, buyer.id)
    [coupon] = await stand.till.values("SELECT coupon_id FROM coupon_claims WHERE id = $1", claim)
    async with stand.till.database.transaction() as transaction:
        await halt(transaction, str(coupon), "ten times too much")
        placed = asyncio.create_task(buyer.order([held], coupon=claim))
        await until_one_waits(stand.till.database, transaction)
    return await placed, await stand.seen(claim)


async def until_one_waits(database: PgDatabase, transaction: Transaction) -> None:
    """Wait until somebody waits for a lock that this transaction has."""
    mine = await transaction.fetchval("SELECT pg_backend_pid()")
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))"
    async with asyncio.timeout(30):
        while True:
            async with database.reading() as connection:
                if await connection.fetchval(waiting, mine):
                    return
            await asyncio.sleep(0.005)


async def test_an_order_that_a_halt_overtakes_is_not_charged_what_no_quote_allows_any_more(
    stand: Stand,
) -> None:
    """It is refused whole: its hold is as it was, and is had at the price without the coupon."""
    answer, seen = await order_while_it_is_halted(stand)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (409, "coupon_halted")
    assert error["detail"] == {"reason": "ten times too much"}
    assert seen == ("claimed", 0, 0)
    assert await stand.till.values("SELECT count(*) FROM orders") == [0]
    assert await stand.till.values("SELECT state FROM reservations") == ["held"]
    assert (await audit(stand.till.database)).violations == []


async def test_a_halt_that_is_not_asked_under_the_lock_comes_too_late_for_such_an_order(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the look beforehand found the coupon good, and would charge by that."""
    unread = ledger.LOCK_COUPON_OF_CLAIM.replace("c.halt_reason", "NULL::text")
    monkeypatch.setattr(ledger, "LOCK_COUPON_OF_CLAIM", unread)
    answer, seen = await order_while_it_is_halted(stand)
    assert answer.json()["order"]["total_minor"] == 16_900
    assert seen == ("locked", 3_000, 3_000)


async def claim_while_it_is_halted(stand: Stand) -> tuple[str, int]:
    """Claim while a halt has not committed; return what is heard, and how many claims there are."""
    coupon = await stand.coupon()
    dropped = await stand.drop(coupon)
    user = await make_user(stand.till.database)
    async with stand.till.database.transaction() as transaction:
        await halt(transaction, coupon, "ten times too much")
        claimed = asyncio.create_task(stand.claim(dropped.id, user))
        waits = asyncio.create_task(until_one_waits(stand.till.database, transaction))
        # Behind the drop's lock it waits; in the control it is through before the halt commits.
        await asyncio.wait([claimed, waits], return_when=asyncio.FIRST_COMPLETED)
        waits.cancel()
    [answer] = await asyncio.gather(claimed, return_exceptions=True)
    [claims] = await stand.till.values("SELECT count(*) FROM coupon_claims")
    return answer.code if isinstance(answer, CommerceError) else answer.state, int(claims)


async def test_no_claim_is_made_behind_a_halt(stand: Stand) -> None:
    assert await claim_while_it_is_halted(stand) == ("coupon_halted", 0)


async def test_a_halt_that_leaves_the_drop_unlocked_is_passed_by_a_claim(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the batch reads the coupon as it was, and commits beside the halt."""
    unlocked = halting.LOCK_LIVE_DROPS.replace("FOR NO KEY UPDATE", "")
    monkeypatch.setattr(halting, "LOCK_LIVE_DROPS", unlocked)
    assert await claim_while_it_is_halted(stand) == ("claimed", 1)


async def test_halts_and_orders_at_once_leave_no_order_behind_the_halt(stand: Stand) -> None:
    """Whoever was first has it: each order stands at its price or hears of the halt."""
    coupon = await stand.coupon()
    dropped = await stand.drop(coupon)
    buyers = [await stand.till.buyer() for _ in range(ORDERS)]
    claims = [(await stand.claim(dropped.id, buyer.id)).id for buyer in buyers]
    halted = stand.act(partial(halt, coupon_id=coupon, reason="ten times too much"))
    answers = await asyncio.gather(
        *(stand.order(buyer, claim) for buyer, claim in zip(buyers, claims, strict=True)), halted
    )
    told = [one["error"]["code"] if "error" in one else one["order"]["total_minor"]
            for one in answers[:-1]]  # fmt: skip
    assert set(told) <= {"coupon_halted", 16_900}
    spent = told.count(16_900) * 3_000
    assert await stand.till.values("SELECT spent_minor FROM coupons") == [spent]
    assert (await audit(stand.till.database)).violations == []


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
