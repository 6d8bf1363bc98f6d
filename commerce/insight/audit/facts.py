"""The relations that checks read, each for a set of keys: `WITH keys …, facts …`.

Pools and logs have two: FULL reads every row of theirs; KEPT adds what is not yet taken account
of (marks, the journal's tail) to the auditor's own sums, so that a pool of a million reservations
costs no more than what changed. Both are exact at their snapshot.

FULL may start behind the first rows of a journal or a log, which earlier steps have read: such rows
are committed in the order of their versions or offsets and never changed, so what one snapshot
showed up to one of them is what every later one shows up to it.
"""

from __future__ import annotations

from commerce.insight.audit.model import Kind

# Running sums of a journal from some version on; `{after}`, the bases and the most rows are put in.
RUNNING = """
    SELECT count(*) AS journal_rows, coalesce(max(j.version), 0) AS journal_version,
        coalesce(sum(j.claimed_delta), 0)::bigint AS claimed,
        coalesce(sum(j.total_delta), 0)::bigint AS total,
        min(j.version) FILTER (
            WHERE j.claimed < 0 OR j.claimed > j.total) AS off_version
    FROM (
        SELECT w.version, w.claimed_delta, w.total_delta,
            {claimed} + sum(w.claimed_delta) OVER (ORDER BY w.version) AS claimed,
            {total} + sum(w.total_delta) OVER (ORDER BY w.version) AS total
        FROM (
            SELECT v.version, v.claimed_delta, v.total_delta FROM stock_journal v
            WHERE v.pool_id = {pool} AND v.version > {after} ORDER BY v.version LIMIT {limit}
        ) w
    ) j
"""
# What was refunded of a reservation lives no more. Two sums, because each has its partial index.
LIVE = """
    coalesce((SELECT sum(r.qty - r.refunded_qty) FROM reservations r
        WHERE r.pool_id = {pool} AND r.state = 'sold'), 0)
    + coalesce((SELECT sum(r.qty - r.refunded_qty) FROM reservations r
        WHERE r.pool_id = {pool} AND r.state IN ('held', 'paying')), 0)
"""
# What follows what earlier steps have read.
REST = RUNNING.format(
    pool="q.pool_id", after="q.version", claimed="q.claimed", total="q.total", limit="ALL"
)
# The next rows of one journal, on top of what was read of it: pool, its piece, how many rows.
NEXT_PIECE = f"""
    SELECT q.rows + j.journal_rows AS rows, greatest(q.version, j.journal_version) AS version,
        q.claimed + j.claimed AS claimed, q.total + j.total AS total,
        coalesce(q.off_version, j.off_version) AS off_version
    FROM (SELECT $1::uuid AS pool_id, $2::bigint AS rows, $3::bigint AS version,
        $4::bigint AS claimed, $5::bigint AS total, $6::bigint AS off_version) q
    CROSS JOIN LATERAL ({
    RUNNING.format(
        pool="q.pool_id",
        after="q.version",
        claimed="q.claimed",
        total="q.total",
        limit="$7::bigint",
    )
}) j
"""  # noqa: S608 - our own words.

# The same of one log: room, how many rows were read, up to which offset, how many more.
NEXT_LOG_PIECE = """
    SELECT $2::bigint + count(*) AS rows,
        greatest($3::bigint, coalesce(max(w.log_offset), 0)) AS version
    FROM (
        SELECT e.log_offset FROM room_events e
        WHERE e.room_id = $1 AND e.log_offset > $3::bigint ORDER BY e.log_offset LIMIT $4::bigint
    ) w
"""
POOL_ROWS = f"""
    SELECT k.pool_id, k.total, k.claimed, k.version, ({LIVE.format(pool="k.pool_id")})::bigint
        AS live, q.rows + j.journal_rows AS journal_rows,
        greatest(q.version, j.journal_version) AS journal_version,
        q.claimed + j.claimed AS journal_claimed, q.total + j.total AS journal_total,
        coalesce(q.off_version, j.off_version) AS off_version
    FROM keys q JOIN stock k ON k.pool_id = q.pool_id
    CROSS JOIN LATERAL ({REST}) j
"""  # noqa: S608 - our own words.
TAIL = RUNNING.format(
    pool="a.pool_id",
    after="a.journal_version",
    claimed="a.journal_claimed",
    total="a.journal_total",
    limit="ALL",
)
POOL_KEPT = f"""
    SELECT k.pool_id, k.total, k.claimed, k.version, a.live + coalesce(p.live_delta, 0) AS live,
        a.journal_rows + j.journal_rows AS journal_rows,
        greatest(a.journal_version, j.journal_version) AS journal_version,
        a.journal_claimed + j.claimed AS journal_claimed,
        a.journal_total + j.total AS journal_total,
        coalesce(a.off_version, j.off_version) AS off_version
    FROM keys q JOIN stock k ON k.pool_id = q.pool_id
    JOIN audit_pools a ON a.pool_id = q.pool_id
    LEFT JOIN (SELECT m.pool_id, sum(m.live_delta)::bigint AS live_delta FROM audit_marks m
        WHERE m.pool_id IS NOT NULL GROUP BY m.pool_id) p ON p.pool_id = a.pool_id
    CROSS JOIN LATERAL ({TAIL}) j
"""  # noqa: S608 - our own words.

ENDS = """
    coalesce((SELECT max(e.log_offset) FROM room_events e WHERE e.room_id = h.room_id), 0)
        AS highest
"""
ROOM_ROWS = f"""
    SELECT h.room_id, h.log_offset, {ENDS},
        q.rows + (SELECT count(*) FROM room_events e
            WHERE e.room_id = h.room_id AND e.log_offset > q.version) AS events
    FROM keys q JOIN room_log_heads h ON h.room_id = q.room_id
"""  # noqa: S608 - our own words.
ROOM_KEPT = f"""
    SELECT h.room_id, h.log_offset, {ENDS}, a.events + coalesce(p.events_delta, 0) AS events
    FROM keys q JOIN room_log_heads h ON h.room_id = q.room_id
    JOIN audit_rooms a ON a.room_id = q.room_id
    LEFT JOIN (SELECT m.room_id, sum(m.events_delta)::bigint AS events_delta FROM audit_marks m
        WHERE m.room_id IS NOT NULL GROUP BY m.room_id) p ON p.room_id = a.room_id
"""  # noqa: S608 - our own words.

BUYERS = """
    SELECT q.sale_id, q.user_id, coalesce(b.qty, 0) AS qty, r.live, r.lost
    FROM keys q
    LEFT JOIN sale_buyers b ON b.sale_id = q.sale_id AND b.user_id = q.user_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(r.qty - r.refunded_qty) FILTER (
                WHERE r.state IN ('held', 'paying', 'sold')), 0)::bigint AS live,
            count(*) FILTER (WHERE NOT EXISTS (
                SELECT 1 FROM stock k WHERE k.pool_id = r.pool_id)) AS lost
        FROM reservations r WHERE r.user_id = q.user_id AND r.sale_id = q.sale_id
    ) r
"""
ORDERS = """
    SELECT o.id, o.user_id, o.state, o.total_minor FROM keys q JOIN orders o ON o.id = q.order_id
"""

COUPONS = """
    SELECT c.id, c.quantity, c.granted, c.budget_minor, c.spent_minor, c.on_orders, c.per_person
    FROM keys q JOIN coupons c ON c.id = q.coupon_id
"""

KEYS: dict[Kind, str] = {
    "pool": "SELECT DISTINCT u.pool_id FROM unnest($1::uuid[]) AS u (pool_id)",
    "order": "SELECT DISTINCT u.order_id FROM unnest($1::uuid[]) AS u (order_id)",
    "buyer": "SELECT DISTINCT u.sale_id, u.user_id"
    " FROM unnest($1::uuid[], $2::uuid[]) AS u (sale_id, user_id)",
    "coupon": "SELECT DISTINCT u.coupon_id FROM unnest($1::uuid[]) AS u (coupon_id)",
    "room": "SELECT DISTINCT u.room_id FROM unnest($1::uuid[]) AS u (room_id)",
}
# Pools with what earlier steps have read of their journals.
POOLS_AND_PIECES = """
    SELECT u.* FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
        $6::bigint[]) AS u (pool_id, rows, version, claimed, total, off_version)
"""
# Rooms with what earlier steps have read of their logs; its version is an offset.
ROOMS_AND_PIECES = """
    SELECT u.* FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS u (room_id, rows, version)
"""
FULL: dict[Kind, str] = {
    "pool": POOL_ROWS,
    "order": ORDERS,
    "buyer": BUYERS,
    "room": ROOM_ROWS,
    "coupon": COUPONS,
}
KEPT: dict[Kind, str] = FULL | {"pool": POOL_KEPT, "room": ROOM_KEPT}
