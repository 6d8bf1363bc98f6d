"""SQL of evidence: every fact from the rows that the shop itself works with.

Invariant: each read is bounded, whatever the room has said and sold.
"""

from __future__ import annotations

import json
from typing import Any

from commerce.community.chat_archive.rules import first_id
from commerce.insight.evidence.model import (
    CHAT_AFTER_MS,
    CHAT_BEFORE_MS,
    CHAT_LINES_MAX,
    ChatFacts,
    CouponFacts,
    DrawFacts,
    Event,
    Line,
    OrderFacts,
    Press,
    Price,
    Terms,
)
from commerce.kernel.ports import Connection

# A line's id is made a moment after its time is read, and by the clock of another process.
ID_SLACK_MS = 60_000
# How far back from the press the log is read: hours of a show, ten milliseconds of PostgreSQL.
EVENTS_SCANNED_MAX = 20_000

SELECT_ORDER = """
    SELECT o.id, o.state, o.user_id, u.name AS buyer, o.room_id, m.slug AS room, m.host_id,
        o.total_minor, o.refunded_minor, o.subtotal_minor, o.discount_minor, o.shipping_minor,
        o.tax_minor, o.is_tax_included, o.currency, o.created_at_ms, o.updated_at_ms,
        c.id AS coupon_id, c.title, c.halted_at_ms, c.halt_reason, o.paid_at_ms, o.show_id,
        w.title AS show, w.started_at_ms AS show_started_at_ms,
        w.ended_at_ms AS show_ended_at_ms
    FROM orders o
    JOIN users u ON u.id = o.user_id
    JOIN rooms m ON m.id = o.room_id
    JOIN shows w ON w.id = o.show_id
    LEFT JOIN coupon_claims k ON k.id = o.coupon_claim_id
    LEFT JOIN coupons c ON c.id = k.coupon_id
    WHERE o.id = $1
"""
COUPON_COLUMNS = ("coupon_id", "title", "halted_at_ms", "halt_reason")
# The stock before the batch is what the journal adds up to below its version. Of a draw the buyer's
# press is the entry: that of the unit itself, or the one that lost and came to the waiting list.
SELECT_PRESSES = """
    SELECT r.id AS reservation, r.sale_id AS sale, s.kind, l.item_id AS item, b.no, l.sku, l.title,
        l.title_zh, r.qty, r.unit_price_minor, r.origin, r.state, r.pool_id AS pool, r.version,
        r.seq, r.decided_at_ms, r.shown_until_ms, r.release_at_ms, p.log_offset, j.total,
        j.claimed, l.price_source, l.discount_minor, l.tax_minor, l.total_minor AS line_total_minor,
        CASE r.origin WHEN 'draw' THEN e.entered_at_ms ELSE q.created_at_ms END AS asked_at_ms,
        e.id AS entry, e.entered_at_ms, d.drawn_at_ms, e.rank, d.entries AS "of"
    FROM order_lines l
    JOIN reservations r ON r.id = l.reservation_id
    JOIN sales s ON s.id = r.sale_id
    JOIN bag_items b ON b.id = l.item_id
    LEFT JOIN press_offsets p
        ON p.pool_id = r.pool_id AND p.version = r.version AND p.room_id = s.room_id
    LEFT JOIN waiting_list q ON q.reservation_id = r.id
    LEFT JOIN draw_entries e ON e.sale_id = r.sale_id AND e.user_id = r.user_id
        AND e.withdrawn_at_ms IS NULL AND e.rank IS NOT NULL AND CASE r.origin
            WHEN 'draw' THEN e.reservation_id = r.id
            WHEN 'waiting_list' THEN e.reservation_id IS NULL END
    LEFT JOIN draws d ON d.sale_id = e.sale_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(x.total_delta), 0)::int AS total,
            coalesce(sum(x.claimed_delta), 0)::int AS claimed
        FROM stock_journal x WHERE x.pool_id = r.pool_id AND x.version < r.version
    ) j
    WHERE l.order_id = $1 ORDER BY b.no, r.id
"""
# The log of the SKU in the sales of this show, its own and the one it is compared with, and the
# campaign price of that moment: such a price has no row for an end that comes at its time, and one
# that was taken back later than the press was in force at it.
SELECT_PRICES = """
    SELECT l.id, l.sale_id AS sale, l.campaign_price_id AS campaign_price,
        coalesce(s.kind, 'campaign') AS kind, l.price_minor, l.at_ms
    FROM price_log l
    LEFT JOIN sales s ON s.id = l.sale_id
    LEFT JOIN campaign_prices c ON c.id = l.campaign_price_id
    WHERE l.sku = $1 AND l.at_ms <= $3 AND (s.show_id = $2 OR c.until_ms > $3)
    ORDER BY l.at_ms, l.id
"""
# How a sale is dealt out is decided when it is armed, and lies beside its row.
SELECT_TERMS = """
    SELECT version, pool_version, at_ms, terms,
        EXISTS (SELECT 1 FROM draws d WHERE d.sale_id = $1) AS is_drawn
    FROM sale_terms WHERE sale_id = $1 AND pool_version < $2 ORDER BY version DESC LIMIT 1
"""
# What came last of each kind: the sale's own events, its arming however long ago, the pins, what
# was written on everybody's screen, and the newest picture of the whole room.
SELECT_EVENTS = """
    WITH stretch AS (
        SELECT log_offset, at_ms, type, payload FROM room_events
        WHERE room_id = $1 AND log_offset <= $2 AND log_offset > $2 - $5
          AND ($3::bigint IS NULL OR at_ms <= $3)
    ), of_sale AS (
        SELECT * FROM stretch WHERE type LIKE 'flash.%' AND strpos(payload, $4) > 0
    )
    (SELECT * FROM of_sale ORDER BY log_offset DESC LIMIT 50)
    UNION (SELECT * FROM of_sale WHERE type = 'flash.armed' ORDER BY log_offset DESC LIMIT 1)
    UNION (
        SELECT * FROM stretch WHERE type IN ('show.pinned', 'show.unpinned')
        ORDER BY log_offset DESC LIMIT 10
    )
    UNION (SELECT * FROM stretch WHERE type = 'announcement' ORDER BY log_offset DESC LIMIT 1)
    UNION (SELECT * FROM stretch WHERE type = 'room.state' ORDER BY log_offset DESC LIMIT 1)
    UNION (SELECT * FROM stretch WHERE type = 'bag.changed' ORDER BY log_offset DESC LIMIT 1)
    ORDER BY log_offset
"""
SELECT_HEAD = "SELECT log_offset FROM room_log_heads WHERE room_id = $1"
# Rows are compared as a whole, so that only the index of the room has them in order.
SELECT_CHAT = """
    SELECT id, at_ms, user_id, name, text, flags, deleted_at_ms, deleted_by FROM chat_lines
    WHERE (room_id, id) > ($1, $2::uuid) AND (room_id, id) < ($1, $3::uuid)
      AND at_ms >= $4 AND at_ms <= $5
"""
SELECT_CHAT_BEFORE = SELECT_CHAT + " ORDER BY at_ms DESC, id DESC LIMIT $6"
SELECT_CHAT_AFTER = SELECT_CHAT + " ORDER BY at_ms, id LIMIT $6"
SELECT_CHAT_OF = SELECT_CHAT + " AND user_id = ANY ($7::uuid[]) ORDER BY at_ms, id LIMIT $6"
SELECT_PAYMENTS = """
    SELECT id, provider, provider_ref, amount_minor, refunded_minor, currency, state,
        created_at_ms, authorised_at_ms, updated_at_ms
    FROM payments WHERE order_id = $1 ORDER BY created_at_ms, id
"""
# Without its body: it is the provider's own words, and may name who paid.
SELECT_PAYMENT_EVENTS = """
    SELECT e.provider, e.event_id AS event, e.payment_id AS payment, e.type,
        e.received_at_ms AS at_ms
    FROM payment_events e JOIN payments p ON p.id = e.payment_id
    WHERE p.order_id = $1 ORDER BY e.received_at_ms, e.event_id LIMIT 500
"""
SELECT_CALLS = """
    SELECT c.id, c.payment_id AS payment, c.refund_id AS refund, c.kind, c.state, c.attempts,
        c.last_error AS error, c.created_at_ms AS at_ms
    FROM payment_calls c JOIN payments p ON p.id = c.payment_id
    WHERE p.order_id = $1 ORDER BY c.created_at_ms, c.id
"""
SELECT_REFUNDS = """
    SELECT id, payment_id AS payment, provider_ref, amount_minor, currency, state, origin, reason,
        error, created_at_ms, updated_at_ms
    FROM refunds WHERE order_id = $1 ORDER BY created_at_ms, id
"""


async def find_order(connection: Connection, order_id: str) -> OrderFacts | None:
    """Return an order with its room and show, or None."""
    row = await connection.fetchrow(SELECT_ORDER, order_id)
    if row is None:
        return None
    fields = _plain(row)
    id, *facts = (fields.pop(name) for name in COUPON_COLUMNS)
    return OrderFacts(coupon=None if id is None else CouponFacts(id, *facts), **fields)


async def select_presses(connection: Connection, order_id: str) -> list[Press]:
    """Return the order's lines with their reservations, in the order of the bag."""
    presses = []
    for row in await connection.fetch(SELECT_PRESSES, order_id):
        fields = _plain(row)
        stock = (fields.pop("total"), fields.pop("claimed"))
        total_minor = fields.pop("line_total_minor")
        entry = {name: fields.pop(name) for name in DrawFacts.__struct_fields__}
        draw = None if entry["entry"] is None else DrawFacts(**entry)
        presses.append(Press(stock=stock, total_minor=total_minor, draw=draw, **fields))
    return presses


async def select_prices(connection: Connection, press: Press, show_id: str) -> list[Price]:
    """Return the price log of the SKU up to the press: of this show, and of the shop's prices."""
    rows = await connection.fetch(SELECT_PRICES, press.sku, show_id, press.decided_at_ms)
    return [Price(**_plain(row)) for row in rows]


async def select_terms(connection: Connection, press: Press) -> list[Terms]:
    """Return the newest version of the sale's row that can have decided the press."""
    rows = await connection.fetch(SELECT_TERMS, press.sale, press.version)
    return [
        Terms(
            row["version"],
            row["pool_version"],
            row["at_ms"],
            {"fairness": "draw" if row["is_drawn"] else "first_come"} | json.loads(row["terms"]),
        )
        for row in rows
    ]


async def select_events(connection: Connection, press: Press, room_id: str) -> list[Event]:
    """Return what the room had been told of the sale and the pins at the press, oldest first."""
    head, until_ms = press.log_offset, None
    if head is None:
        head = int(await connection.fetchval(SELECT_HEAD, room_id) or 0)
        until_ms = press.decided_at_ms
    rows = await connection.fetch(
        SELECT_EVENTS, room_id, head, until_ms, press.sale, EVENTS_SCANNED_MAX
    )
    return [
        Event(row["log_offset"], row["at_ms"], row["type"], json.loads(row["payload"]))
        for row in rows
    ]


async def select_chat(connection: Connection, order: OrderFacts, at_ms: int) -> ChatFacts:
    """Return the stored lines around a moment, removed ones among them."""
    since_ms, until_ms = at_ms - CHAT_BEFORE_MS, at_ms + CHAT_AFTER_MS

    async def read(query: str, from_ms: int, to_ms: int, *more: object) -> list[Line]:
        rows = await connection.fetch(
            query,
            order.room_id,
            first_id(from_ms - ID_SLACK_MS),
            first_id(to_ms + ID_SLACK_MS),
            from_ms,
            to_ms,
            CHAT_LINES_MAX + 1,
            *more,
        )
        return [_line(row) for row in rows]

    return ChatFacts(
        at_ms=at_ms,
        principal=await read(SELECT_CHAT_OF, since_ms, until_ms, [order.user_id, order.host_id]),
        before=await read(SELECT_CHAT_BEFORE, since_ms, at_ms),
        after=await read(SELECT_CHAT_AFTER, at_ms + 1, until_ms),
    )


async def select_money(connection: Connection, order_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return payments, what providers told, what they were asked, and refunds."""
    queries = {
        "payments": SELECT_PAYMENTS,
        "events": SELECT_PAYMENT_EVENTS,
        "calls": SELECT_CALLS,
        "refunds": SELECT_REFUNDS,
    }
    return {
        name: [_plain(row) for row in await connection.fetch(query, order_id)]
        for name, query in queries.items()
    }


def _line(row: Any) -> Line:
    return Line(
        id=str(row["id"]),
        at_ms=row["at_ms"],
        user=str(row["user_id"]) if row["user_id"] else None,
        name=row["name"],
        text=row["text"],
        flags=list(row["flags"]),
        removed_at_ms=row["deleted_at_ms"],
        removed_by=str(row["deleted_by"]) if row["deleted_by"] else None,
    )


def _plain(row: Any) -> dict[str, Any]:
    """Return a row as JSON can hold it; UUIDs become text."""
    return {
        name: value if value is None or isinstance(value, str | int | list) else str(value)
        for name, value in row.items()
    }
