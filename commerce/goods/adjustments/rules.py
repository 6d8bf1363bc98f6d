"""What an adjustment may do: never below what people hold or have paid."""

from __future__ import annotations

from commerce.goods.adjustments.model import Adjustment, PoolCounts
from commerce.kernel.errors import CommerceError, invalid

# What a new product can start with as well; a bigger number is a typing error.
TOTAL_MAX = 1_000_000_000
# A sentence for whoever counts the shelf later.
REASON_CHARS_MAX = 120


def check_adjustment(wish: Adjustment, *, needs_reason: bool = True) -> None:
    """Raise `invalid_request` for an impossible change or a reason that says nothing."""
    if wish.delta == 0 or abs(wish.delta) > TOTAL_MAX:
        raise invalid(f"A change is 1 to {TOTAL_MAX} units, up or down.", field="delta")
    if len(wish.reason) > REASON_CHARS_MAX or (needs_reason and not wish.reason.strip()):
        raise invalid(f"A reason has 1 to {REASON_CHARS_MAX} characters.", field="reason")


def check_total(pool: PoolCounts, delta: int) -> None:
    """Raise `below_claimed` when less would be left than is claimed, with both figures.

    Raises `invalid_request` when more would be there than any pool may have.
    """
    if pool.total + delta < pool.claimed:
        raise CommerceError(
            "below_claimed",
            f"{pool.claimed} of {pool.total} units are held or paid.",
            detail={"claimed": pool.claimed, "total": pool.total},
        )
    if pool.total + delta > TOTAL_MAX:
        raise invalid(f"A pool has at most {TOTAL_MAX} units.", field="delta")


def check_same(stored: Adjustment, wish: Adjustment) -> None:
    """Raise `idempotency_conflict` when a key comes back with another change."""
    if (stored.delta, stored.reason) != (wish.delta, wish.reason):
        raise CommerceError("idempotency_conflict", "This key was used for another change.")
