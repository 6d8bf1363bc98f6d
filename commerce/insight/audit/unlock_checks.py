"""Invariants of prices that fall once enough units are promised."""

from __future__ import annotations

from commerce.insight.audit.model import Check

# Longer than any round of the jobs that pay orders after their threshold.
JOBS_BEHIND_MS = 60_000

UNLOCK_CHECKS = (
    Check(
        "threshold_holds_its_price",
        "pool",
        "A sale costs its lower price once enough units were promised, and not before.",
        """
        SELECT f.pool_id AS pool, u.sale_id AS sale, u.state, u.units, s.price_minor,
            promised_units(u.sale_id) AS promised
        FROM facts f JOIN sales s ON s.pool_id = f.pool_id
        JOIN price_unlocks u ON u.sale_id = s.id
        WHERE (u.state = 'open' AND promised_units(u.sale_id) >= u.units)
           OR s.price_minor <> CASE u.state WHEN 'unlocked' THEN u.price_minor
                ELSE u.plain_minor END
        """,
    ),
    Check(
        "order_costs_what_its_threshold_says",
        "order",
        "Whoever bought under a threshold pays the price that it left; whom it released, nothing.",
        """
        SELECT f.id AS "order", u.sale_id AS sale, u.state AS threshold, l.unit_price_minor
        FROM facts f JOIN order_unlocks t ON t.order_id = f.id
        JOIN price_unlocks u ON u.sale_id = t.sale_id AND u.state <> 'open'
        JOIN order_lines l ON l.order_id = f.id
        WHERE f.state IN ('paid', 'refunded') AND (
            l.unit_price_minor <> CASE u.state WHEN 'unlocked' THEN u.price_minor
                ELSE u.plain_minor END
            OR (u.state = 'missed' AND u.otherwise = 'release')
        )
        """,
    ),
    Check(
        "order_waits_for_its_threshold",
        "order",
        "An order that waits for a threshold keeps its units, and is paid or ended soon after it.",
        f"""
        SELECT f.id AS "order", u.sale_id AS sale, u.state AS threshold, r.state AS unit
        FROM facts f JOIN order_unlocks t ON t.order_id = f.id
        JOIN price_unlocks u ON u.sale_id = t.sale_id
        JOIN order_lines l ON l.order_id = f.id
        JOIN reservations r ON r.id = l.reservation_id
        WHERE f.state = 'awaiting_group' AND (
            r.state <> 'paying' OR r.seated_at_ms IS NULL
            OR u.decided_at_ms < (SELECT clock_ms()) - {JOBS_BEHIND_MS}
        )
        """,  # noqa: S608 - our own words.
    ),
)
