"""Read a pool's journal, or a room's log, in pieces of bounded size; keep them between two steps.

Invariant: only the last piece is judged, together with the stock row and the reservations, or the
head of the log, of its own snapshot. A version is made under its stock row's lock, an offset under
its head's, and committed before the next one, so each snapshot shows a journal or a log up to some
row and without a hole that was not there for good; what is written between two pieces lies behind
both. Rows that are changed after all (their trigger marks the pool or the room) begin it anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from commerce.insight.audit import facts
from commerce.insight.audit.model import UNREAD, Kind, Piece
from commerce.kernel.ports import Connection


class Reading(msgspec.Struct, frozen=True):
    """How rows of a kind are read on, and the table that keeps how far: column by piece's field."""

    next_piece: str
    table: str
    key: str
    columns: dict[str, str]

    def values(self, piece: Piece) -> list[int | None]:
        """Return what is kept of a piece, in the order of the columns."""
        return [getattr(piece, name) for name in self.columns]

    @property
    def select(self) -> str:
        """SQL: what was read of these keys."""
        shown = ", ".join(f"{column} AS {name}" for name, column in self.columns.items())
        return (
            f"SELECT {self.key}::text AS id, {shown} FROM {self.table}"  # noqa: S608 - ours.
            f" WHERE {self.key} = ANY ($1::uuid[])"
        )

    @property
    def keep(self) -> str:
        """SQL: keep one piece; what a round owes stays owed."""
        columns = list(self.columns.values())
        places = ", ".join(f"${number}" for number in range(1, len(columns) + 3))
        excluded = ", ".join(f"{column} = excluded.{column}" for column in columns)
        return (
            f"INSERT INTO {self.table} AS j ({self.key}, {', '.join(columns)}, is_owed)"  # noqa: S608
            f" VALUES ({places}) ON CONFLICT ({self.key}) DO UPDATE SET {excluded},"
            " is_owed = j.is_owed OR excluded.is_owed"
        )

    @property
    def owe(self) -> str:
        """SQL: leave these keys to the next round."""
        return (
            f"INSERT INTO {self.table} ({self.key}, is_owed)"  # noqa: S608 - ours.
            " SELECT u.id, true FROM unnest($1::uuid[]) AS u (id)"
            f" ON CONFLICT ({self.key}) DO UPDATE SET is_owed = true"
        )


READINGS: dict[Kind, Reading] = {
    "pool": Reading(
        facts.NEXT_PIECE,
        "audit_journals",
        "pool_id",
        {name: name for name in Piece.__struct_fields__},
    ),
    "room": Reading(
        facts.NEXT_LOG_PIECE, "audit_logs", "room_id", {"rows": "rows", "version": "log_offset"}
    ),
}


async def read_on(
    connection: Connection, kind: Kind, id: str, piece: Piece, *, rows_max: int
) -> tuple[Piece, bool]:
    """Read at most `rows_max` more rows of a journal or log; returns (piece, is at its end)."""
    reading = READINGS[kind]
    row = await connection.fetchrow(reading.next_piece, id, *reading.values(piece), rows_max)
    after = Piece(**row)
    return after, after.rows - piece.rows < rows_max


async def finish(
    connection: Connection,
    kind: Kind,
    ids: Collection[str],
    pieces: dict[str, Piece],
    *,
    rows_max: int,
) -> bool:
    """Read on in the journal or log of a step that is one key; say whether its end was reached.

    `pieces` is what was read before, by key, and what is read now. A step of several keys is small
    by its weight, and is read where it is judged.
    """
    if kind not in READINGS or len(ids) != 1:
        return True
    [id] = ids
    pieces[id], is_end = await read_on(
        connection, kind, id, pieces.get(id, UNREAD), rows_max=rows_max
    )
    return is_end


async def select_pieces(connection: Connection, kind: Kind, ids: Iterable[str]) -> dict[str, Piece]:
    """Return what was read of journals or logs that some step has begun, by key."""
    reading = READINGS[kind]
    rows = await connection.fetch(reading.select, list(ids))
    return {row["id"]: Piece(**{name: row[name] for name in reading.columns}) for row in rows}


async def keep_pieces(
    connection: Connection, kind: Kind, pieces: Mapping[str, Piece], *, is_owed: bool
) -> None:
    """Keep what was read for the next step; what a round owes stays owed."""
    reading = READINGS[kind]
    for id, piece in pieces.items():
        await connection.execute(reading.keep, id, *reading.values(piece), is_owed)


async def owe(connection: Connection, kind: Kind, ids: Iterable[str]) -> None:
    """Leave pools or rooms to the next round, with what was read of them."""
    await connection.execute(READINGS[kind].owe, list(ids))


async def select_owed(connection: Connection, kind: Kind, limit: int) -> set[str]:
    """Return pools or rooms whose sums a round has begun to make."""
    key, table = READINGS[kind].key, READINGS[kind].table
    rows = await connection.fetch(
        f"SELECT {key}::text FROM {table} WHERE is_owed ORDER BY {key} LIMIT $1",  # noqa: S608
        limit,
    )
    return {row[0] for row in rows}


async def count_owed(connection: Connection) -> int:
    """Return how many pools and rooms wait for their sums."""
    counts = [
        await connection.fetchval(f"SELECT count(*) FROM {one.table} WHERE is_owed")  # noqa: S608
        for one in READINGS.values()
    ]
    return sum(counts)


async def forget(connection: Connection, kind: Kind, ids: Iterable[str]) -> None:
    """Forget what was read: an end was reached, or it begins anew."""
    key, table = READINGS[kind].key, READINGS[kind].table
    await connection.execute(
        f"DELETE FROM {table} WHERE {key} = ANY ($1::uuid[])",  # noqa: S608 - ours.
        list(ids),
    )
