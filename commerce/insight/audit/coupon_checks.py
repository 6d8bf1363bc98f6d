"""The invariants of coupons: of each with its drops and claims, and of orders that have one."""

from __future__ import annotations

from commerce.insight.audit.model import Check

# What a claim of an order is, by the order's state; NULL: it is no longer the order's.
CLAIM_STATE = """
    CASE WHEN o.state IN ('awaiting_payment', 'awaiting_group') THEN 'locked'
        WHEN o.state = 'paid' THEN 'used' END
"""

COUPON_CHECKS = (
    Check(
        "drop_is_its_claims",
        "coupon",
        "What is claimed of a drop is the number of its claims, and never more than was dropped.",
        """
        SELECT f.id AS coupon, d.id AS "drop", d.quantity, d.claimed, q.claims
        FROM facts f JOIN coupon_drops d ON d.coupon_id = f.id
        CROSS JOIN LATERAL (
            SELECT count(*) AS claims FROM coupon_claims k WHERE k.drop_id = d.id
        ) q WHERE q.claims <> d.claimed OR d.claimed > d.quantity
        """,
    ),
    Check(
        "coupon_is_its_drops",
        "coupon",
        "What a coupon has given to drops is what they have, and never more than there are.",
        """
        SELECT f.id AS coupon, f.quantity, f.granted, q.dropped FROM facts f
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(d.quantity), 0) AS dropped FROM coupon_drops d
            WHERE d.coupon_id = f.id
        ) q WHERE q.dropped <> f.granted OR f.granted > f.quantity
        """,
    ),
    Check(
        "coupon_budget_adds_up",
        "coupon",
        "What a coupon takes off is the sum of its locked and used claims, within its budget, and"
        " they are as many as it counts.",
        """
        SELECT f.id AS coupon, f.budget_minor, f.spent_minor, q.off_minor, f.on_orders, q.claims
        FROM facts f
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(k.off_minor), 0) AS off_minor, count(*) AS claims
            FROM coupon_claims k
            WHERE k.coupon_id = f.id AND k.state IN ('locked', 'used')
        ) q
        WHERE (q.off_minor, q.claims) <> (f.spent_minor, f.on_orders)
           OR f.spent_minor > f.budget_minor
        """,
    ),
    Check(
        "claims_within_person",
        "coupon",
        "Nobody has claimed more of a coupon than one may.",
        """
        SELECT f.id AS coupon, k.user_id AS person, count(*) AS claims, f.per_person
        FROM facts f JOIN coupon_drops d ON d.coupon_id = f.id
        JOIN coupon_claims k ON k.drop_id = d.id
        GROUP BY f.id, k.user_id, f.per_person HAVING count(*) > f.per_person
        """,
    ),
    Check(
        "claim_has_its_order",
        "coupon",
        "Every used claim has the paid order placed with it, every locked one an open order.",
        f"""
        SELECT f.id AS coupon, k.id AS claim, k.state, o.id AS "order", o.state AS order_state
        FROM facts f JOIN coupon_claims k ON k.coupon_id = f.id AND k.state IN ('locked', 'used')
        LEFT JOIN orders o ON o.id = k.order_id
        WHERE (o.coupon_claim_id, o.user_id, o.discount_minor, {CLAIM_STATE})
            IS DISTINCT FROM (k.id, k.user_id, k.off_minor, k.state)
        """,  # noqa: S608 - our own words.
    ),
    Check(
        "order_has_its_coupon",
        "order",
        "An order that is open or paid has the coupon it was placed with; any other has let it go.",
        f"""
        SELECT f.id AS "order", o.state, k.id AS claim, k.state AS claim_state
        FROM facts f JOIN orders o ON o.id = f.id AND o.coupon_claim_id IS NOT NULL
        LEFT JOIN coupon_claims k ON k.id = o.coupon_claim_id
        WHERE CASE WHEN o.state IN ('awaiting_payment', 'awaiting_group', 'paid')
            THEN (k.order_id, k.off_minor, k.state)
                IS DISTINCT FROM (o.id, o.discount_minor, {CLAIM_STATE})
            ELSE k.id IS NULL OR k.order_id = o.id END
        """,  # noqa: S608 - our own words.
    ),
)
