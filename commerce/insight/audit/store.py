"""SQL of the auditor: each check returns the rows that break one invariant."""

from __future__ import annotations

from typing import Any

from commerce.kernel.ports import Connection

# A report names this many offenders of each check; the count is exact anyway.
VIOLATIONS_SHOWN_MAX = 20

CHECKS: dict[str, str] = {
    "oversold": """
        SELECT k.pool_id::text AS pool, k.total, coalesce(sum(r.qty), 0)::bigint AS live
        FROM stock k LEFT JOIN reservations r
          ON r.pool_id = k.pool_id AND r.state IN ('held', 'paying', 'sold')
        GROUP BY k.pool_id, k.total HAVING coalesce(sum(r.qty), 0) > k.total
    """,
    "claimed_is_live": """
        SELECT k.pool_id::text AS pool, k.claimed, coalesce(sum(r.qty), 0)::bigint AS live
        FROM stock k LEFT JOIN reservations r
          ON r.pool_id = k.pool_id AND r.state IN ('held', 'paying', 'sold')
        GROUP BY k.pool_id, k.claimed HAVING coalesce(sum(r.qty), 0) <> k.claimed
    """,
    "journal_adds_up": """
        SELECT k.pool_id::text AS pool, k.claimed, k.total, k.version,
            sum(j.claimed_delta) AS journal_claimed, sum(j.total_delta) AS journal_total,
            count(j.version) AS journal_rows
        FROM stock k LEFT JOIN stock_journal j ON j.pool_id = k.pool_id
        GROUP BY k.pool_id
        HAVING coalesce(sum(j.claimed_delta), 0) <> k.claimed
            OR coalesce(sum(j.total_delta), 0) <> k.total
            OR count(j.version) <> k.version OR coalesce(max(j.version), 0) <> k.version
    """,
    "never_below_or_above": """
        SELECT pool::text, version, claimed, total FROM (
            SELECT pool_id AS pool, version,
                sum(claimed_delta) OVER w AS claimed, sum(total_delta) OVER w AS total
            FROM stock_journal WINDOW w AS (PARTITION BY pool_id ORDER BY version)
        ) running WHERE claimed < 0 OR claimed > total
    """,
    "buyer_adds_up": """
        SELECT coalesce(b.sale_id, r.sale_id)::text AS sale,
            coalesce(b.user_id, r.user_id)::text AS buyer, b.qty, r.live
        FROM sale_buyers b
        FULL JOIN (
            SELECT sale_id, user_id, sum(qty) AS live FROM reservations
            WHERE state IN ('held', 'paying', 'sold') GROUP BY sale_id, user_id
        ) r ON r.sale_id = b.sale_id AND r.user_id = b.user_id
        WHERE coalesce(b.qty, 0) <> coalesce(r.live, 0)
    """,
    "buyer_within_limit": """
        SELECT b.sale_id::text AS sale, b.user_id::text AS buyer, b.qty, s.per_buyer
        FROM sale_buyers b JOIN sales s ON s.id = b.sale_id WHERE b.qty > s.per_buyer
    """,
    "paid_line_is_sold": """
        SELECT l.order_id::text AS "order", l.reservation_id::text AS reservation, r.state
        FROM orders o JOIN order_lines l ON l.order_id = o.id
        LEFT JOIN reservations r ON r.id = l.reservation_id
        WHERE o.state = 'paid' AND r.state IS DISTINCT FROM 'sold'
    """,
    "sold_is_on_one_paid_order": """
        SELECT r.id::text AS reservation, count(o.id) AS orders
        FROM reservations r
        LEFT JOIN order_lines l ON l.reservation_id = r.id
        LEFT JOIN orders o ON o.id = l.order_id AND o.state = 'paid'
        WHERE r.state = 'sold' GROUP BY r.id HAVING count(o.id) <> 1
    """,
    "order_has_lines_and_total": """
        SELECT o.id::text AS "order", o.total_minor, sum(l.qty * l.unit_price_minor) AS lines
        FROM orders o LEFT JOIN order_lines l ON l.order_id = o.id GROUP BY o.id
        HAVING coalesce(sum(l.qty * l.unit_price_minor), -1) <> o.total_minor
    """,
    "paid_order_has_payment": """
        SELECT o.id::text AS "order", o.total_minor FROM orders o
        WHERE o.state = 'paid' AND NOT EXISTS (
            SELECT 1 FROM payments p WHERE p.order_id = o.id
              AND p.state IN ('authorised', 'captured') AND p.amount_minor = o.total_minor)
    """,
    "log_is_gapless": """
        SELECT h.room_id::text AS room, h.log_offset, count(e.log_offset) AS rows
        FROM room_log_heads h LEFT JOIN room_events e ON e.room_id = h.room_id
        GROUP BY h.room_id
        HAVING count(e.log_offset) <> h.log_offset
            OR coalesce(max(e.log_offset), 0) <> h.log_offset
    """,
}

COUNTS = """
    SELECT (SELECT count(*) FROM stock) AS pools,
        (SELECT count(*) FROM reservations) AS reservations,
        (SELECT count(*) FROM stock_journal) AS journal_rows,
        (SELECT count(*) FROM orders) AS orders,
        (SELECT count(*) FROM payments) AS payments,
        (SELECT count(*) FROM room_events) AS room_events
"""
INSERT_REPORT = """
    INSERT INTO audit_reports (at_ms, ok, report) VALUES (clock_ms(), $1, $2)
    ON CONFLICT (at_ms) DO NOTHING
"""
# A day of good reports is plenty to see when something went wrong, a month of the others.
KEPT_GOOD_MS = 86_400_000
KEPT_BAD_MS = 30 * 86_400_000
PRUNE_REPORTS = """
    DELETE FROM audit_reports
    WHERE at_ms < (SELECT clock_ms()) - CASE WHEN ok THEN $1::bigint ELSE $2::bigint END
"""
SELECT_LATEST = "SELECT at_ms, report FROM audit_reports ORDER BY at_ms DESC LIMIT 1"
# The rows that break a check are counted where they are; only those shown come over.
SHOWN = "SELECT broken.*, count(*) OVER () AS broken_rows FROM ({check}) broken LIMIT $1"


async def select_violations(connection: Connection, check: str) -> tuple[int, list[dict[str, Any]]]:
    """Run one check: how many rows break it, and the first of them."""
    rows = await connection.fetch(SHOWN.format(check=CHECKS[check]), VIOLATIONS_SHOWN_MAX)
    shown = [
        {name: value if isinstance(value, str) else int(value or 0) for name, value in row.items()}
        for row in rows
    ]
    counts = [row.pop("broken_rows") for row in shown]
    return int(counts[0]) if counts else 0, shown


async def select_counts(connection: Connection) -> dict[str, int]:
    """Return how many rows were looked at."""
    return dict(await connection.fetchrow(COUNTS))


async def insert_report(connection: Connection, *, ok: bool, report: str) -> None:
    """Keep a report for the console's light."""
    await connection.execute(INSERT_REPORT, ok, report)
    await connection.execute(PRUNE_REPORTS, KEPT_GOOD_MS, KEPT_BAD_MS)


async def select_latest(connection: Connection) -> tuple[int, str] | None:
    """Return (at_ms, report) of the last audit."""
    row = await connection.fetchrow(SELECT_LATEST)
    return tuple(row) if row else None
