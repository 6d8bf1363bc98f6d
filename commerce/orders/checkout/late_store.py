"""SQL of late payment: look at what an order has lost, and take it again."""

from __future__ import annotations

from collections.abc import Sequence

from commerce.kernel.ports import Connection
from commerce.orders.checkout.model import LateLine

SAVE_HOLDS = "SAVEPOINT holds"
# Gives the row locks back, so that stock can be locked before reservations.
LET_HOLDS_GO = "ROLLBACK TO SAVEPOINT holds"
LOCK_LATE_LINES = """
    SELECT r.id, r.pool_id, r.sale_id, r.qty, r.state, r.release_at_ms, s.per_buyer,
        coalesce(b.qty, 0) AS bought,
        s.state = 'cancelled' OR s.halted_from IS NOT NULL AS is_stopped
    FROM order_lines l
    JOIN reservations r ON r.id = l.reservation_id
    JOIN sales s ON s.id = r.sale_id
    LEFT JOIN sale_buyers b ON b.sale_id = r.sale_id AND b.user_id = r.user_id
    WHERE l.order_id = $1 ORDER BY r.id FOR UPDATE OF r
"""
SELECT_FREE = "SELECT pool_id, total - claimed AS free FROM stock WHERE pool_id = ANY ($1::uuid[])"
RESERVE_LATE = "SELECT reserve_late($1, $2)"
REFUSE_LATE = """
    UPDATE reservations SET state = 'refused_late'
    WHERE id = ANY ($1::uuid[]) AND state = 'expired'
"""


async def save_holds(connection: Connection) -> None:
    """Note the moment before an order's reservations are locked; the last one noted counts."""
    await connection.execute(SAVE_HOLDS)


async def let_holds_go(connection: Connection) -> None:
    """Give back the locks, and undo the changes, since `save_holds`."""
    await connection.execute(LET_HOLDS_GO)


async def lock_late_lines(connection: Connection, order_id: str) -> list[LateLine]:
    """Lock an order's reservations in ascending order; their pools are locked already."""
    rows = await connection.fetch(LOCK_LATE_LINES, order_id)
    return [
        LateLine(
            **{
                **dict(row),
                "id": str(row["id"]),
                "pool_id": str(row["pool_id"]),
                "sale_id": str(row["sale_id"]),
            }
        )
        for row in rows
    ]


async def select_free(connection: Connection, pool_ids: Sequence[str]) -> dict[str, int]:
    """Return the free units of pools that the caller has locked."""
    rows = await connection.fetch(SELECT_FREE, list(pool_ids))
    return {str(row["pool_id"]): row["free"] for row in rows}


async def reserve_late(connection: Connection, pool_id: str, ids: Sequence[str]) -> None:
    """Make expired reservations of a locked pool sold, with its journal row."""
    await connection.execute(RESERVE_LATE, pool_id, list(ids))


async def refuse_late(connection: Connection, ids: Sequence[str]) -> None:
    """Note of expired reservations that money came for them and found them gone."""
    await connection.execute(REFUSE_LATE, list(ids))
