"""SQL of thresholds. A row changes under its pool's lock alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from commerce.kernel.ports import Connection
from commerce.sales.unlocks.model import Otherwise, Outcome, Unlock, UnlockTerms, UnlockView

# The threshold of a sale, beside its other columns; `read_unlock` takes them out again.
UNLOCK_COLUMNS = """
    pu.units AS unlock_units, pu.price_minor AS unlock_price_minor,
    pu.plain_minor AS unlock_plain_minor, pu.otherwise AS unlock_otherwise,
    pu.state AS unlock_state, CASE WHEN pu.units IS NOT NULL
        THEN coalesce(pu.promised, promised_units(s.id)) END AS unlock_promised
"""
INSERT = """
    INSERT INTO price_unlocks (sale_id, units, plain_minor, price_minor, otherwise)
    VALUES ($1, $2, $3, $4, $5)
"""
SELECT_POOL = "SELECT pool_id::text FROM sales WHERE id = $1"
SELECT_OPEN_UNITS = "SELECT units FROM price_unlocks WHERE sale_id = $1 AND state = 'open'"
LOCK = """
    SELECT u.sale_id, s.pool_id, s.room_id, u.units, u.price_minor, u.otherwise, u.state,
        s.state AS sale_state, s.ends_at_ms, promised_units(u.sale_id) AS promised
    FROM price_unlocks u JOIN sales s ON s.id = u.sale_id
    WHERE u.sale_id = $1 FOR NO KEY UPDATE OF u
"""
DECIDE = """
    UPDATE price_unlocks SET state = $2, promised = $3, otherwise = $4,
        decided_at_ms = clock_ms()
    WHERE sale_id = $1
"""
REPRICE_SALE = "UPDATE sales SET price_minor = $2 WHERE id = $1"
REPRICE_HOLDS = """
    UPDATE reservations SET unit_price_minor = $2
    WHERE id = ANY ($1::uuid[]) AND state = 'held'
"""
SELECT_TO_DECIDE = """
    SELECT u.sale_id::text FROM price_unlocks u JOIN sales s ON s.id = u.sale_id
    WHERE u.state = 'open'
      AND (s.state IN ('ended', 'cancelled') OR s.ends_at_ms <= (SELECT clock_ms()))
    ORDER BY s.ends_at_ms, u.sale_id LIMIT $1
"""
SELECT_OF_ROOMS = """
    SELECT s.room_id::text, s.id::text, coalesce(u.promised, promised_units(s.id)), u.units
    FROM price_unlocks u JOIN sales s ON s.id = u.sale_id
    WHERE s.room_id = ANY ($1::uuid[]) AND s.kind = 'flash'
      AND s.state IN ('armed', 'open', 'sold_out', 'halted')
"""


async def insert_unlock(
    connection: Connection, sale_id: str, terms: UnlockTerms, *, plain_minor: int
) -> None:
    """Store the threshold of a sale that nobody can press yet."""
    await connection.execute(
        INSERT, sale_id, terms.units, plain_minor, terms.price_minor, terms.otherwise
    )


async def select_pool(connection: Connection, sale_id: str) -> str:
    """Return the pool of a sale that exists."""
    return str(await connection.fetchval(SELECT_POOL, sale_id))


async def select_open_units(connection: Connection, sale_id: str) -> int:
    """Return how many units the open threshold of a sale asks for; 0 without one."""
    return int(await connection.fetchval(SELECT_OPEN_UNITS, sale_id) or 0)


async def lock_unlock(connection: Connection, sale_id: str) -> Unlock:
    """Lock a threshold that exists, and count; its pool is locked already."""
    row = await connection.fetchrow(LOCK, sale_id)
    fields = {name: row[name] for name in Unlock.__struct_fields__}
    for name in ("sale_id", "pool_id", "room_id"):
        fields[name] = str(fields[name])
    return Unlock(**fields)


async def decide(
    connection: Connection, sale_id: str, state: Outcome, promised: int, *, otherwise: Otherwise
) -> None:
    """Write how a locked threshold ended, with the units that were promised, and what follows."""
    await connection.execute(DECIDE, sale_id, state, promised, otherwise)


async def reprice(connection: Connection, unlock: Unlock, holds: Sequence[str]) -> None:
    """Let the price of a sale fall, and of those of its locked holds that are not ordered."""
    await connection.execute(REPRICE_SALE, unlock.sale_id, unlock.price_minor)
    await connection.execute(REPRICE_HOLDS, list(holds), unlock.price_minor)


async def select_to_decide(connection: Connection, limit: int) -> list[str]:
    """Return sales whose time is over and whose threshold is open, the earliest first."""
    return [row[0] for row in await connection.fetch(SELECT_TO_DECIDE, limit)]


async def select_promised_of_rooms(
    connection: Connection, room_ids: Sequence[str]
) -> list[tuple[str, str, int, int]]:
    """Return (room, sale, promised, units) of the thresholds of running sales."""
    return [tuple(row) for row in await connection.fetch(SELECT_OF_ROOMS, list(room_ids))]


def read_unlock(fields: dict[str, Any]) -> UnlockView | None:
    """Take the threshold's columns out of a sale's; None for a sale without one."""
    parts = {name: fields.pop(f"unlock_{name}") for name in UnlockView.__struct_fields__}
    return None if parts["units"] is None else UnlockView(**parts)
