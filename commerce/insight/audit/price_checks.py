"""The invariants of what an order costs: the total is its parts, and the price is the hold's."""

from __future__ import annotations

from commerce.insight.audit.model import Check

PRICE_CHECKS = (
    Check(
        "order_has_lines_and_total",
        "order",
        "An order has lines, and its total is theirs, less what is off, with shipping and tax.",
        """
        SELECT f.id AS "order", f.total_minor, l.goods_minor, l.off_minor, o.shipping_minor
        FROM facts f JOIN orders o ON o.id = f.id
        CROSS JOIN LATERAL (
            SELECT sum(l.qty * l.unit_price_minor) AS goods_minor,
                sum(l.discount_minor) AS off_minor, sum(l.tax_minor) AS tax_minor,
                sum(l.total_minor) AS lines_minor,
                bool_and(l.total_minor = l.qty * l.unit_price_minor - l.discount_minor
                    + CASE WHEN o.is_tax_included THEN 0 ELSE l.tax_minor END) AS adds_up
            FROM order_lines l WHERE l.order_id = f.id
        ) l
        WHERE l.adds_up IS NOT TRUE
           OR (l.goods_minor, l.off_minor, l.tax_minor + o.tax_on_shipping_minor)
                <> (o.subtotal_minor, o.discount_minor, o.tax_minor)
           OR f.total_minor <> l.lines_minor + o.shipping_minor
                + CASE WHEN o.is_tax_included THEN 0 ELSE o.tax_on_shipping_minor END
        """,
    ),
    Check(
        "line_price_is_the_holds",
        "order",
        "Every line of an order is charged at the price that was frozen with its hold.",
        """
        SELECT f.id AS "order", l.reservation_id AS reservation, l.unit_price_minor,
            r.unit_price_minor AS frozen_minor
        FROM facts f JOIN order_lines l ON l.order_id = f.id
        JOIN reservations r ON r.id = l.reservation_id
        WHERE l.unit_price_minor <> r.unit_price_minor
        """,
    ),
    Check(
        "hold_costs_what_was_offered",
        "buyer",
        "A unit of a regular sale costs its list price, or the campaign price of that moment; a"
        " seat in a team costs the price of its group buy.",
        """
        SELECT f.sale_id AS sale, f.user_id AS buyer, r.id AS reservation, r.unit_price_minor
        FROM facts f JOIN sales s ON s.id = f.sale_id AND s.kind IN ('regular', 'group')
        JOIN reservations r ON r.user_id = f.user_id AND r.sale_id = f.sale_id
        WHERE r.unit_price_minor <> least(s.price_minor,
            CASE s.kind WHEN 'regular' THEN campaign_price(s.sku, r.decided_at_ms) END)
        """,
    ),
)
