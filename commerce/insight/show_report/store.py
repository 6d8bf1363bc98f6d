"""SQL of the console: every figure can be computed again from the tables it names.

Turnover (`gmv_minor`) has one definition, in the run sheet, the figures and the series alike: what
was paid for in orders of the show, whatever went back since. What went back (`refunded_minor`) is a
figure of its own: an amount that is given back belongs to an order, not always to an item.
"""

from __future__ import annotations

from typing import Any

from commerce.kernel.ports import Connection

# Orders that took money, also those whose money is all back.
WAS_PAID = "o.state IN ('paid', 'refunded')"

SELECT_RUN = f"""
    SELECT i.id AS item, i.no, i.sku, v.title, v.title_zh, v.picture, v.price_minor, s.currency,
        v.notes, v.notes_zh, s.id AS sale,
        EXISTS (SELECT 1 FROM pins x
            WHERE x.show_id = $1 AND x.item_id = i.id AND x.to_ms IS NULL) AS is_now,
        EXISTS (SELECT 1 FROM pins x
            WHERE x.show_id = $1 AND x.item_id = i.id AND x.to_ms IS NOT NULL) AS is_done,
        coalesce(q.paid, 0)::int AS paid, coalesce(q.gmv_minor, 0)::bigint AS gmv_minor
    FROM bag_items i
    JOIN named_variants v ON v.sku = i.sku
    JOIN sales s ON s.item_id = i.id AND s.kind = 'regular'
    LEFT JOIN LATERAL (
        SELECT sum(l.qty) AS paid, sum(l.total_minor) AS gmv_minor
        FROM order_lines l JOIN orders o ON o.id = l.order_id AND {WAS_PAID}
        WHERE l.item_id = i.id
    ) q ON true
    WHERE i.show_id = $1 AND i.removed_at_ms IS NULL ORDER BY i.no
"""  # noqa: S608 - our own words.
SELECT_FIGURES = f"""
    SELECT q.gmv_minor, q.refunded_minor, q.orders, q.buyers, v.viewers_avg, v.viewers_peak
    FROM (
        SELECT coalesce(sum(o.total_minor), 0)::bigint AS gmv_minor,
            coalesce(sum(o.refunded_minor), 0)::bigint AS refunded_minor,
            count(*) AS orders,
            count(DISTINCT o.user_id) AS buyers
        FROM orders o WHERE o.show_id = $1 AND {WAS_PAID}
    ) q, (
        SELECT round(avg(viewers))::int AS viewers_avg, max(viewers) AS viewers_peak
        FROM show_samples WHERE show_id = $1
    ) v
"""  # noqa: S608 - our own words.
# A point every 10 s for 16 hours; of a longer show the plot has the last 16.
SELECT_VIEWERS = """
    SELECT at_ms, viewers FROM (
        SELECT at_ms, viewers FROM show_samples WHERE show_id = $1 ORDER BY at_ms DESC LIMIT 6000
    ) latest ORDER BY at_ms
"""
SELECT_ORDERS_A_MINUTE = f"""
    SELECT o.paid_at_ms / 60000 * 60000 AS minute_ms, count(*)::int AS orders,
        sum(o.total_minor)::bigint AS gmv_minor
    FROM orders o WHERE o.show_id = $1 AND {WAS_PAID} GROUP BY 1 ORDER BY 1
"""  # noqa: S608 - our own words.
SELECT_PINS = """
    SELECT i.no, p.item_id AS item, p.from_ms, p.to_ms
    FROM pins p JOIN bag_items i ON i.id = p.item_id
    WHERE p.show_id = $1 ORDER BY p.from_ms LIMIT 500
"""
SELECT_FLASH = """
    SELECT s.id AS sale, i.no, s.quantity, s.opens_at_ms AS from_ms, s.ends_at_ms AS to_ms
    FROM sales s JOIN bag_items i ON i.id = s.item_id
    WHERE s.show_id = $1 AND s.kind = 'flash' ORDER BY s.opens_at_ms LIMIT 200
"""
SELECT_GROUP_BUYS = """
    SELECT s.id AS sale, i.no, c.need, s.opens_at_ms AS from_ms, s.ends_at_ms AS to_ms
    FROM sales s JOIN group_campaigns c ON c.sale_id = s.id JOIN bag_items i ON i.id = s.item_id
    WHERE s.show_id = $1 AND s.kind = 'group' ORDER BY s.opens_at_ms LIMIT 200
"""
# A paid order of which no money is there or on its way: whoever sends its goods has to know.
SELECT_LAST_ORDERS = """
    SELECT o.id, o.state, o.total_minor, o.currency, u.name AS buyer,
        coalesce(o.paid_at_ms, o.created_at_ms) AS at_ms, l.title, l.title_zh, i.no,
        o.refunded_minor, r.pending_refunds, r.failed_refund,
        o.total_minor - o.refunded_minor - r.pending_minor AS left_minor,
        o.state = 'paid' AND NOT EXISTS (
            SELECT 1 FROM payments p
            WHERE p.order_id = o.id AND p.let_go_reason IS NULL
              AND p.state IN ('authorised', 'captured', 'refunded') AND NOT EXISTS (
                SELECT 1 FROM payment_calls c
                WHERE c.payment_id = p.id AND c.kind = 'capture' AND c.state = 'failed')
        ) AS is_uncollected
    FROM orders o
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(f.amount_minor) FILTER (
                WHERE f.state = 'pending' AND f.origin = 'person'), 0)::bigint AS pending_minor,
            count(*) FILTER (WHERE f.state = 'pending') AS pending_refunds,
            (array_agg(f.id ORDER BY f.created_at_ms DESC) FILTER (WHERE f.state = 'failed'))[1]
                AS failed_refund
        FROM refunds f WHERE f.order_id = o.id
    ) r
    JOIN users u ON u.id = o.user_id
    JOIN LATERAL (
        SELECT * FROM order_lines l WHERE l.order_id = o.id ORDER BY l.reservation_id LIMIT 1
    ) l ON true
    JOIN bag_items i ON i.id = l.item_id
    WHERE o.show_id = $1 ORDER BY o.created_at_ms DESC LIMIT 20
"""
SELECT_HOLDS_ENDING = """
    SELECT count(*)::int FROM reservations
    WHERE pool_id = (SELECT pool_id FROM sales WHERE id = $1) AND state = 'held'
      AND shown_until_ms BETWEEN (SELECT clock_ms()) AND (SELECT clock_ms()) + 60000
"""
INSERT_SAMPLE = """
    INSERT INTO show_samples (show_id, at_ms, viewers)
    VALUES ($1, clock_ms() / 10000 * 10000, $2)
    ON CONFLICT (show_id, at_ms) DO UPDATE SET viewers = excluded.viewers
"""
SELECT_LIVE_SHOWS = "SELECT id, room_id FROM shows WHERE status = 'live'"


async def select_rows(connection: Connection, query: str, id: str) -> list[dict[str, Any]]:
    """Run one of this file's queries for a show; ids come back as text."""
    return [
        {name: _plain(value) for name, value in row.items()}
        for row in await connection.fetch(query, id)
    ]


async def select_holds_ending(connection: Connection, sale_id: str) -> int:
    """Return how many holds of a sale end, as shown, within a minute."""
    return int(await connection.fetchval(SELECT_HOLDS_ENDING, sale_id))


async def insert_sample(connection: Connection, show_id: str, viewers: int) -> None:
    """Keep how many watched in this stretch of ten seconds."""
    await connection.execute(INSERT_SAMPLE, show_id, viewers)


async def select_live_shows(connection: Connection) -> list[tuple[str, str]]:
    """Return (show, room) of every live show."""
    return [(str(row[0]), str(row[1])) for row in await connection.fetch(SELECT_LIVE_SHOWS)]


def _plain(value: Any) -> Any:
    """Return what JSON can hold; UUIDs become text."""
    return value if value is None or isinstance(value, str | int | float) else str(value)
