"""The invariants of money that goes back and of the goods that come with it, by order.

Every change of a refund's state comes with one of its payment call, which marks the order. The
money of a refund that was made and not yet asked for is counted as gone, as the code counts it.
"""

from __future__ import annotations

from commerce.insight.audit.model import Check

REFUND_CHECKS = (
    Check(
        "refunds_add_up",
        "order",
        "What went back of an order is the sum of its refunds, and never more than was paid.",
        """
        SELECT f.id AS "order", f.state, f.total_minor, o.refunded_minor, q.done_minor
        FROM facts f JOIN orders o ON o.id = f.id
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(g.amount_minor) FILTER (WHERE g.origin = 'person'), 0)::bigint
                AS done_minor
            FROM refunds g WHERE g.order_id = f.id AND g.state = 'done'
        ) q
        WHERE q.done_minor <> o.refunded_minor
           OR (f.state = 'refunded') <> (f.total_minor > 0 AND q.done_minor = f.total_minor)
           OR EXISTS (SELECT 1 FROM payments p WHERE p.order_id = f.id AND p.refunded_minor <> (
                SELECT coalesce(sum(g.amount_minor), 0) FROM refunds g
                WHERE g.payment_id = p.id AND g.state = 'done'))
        """,
    ),
    Check(
        "refunds_within_payment",
        "order",
        "No more goes back of a payment, what is on its way included, than was paid.",
        """
        SELECT f.id AS "order", p.id AS payment, p.amount_minor, q.refunds_minor
        FROM facts f JOIN payments p ON p.order_id = f.id
        CROSS JOIN LATERAL (
            SELECT sum(g.amount_minor)::bigint AS refunds_minor FROM refunds g
            WHERE g.payment_id = p.id AND g.state IN ('pending', 'done')
        ) q WHERE q.refunds_minor > p.amount_minor
        """,
    ),
    Check(
        "refunded_payment_is_whole",
        "order",
        "A payment is refunded when all of it went back, and not before.",
        """
        SELECT f.id AS "order", p.id AS payment, p.state, p.amount_minor, p.refunded_minor
        FROM facts f JOIN payments p ON p.order_id = f.id
        WHERE (p.state = 'refunded')
            <> (p.amount_minor > 0 AND p.refunded_minor >= p.amount_minor)
        """,
    ),
    Check(
        "refunded_units_within_line",
        "order",
        "No more units of a line come back, those on their way included, than it has.",
        """
        SELECT f.id AS "order", l.reservation_id AS reservation, l.qty, q.units
        FROM facts f JOIN order_lines l ON l.order_id = f.id
        CROSS JOIN LATERAL (
            SELECT sum(b.qty) AS units FROM refund_lines b
            JOIN refunds g ON g.id = b.refund_id AND g.state IN ('pending', 'done')
            WHERE b.reservation_id = l.reservation_id
        ) q WHERE q.units > l.qty
        """,
    ),
    Check(
        "refunded_line_is_whole",
        "order",
        "A paid line's reservation is refunded once all its units went back, and is sold before.",
        """
        SELECT f.id AS "order", l.reservation_id AS reservation, r.state, l.qty, q.units
        FROM facts f JOIN order_lines l ON l.order_id = f.id
        JOIN reservations r ON r.id = l.reservation_id
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(b.qty), 0) AS units FROM refund_lines b
            JOIN refunds g ON g.id = b.refund_id AND g.state = 'done'
            WHERE b.reservation_id = l.reservation_id
        ) q
        WHERE f.state IN ('paid', 'refunded')
          AND r.state <> CASE WHEN q.units >= l.qty THEN 'refunded' ELSE 'sold' END
        """,
    ),
    Check(
        "refunded_units_are_taken_back",
        "order",
        "As many units of a line were taken back, and restocked, as its refunds that are done have"
        " of it.",
        """
        SELECT f.id AS "order", l.reservation_id AS reservation, r.qty, r.refunded_qty,
            r.restocked_qty, q.units, q.restock
        FROM facts f JOIN order_lines l ON l.order_id = f.id
        JOIN reservations r ON r.id = l.reservation_id
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(b.qty), 0) AS units,
                coalesce(sum(b.qty) FILTER (WHERE g.restock), 0) AS restock
            FROM refund_lines b JOIN refunds g ON g.id = b.refund_id AND g.state = 'done'
            WHERE b.reservation_id = l.reservation_id
        ) q
        WHERE r.refunded_qty <> least(q.units, r.qty) OR r.restocked_qty <> least(q.restock, r.qty)
        """,
    ),
    Check(
        "refund_has_its_call",
        "order",
        "Every refund has the call to the provider that makes it, in the same state.",
        """
        SELECT f.id AS "order", g.id AS refund, g.state, c.state AS call_state
        FROM facts f JOIN refunds g ON g.order_id = f.id
        LEFT JOIN payment_calls c ON c.refund_id = g.id
        WHERE c.state IS DISTINCT FROM g.state
        """,
    ),
)
