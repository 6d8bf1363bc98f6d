"""A claim on its way through an order: locked, used, back; and the coupon's budget with it.

Invariant: the budget counts what locked and used claims take off, under the coupon's lock, which
is taken before the claim's; the caller holds the order's.
"""

from __future__ import annotations

from collections.abc import Sequence

from commerce.kernel.errors import CommerceError
from commerce.kernel.ports import Connection
from commerce.sales.coupons.rules import halted

LOCK_COUPON_OF_CLAIM = """
    SELECT c.halt_reason FROM coupons c JOIN coupon_claims k ON k.coupon_id = c.id
    WHERE k.id = $1 FOR NO KEY UPDATE OF c
"""
LOCK_COUPON_OF_ORDER = """
    SELECT c.id FROM coupons c JOIN coupon_claims k ON k.coupon_id = c.id
    WHERE k.order_id = $1 FOR NO KEY UPDATE OF c
"""
# The database's clock, read behind the lock, decides whether it is still good.
LOCK = """
    UPDATE coupon_claims SET state = 'locked', order_id = $3, off_minor = $4
    WHERE id = $1 AND user_id = $2 AND state = 'claimed' AND expires_at_ms > clock_ms()
    RETURNING coupon_id
"""
# Late money: the buyer was promised this total, so that the coupon has run out since is no matter.
# That its host has stopped it is: as of a sale that is halted, what had gone back is not to be had.
USE_LATE = """
    UPDATE coupon_claims SET state = 'used', order_id = $2, off_minor = $3, used_at_ms = clock_ms()
    WHERE id = $1 AND state = 'claimed'
        AND (SELECT c.halt_reason FROM coupons c WHERE c.id = coupon_id) IS NULL
    RETURNING coupon_id
"""
USE = """
    UPDATE coupon_claims SET state = 'used', used_at_ms = clock_ms()
    WHERE order_id = $1 AND state = 'locked'
"""
UNUSE = "UPDATE coupon_claims SET state = 'locked', used_at_ms = NULL WHERE order_id = $1"
SPEND = """
    UPDATE coupons SET spent_minor = spent_minor + $2
    WHERE id = $1 AND (budget_minor IS NULL OR spent_minor + $2 <= budget_minor) RETURNING id
"""
SELECT_LEFT = """
    SELECT id::text, budget_minor - spent_minor FROM coupons
    WHERE id = ANY ($1::uuid[]) AND budget_minor IS NOT NULL
"""
SELECT_CLAIM_OF_ORDER = "SELECT id, off_minor FROM coupon_claims WHERE order_id = $1"
RETURN = """
    UPDATE coupon_claims SET state = 'claimed', order_id = NULL, off_minor = 0, used_at_ms = NULL
    WHERE order_id = $1 RETURNING coupon_id
"""
# What was left of it as it was ordered with.
GIVE_TIME_BACK = """
    UPDATE coupon_claims k
    SET expires_at_ms = greatest(k.expires_at_ms, clock_ms() + k.expires_at_ms - o.created_at_ms)
    FROM orders o WHERE o.id = $1 AND o.coupon_claim_id = k.id AND k.order_id = o.id
"""
UNSPEND = "UPDATE coupons SET spent_minor = spent_minor - $2 WHERE id = $1"
SELECT_OF_ORDER = """
    SELECT o.coupon_claim_id::text AS claim, o.discount_minor, k.state
    FROM orders o JOIN coupon_claims k ON k.id = o.coupon_claim_id WHERE o.id = $1
"""


async def select_left(connection: Connection, coupons: Sequence[str]) -> dict[str, int]:
    """Return by coupon what its budget still has; one without a budget is left out."""
    return {row[0]: row[1] for row in await connection.fetch(SELECT_LEFT, list(coupons))}


async def lock_claim(
    connection: Connection, claim_id: str, *, user_id: str, order_id: str, off_minor: int
) -> None:
    """Give a person's claim to an order and take its discount from the budget.

    Raises `coupon_not_usable` with the reason `taken` (another order has it, or its time is over)
    or `budget_spent`, or `coupon_halted`: what the look beforehand saw may be over by now.
    """
    halt_reason = await connection.fetchval(LOCK_COUPON_OF_CLAIM, claim_id)
    coupon_id = await connection.fetchval(LOCK, claim_id, user_id, order_id, off_minor)
    if coupon_id is None:
        raise _not_usable("taken")
    if halt_reason is not None:
        raise halted(halt_reason)
    if await connection.fetchval(SPEND, coupon_id, off_minor) is None:
        raise _not_usable("budget_spent")


async def use_claim(connection: Connection, order_id: str) -> None:
    """Note that the order which has a claim is paid; most orders have none."""
    await connection.execute(USE, order_id)


async def unuse_claim(connection: Connection, order_id: str) -> None:
    """Keep the claim of an order that waits for other money, as it was before it was paid."""
    await connection.execute(UNUSE, order_id)


async def use_late(connection: Connection, order_id: str) -> bool:
    """Take the coupon of an order again whose money came late; say whether it could be had.

    An order without one needs none.
    """
    found = await connection.fetchrow(SELECT_OF_ORDER, order_id)
    if found is None:
        return True
    await connection.fetchval(LOCK_COUPON_OF_CLAIM, found["claim"])
    off_minor = found["discount_minor"]
    coupon_id = await connection.fetchval(USE_LATE, found["claim"], order_id, off_minor)
    if coupon_id is None:
        # Still this order's own, when it had not ended yet; anybody else's is not to be had.
        await use_claim(connection, order_id)
        return await connection.fetchval(SELECT_CLAIM_OF_ORDER, order_id) is not None
    return await connection.fetchval(SPEND, coupon_id, off_minor) is not None


async def give_time_back(connection: Connection, order_id: str) -> None:
    """Make an order's coupon good again for as long as it was when the order was placed.

    For an order that waited for others and failed by them: a coupon that comes back expired has
    not come back. Called before `return_claim`; the caller holds the order's lock.
    """
    await connection.fetchval(LOCK_COUPON_OF_ORDER, order_id)
    await connection.execute(GIVE_TIME_BACK, order_id)


async def return_claim(connection: Connection, order_id: str) -> None:
    """Give an order's coupon back to its person, and its discount to the budget, if it has one."""
    found = await connection.fetchrow(SELECT_CLAIM_OF_ORDER, order_id)
    if found is None:
        return
    await connection.fetchval(LOCK_COUPON_OF_CLAIM, found["id"])
    coupon_id = await connection.fetchval(RETURN, order_id)
    await connection.execute(UNSPEND, coupon_id, found["off_minor"])


def _not_usable(reason: str) -> CommerceError:
    return CommerceError(
        "coupon_not_usable", f"This coupon cannot be used: {reason}.", detail={"reason": reason}
    )
