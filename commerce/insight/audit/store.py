"""SQL of the auditor's own tables: marks, sums, findings, the turn, reports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from commerce.insight.audit import facts
from commerce.insight.audit.checks import CHECKS, CLOCK_CHECKS
from commerce.insight.audit.model import (
    UNREAD,
    Check,
    Keys,
    Kind,
    Marks,
    Offender,
    Piece,
    Turn,
)
from commerce.kernel.ports import Connection

# Exact keys and short arrays: only index look-ups make sense, whatever the statistics say. With a
# wrong guess the planner would read a million rows to find a thousand.
LOOK_UPS_ONLY = """
    SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off;
    SET LOCAL enable_mergejoin = off; SET LOCAL jit = off
"""
# LOCK TABLE takes no snapshot, so that the one of the next statement is behind the other worker's.
BEGIN_ALONE = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
LOCK_TURN = "LOCK TABLE audit_turn IN EXCLUSIVE MODE"
SELECT_TURN = """
    SELECT clock_ms() AS now_ms, walk, cursor, keys, began_at_ms, last_began_at_ms, last_ended_at_ms
    FROM audit_turn
"""
STEP_TURN = """
    UPDATE audit_turn SET walk = $1, cursor = $2::uuid[], keys = keys + $3
"""
END_TURN = """
    UPDATE audit_turn SET walk = '', cursor = '{}', keys = 0, began_at_ms = $1,
        last_began_at_ms = began_at_ms, last_ended_at_ms = $1
"""
TAKE_MARKS = """
    DELETE FROM audit_marks m USING (
        SELECT w.id FROM (
            SELECT q.id, row_number() OVER (ORDER BY q.id) AS place,
                sum(1 + coalesce(cardinality(q.buyers), 0)) OVER (ORDER BY q.id) AS weight
            FROM (SELECT id, buyers FROM audit_marks ORDER BY id LIMIT $1) q
        ) w WHERE w.weight <= $2 OR w.place = 1
    ) t WHERE m.id = t.id
    RETURNING m.pool_id, m.live_delta, m.is_deep, m.sale_id, m.buyers, m.order_id, m.room_id,
        m.events_delta, m.coupon_id
"""
COUNT_MARKS = "SELECT count(*) FROM audit_marks"
BUYERS_OF_ORDERS = """
    SELECT DISTINCT r.sale_id, r.user_id FROM unnest($1::uuid[]) AS q (order_id)
    JOIN order_lines l ON l.order_id = q.order_id JOIN reservations r ON r.id = l.reservation_id
"""
ORDERS_OF_BUYERS = """
    SELECT DISTINCT l.order_id FROM unnest($1::uuid[], $2::uuid[]) AS q (sale_id, user_id)
    JOIN reservations r ON r.user_id = q.user_id AND r.sale_id = q.sale_id
    JOIN order_lines l ON l.reservation_id = r.id
"""
SIZES: dict[str, str] = {
    "pool": """
        SELECT k.pool_id, k.claimed + k.version, a.pool_id IS NOT NULL
        FROM unnest($1::uuid[]) AS q (pool_id) JOIN stock k ON k.pool_id = q.pool_id
        LEFT JOIN audit_pools a ON a.pool_id = k.pool_id ORDER BY 2
    """,
    "room": """
        SELECT h.room_id, h.log_offset, a.room_id IS NOT NULL
        FROM unnest($1::uuid[]) AS q (room_id) JOIN room_log_heads h ON h.room_id = q.room_id
        LEFT JOIN audit_rooms a ON a.room_id = h.room_id ORDER BY 2
    """,
}
# What of a piece goes into a query.
PIECES: dict[Kind, tuple[str, ...]] = {"pool": Piece.__struct_fields__, "room": ("rows", "version")}
# Rows of marks that are still there will be added later, so they are not in the sums yet.
KEEP_POOLS = f"""
    WITH keys AS ({facts.POOLS_AND_PIECES}), facts AS ({facts.POOL_ROWS})
    INSERT INTO audit_pools (pool_id, live, journal_rows, journal_version, journal_claimed,
        journal_total, off_version)
    SELECT f.pool_id, f.live - coalesce((SELECT sum(m.live_delta) FROM audit_marks m
        WHERE m.pool_id = f.pool_id), 0), f.journal_rows, f.journal_version, f.journal_claimed,
        f.journal_total, f.off_version FROM facts f
    ON CONFLICT (pool_id) DO UPDATE SET live = excluded.live,
        journal_rows = excluded.journal_rows, journal_version = excluded.journal_version,
        journal_claimed = excluded.journal_claimed, journal_total = excluded.journal_total,
        off_version = excluded.off_version
"""  # noqa: S608 - our own words.
ADVANCE_POOLS = f"""
    UPDATE audit_pools p SET live = p.live + t.delta,
        journal_rows = p.journal_rows + t.journal_rows,
        journal_version = greatest(p.journal_version, t.journal_version),
        journal_claimed = p.journal_claimed + t.claimed,
        journal_total = p.journal_total + t.total,
        off_version = coalesce(p.off_version, t.off_version)
    FROM (
        SELECT a.pool_id, q.delta, j.* FROM unnest($1::uuid[], $2::bigint[]) AS q (pool_id, delta)
        JOIN audit_pools a ON a.pool_id = q.pool_id CROSS JOIN LATERAL ({facts.TAIL}) j
    ) t WHERE p.pool_id = t.pool_id
"""  # noqa: S608 - our own words.
KEEP_ROOMS = f"""
    WITH keys AS ({facts.ROOMS_AND_PIECES}), facts AS ({facts.ROOM_ROWS})
    INSERT INTO audit_rooms (room_id, events)
    SELECT f.room_id, f.events - coalesce((SELECT sum(m.events_delta) FROM audit_marks m
        WHERE m.room_id = f.room_id), 0) FROM facts f
    ON CONFLICT (room_id) DO UPDATE SET events = excluded.events
"""  # noqa: S608 - our own words.
ADVANCE_ROOMS = """
    UPDATE audit_rooms a SET events = a.events + q.delta
    FROM unnest($1::uuid[], $2::bigint[]) AS q (room_id, delta) WHERE a.room_id = q.room_id
"""
SELECT_FINDINGS_DUE = """
    SELECT kind, key FROM audit_findings WHERE kind <> 'clock' ORDER BY checked_at_ms, id LIMIT $1
"""
HAS_FINDINGS = "SELECT EXISTS (SELECT 1 FROM audit_findings)"
DELETE_FINDINGS = """
    DELETE FROM audit_findings WHERE kind = $1 AND ($2::text[] IS NULL OR key = ANY ($2::text[]))
    RETURNING check_name, key, since_ms
"""
INSERT_FINDINGS = """
    INSERT INTO audit_findings (check_name, kind, key, shown, since_ms, checked_at_ms)
    SELECT q.check_name, $1, q.key, q.shown, q.since_ms, $6
    FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[])
        AS q (check_name, key, shown, since_ms)
"""
SELECT_FINDINGS = """
    SELECT check_name, shown, broken, since_ms FROM (
        SELECT check_name, shown, count(*) OVER w AS broken, min(since_ms) OVER w AS since_ms,
            row_number() OVER (PARTITION BY check_name ORDER BY since_ms, id) AS place
        FROM audit_findings WINDOW w AS (PARTITION BY check_name)
    ) q WHERE q.place <= $1 ORDER BY check_name, place
"""
# One index look-up for each way to name a sale; two of the three are null.
SELECT_SALE_OF = """
    SELECT s.id, s.kind, b.no, v.title, v.title_zh, m.slug AS room
    FROM sales s JOIN bag_items b ON b.id = s.item_id JOIN named_variants v ON v.sku = s.sku
    JOIN rooms m ON m.id = s.room_id
    WHERE s.id = $1::uuid OR s.pool_id = $2::uuid
       OR s.id IN (SELECT l.sale_id FROM order_lines l WHERE l.order_id = $3::uuid)
    ORDER BY s.created_at_ms DESC, s.id LIMIT 1
"""
INSERT_REPORT = """
    INSERT INTO audit_reports (at_ms, ok, report) VALUES ($1, $2, $3)
    ON CONFLICT (at_ms) DO NOTHING
"""
# A day of good reports is plenty to see when something went wrong, a month of the others.
KEPT_GOOD_MS = 86_400_000
KEPT_BAD_MS = 30 * 86_400_000
PRUNE_REPORTS = """
    DELETE FROM audit_reports
    WHERE at_ms < $1 - $2::bigint AND (ok OR at_ms < $1 - $3::bigint)
"""
SELECT_LATEST = """
    SELECT report, (SELECT clock_ms()) AS now_ms FROM audit_reports ORDER BY at_ms DESC LIMIT 1
"""


async def begin_alone(connection: Connection) -> None:
    """Make a fresh transaction one instant of the database, after every other auditor's."""
    await connection.execute(BEGIN_ALONE)
    await connection.execute(LOCK_TURN)
    await connection.execute(LOOK_UPS_ONLY)


async def only_look_up(connection: Connection) -> None:
    """Keep the planner of a fresh transaction to index look-ups."""
    await connection.execute(LOOK_UPS_ONLY)


async def select_turn(connection: Connection) -> tuple[int, Turn, tuple[str, ...]]:
    """Return (now in Unix ms, the turn, its cursor)."""
    row = await connection.fetchrow(SELECT_TURN)
    turn = Turn(**{name: row[name] for name in Turn.__struct_fields__})
    return row["now_ms"], turn, tuple(row["cursor"])


async def step_turn(connection: Connection, walk: str, cursor: Sequence[str], passed: int) -> None:
    """Note how far the turn has come."""
    await connection.execute(STEP_TURN, walk, list(cursor), passed)


async def end_turn(connection: Connection, now_ms: int) -> None:
    """Note that everything was looked at, and begin again."""
    await connection.execute(END_TURN, now_ms)


async def take_marks(connection: Connection, *, marks_max: int, weight_max: int) -> Marks:
    """Take the oldest marks away and add them up; their buyers are at most `weight_max`."""
    live: dict[str, int] = defaultdict(int)
    events: dict[str, int] = defaultdict(int)
    marks = Marks(Keys(), live, events, set())
    for row in await connection.fetch(TAKE_MARKS, marks_max, weight_max):
        marks.rows += 1
        if row["pool_id"] is not None:
            live[row["pool_id"]] += row["live_delta"]
        if row["room_id"] is not None:
            events[row["room_id"]] += row["events_delta"]
        if row["is_deep"]:
            marks.deep.add(row["pool_id"] or row["room_id"])
        marks.keys.buyer.update((row["sale_id"], user) for user in row["buyers"] or ())
        if row["order_id"] is not None:
            marks.keys.order.add(row["order_id"])
        if row["coupon_id"] is not None:
            marks.keys.coupon.add(row["coupon_id"])
    marks.keys.pool.update(live)
    marks.keys.room.update(events)
    return marks


async def count_marks(connection: Connection) -> int:
    """Return how many marks are left."""
    return int(await connection.fetchval(COUNT_MARKS))


async def follow(connection: Connection, keys: Keys) -> None:
    """Add the buyers of the orders, and the orders of the buyers: each stands on the other."""
    buyers = await connection.fetch(BUYERS_OF_ORDERS, list(keys.order)) if keys.order else []
    if keys.buyer:
        keys.order.update(
            row[0] for row in await connection.fetch(ORDERS_OF_BUYERS, *_arrays("buyer", keys))
        )
    keys.buyer.update((row[0], row[1]) for row in buyers)


async def select_sizes(
    connection: Connection, kind: Kind, ids: Iterable[str]
) -> list[tuple[str, int, bool]]:
    """Return (id, rows to read, whether its sums are kept), the smallest first."""
    return [tuple(row) for row in await connection.fetch(SIZES[kind], list(ids))]


async def keep_sums(
    connection: Connection, kind: Kind, ids: Collection[str], pieces: Mapping[str, Piece]
) -> None:
    """Add up pools or rooms from their rows, on top of what was read of them; keep the sums."""
    query = KEEP_POOLS if kind == "pool" else KEEP_ROOMS
    await connection.execute(query, *_piece_arrays(kind, ids, pieces))


async def advance_sums(connection: Connection, kind: Kind, deltas: dict[str, int]) -> None:
    """Add what was marked to the kept sums."""
    query = ADVANCE_POOLS if kind == "pool" else ADVANCE_ROOMS
    await connection.execute(query, list(deltas), list(deltas.values()))


async def select_offenders(
    connection: Connection, kind: Kind, keys: Keys, *, is_kept: bool, now_ms: int
) -> list[Offender]:
    """Ask every check of a kind about some keys; returns the rows that break one.

    Unless the sums are kept, a journal or log is read after the piece that the keys have of it.
    """
    if kind == "clock":
        query = _union(CLOCK_CHECKS)
        rows = await connection.fetch(query)
    else:
        named, arrays = facts.KEYS[kind], _arrays(kind, keys)
        if kind in PIECES and not is_kept:
            named = facts.POOLS_AND_PIECES if kind == "pool" else facts.ROOMS_AND_PIECES
            arrays = _piece_arrays(kind, getattr(keys, kind), keys.pieces)
        relation = (facts.KEPT if is_kept else facts.FULL)[kind]
        query = f"WITH keys AS MATERIALIZED ({named}), facts AS MATERIALIZED ({relation}) "
        query += _union([check for check in CHECKS if check.kind == kind])
        rows = await connection.fetch(query, *arrays)
    offenders = []
    for name, text in rows:
        row = msgspec.json.decode(text)
        offenders.append(Offender(name, kind, _key_of(kind, row), row, now_ms))
    return offenders


def _union(checks: Sequence[Check]) -> str:
    return " UNION ALL ".join(
        f"SELECT '{check.name}', to_jsonb(q)::text FROM ({check.sql}) q"  # noqa: S608 - ours.
        for check in checks
    )


def _arrays(kind: Kind, keys: Keys) -> list[list[str]]:
    if kind == "buyer":
        return [[sale for sale, _ in keys.buyer], [user for _, user in keys.buyer]]
    return [list(getattr(keys, kind))]


def _piece_arrays(kind: Kind, ids: Collection[str], pieces: Mapping[str, Piece]) -> list[list[Any]]:
    """Return the parameters of `POOLS_AND_PIECES` or `ROOMS_AND_PIECES`."""
    read = [pieces.get(id, UNREAD) for id in ids]
    return [list(ids), *([getattr(piece, name) for piece in read] for name in PIECES[kind])]


def _key_of(kind: Kind, row: dict[str, Any]) -> str:
    if kind == "buyer":
        return f"{row['sale']} {row['buyer']}"
    return str(row["pool" if kind == "clock" else kind])


async def select_findings_due(connection: Connection, limit: int) -> Keys:
    """Return the keys of what was wrong, those first that were not looked at for longest."""
    keys = Keys()
    for kind, key in await connection.fetch(SELECT_FINDINGS_DUE, limit):
        if kind == "buyer":
            sale, _, user = key.partition(" ")
            keys.buyer.add((sale, user))
        else:
            getattr(keys, kind).add(key)
    return keys


async def replace_findings(
    connection: Connection, kind: Kind, keys: Keys, found: Sequence[Offender], *, now_ms: int
) -> None:
    """Forget what was wrong with the keys, and keep what is; a row that stays keeps its time."""
    since: dict[tuple[str, str], int] = {}
    if await connection.fetchval(HAS_FINDINGS):
        names = None if kind == "clock" else _names(kind, keys)
        for row in await connection.fetch(DELETE_FINDINGS, kind, names):
            place = (row["check_name"], row["key"])
            since[place] = min(row["since_ms"], since.get(place, now_ms))
    if found:
        await connection.execute(
            INSERT_FINDINGS,
            kind,
            [one.check for one in found],
            [one.key for one in found],
            [msgspec.json.encode(one.row).decode() for one in found],
            [since.get((one.check, one.key), now_ms) for one in found],
            now_ms,
        )


def _names(kind: Kind, keys: Keys) -> list[str]:
    if kind == "buyer":
        return [f"{sale} {user}" for sale, user in keys.buyer]
    return list(getattr(keys, kind))


async def select_findings(
    connection: Connection, shown_max: int
) -> dict[str, tuple[int, int, list[dict[str, Any]]]]:
    """Return check to (count, first seen, first rows) of all that is wrong."""
    found: dict[str, tuple[int, int, list[dict[str, Any]]]] = {}
    for row in await connection.fetch(SELECT_FINDINGS, shown_max):
        entry = found.setdefault(row["check_name"], (row["broken"], row["since_ms"], []))
        entry[2].append(msgspec.json.decode(row["shown"]))
    return found


async def select_sale_of(connection: Connection, row: dict[str, Any]) -> dict[str, Any] | None:
    """Return the newest sale that an offender's row speaks of, as people know it, if any."""
    place = [row.get(name) for name in ("sale", "pool", "order")]
    if not any(place):
        return None
    found = await connection.fetchrow(SELECT_SALE_OF, *place)
    return dict(found) if found else None


async def insert_report(connection: Connection, *, at_ms: int, ok: bool, report: str) -> None:
    """Keep a report for the console's light and the operator."""
    await connection.execute(INSERT_REPORT, at_ms, ok, report)
    await connection.execute(PRUNE_REPORTS, at_ms, KEPT_GOOD_MS, KEPT_BAD_MS)


async def select_latest(connection: Connection) -> tuple[str, int] | None:
    """Return (report, now in Unix ms) of the last round."""
    row = await connection.fetchrow(SELECT_LATEST)
    return (row["report"], row["now_ms"]) if row else None
