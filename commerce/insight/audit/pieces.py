"""Read a pool's journal in pieces of bounded size, and keep what was read between two steps.

Invariant: only the last piece is judged, together with the stock row and the reservations of its
own snapshot. A version is made under its stock row's lock and committed before the next one, so
each snapshot shows a journal up to some version and without a hole that was not there for good;
what is written between two pieces lies behind both. Rows that are changed after all (their trigger
marks the pool) begin the journal anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from commerce.insight.audit import facts
from commerce.insight.audit.model import UNREAD, Piece
from commerce.kernel.ports import Connection

SELECT_PIECES = """
    SELECT pool_id::text, rows, version, claimed, total, off_version FROM audit_journals
    WHERE pool_id = ANY ($1::uuid[])
"""
KEEP_PIECE = """
    INSERT INTO audit_journals AS j (pool_id, rows, version, claimed, total, off_version, is_owed)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (pool_id) DO UPDATE SET rows = excluded.rows, version = excluded.version,
        claimed = excluded.claimed, total = excluded.total, off_version = excluded.off_version,
        is_owed = j.is_owed OR excluded.is_owed
"""
OWE = """
    INSERT INTO audit_journals (pool_id, is_owed)
    SELECT u.id, true FROM unnest($1::uuid[]) AS u (id)
    ON CONFLICT (pool_id) DO UPDATE SET is_owed = true
"""
SELECT_OWED = "SELECT pool_id::text FROM audit_journals WHERE is_owed ORDER BY pool_id LIMIT $1"
COUNT_OWED = "SELECT count(*) FROM audit_journals WHERE is_owed"
FORGET = "DELETE FROM audit_journals WHERE pool_id = ANY ($1::uuid[])"


async def read_on(
    connection: Connection, pool: str, piece: Piece, *, rows_max: int
) -> tuple[Piece, bool]:
    """Read at most `rows_max` more rows of a pool's journal; returns (piece, is at its end)."""
    read = [getattr(piece, name) for name in Piece.__struct_fields__]
    after = Piece(**await connection.fetchrow(facts.NEXT_PIECE, pool, *read, rows_max))
    return after, after.rows - piece.rows < rows_max


async def finish(
    connection: Connection, pools: Collection[str], pieces: dict[str, Piece], *, rows_max: int
) -> bool:
    """Read on in the journal of a step that is one pool; say whether its end was reached.

    `pieces` is what was read before, by pool, and what is read now. A step of several pools is
    small by its weight, and is read where it is judged.
    """
    if len(pools) != 1:
        return True
    [pool] = pools
    pieces[pool], is_end = await read_on(
        connection, pool, pieces.get(pool, UNREAD), rows_max=rows_max
    )
    return is_end


async def select_pieces(connection: Connection, pools: Iterable[str]) -> dict[str, Piece]:
    """Return what was read of journals that some step has begun, by pool."""
    rows = await connection.fetch(SELECT_PIECES, list(pools))
    return {
        row["pool_id"]: Piece(**{name: row[name] for name in Piece.__struct_fields__})
        for row in rows
    }


async def keep_pieces(
    connection: Connection, pieces: Mapping[str, Piece], *, is_owed: bool
) -> None:
    """Keep what was read for the next step; what a round owes stays owed."""
    for pool, piece in pieces.items():
        read = [getattr(piece, name) for name in Piece.__struct_fields__]
        await connection.execute(KEEP_PIECE, pool, *read, is_owed)


async def owe(connection: Connection, pools: Iterable[str]) -> None:
    """Leave pools to the next round, with what was read of them."""
    await connection.execute(OWE, list(pools))


async def select_owed(connection: Connection, limit: int) -> set[str]:
    """Return pools whose sums a round has begun to make."""
    return {row["pool_id"] for row in await connection.fetch(SELECT_OWED, limit)}


async def count_owed(connection: Connection) -> int:
    """Return how many pools wait for their sums."""
    return int(await connection.fetchval(COUNT_OWED))


async def forget(connection: Connection, pools: Iterable[str]) -> None:
    """Forget what was read: a journal's end was reached, or it begins anew."""
    await connection.execute(FORGET, list(pools))
