"""Invariants of group buys, looked at with the pools, buyers and orders that they stand on."""

from __future__ import annotations

from commerce.insight.audit.model import Check

# Longer than any round of the jobs that end orders and pay them after their team.
JOBS_BEHIND_MS = 60_000

SEATS = """
    CROSS JOIN LATERAL (
        SELECT count(*) AS live, count(*) FILTER (WHERE r.seated_at_ms IS NOT NULL) AS seated,
            coalesce(bool_or(r.user_id = g.leader_id), false) AS is_led
        FROM reservations r
        WHERE r.group_id = g.id AND r.state IN ('held', 'paying', 'sold')
    ) q
"""
GROUP_CHECKS = (
    Check(
        "group_counts_its_seats",
        "pool",
        "A team that forms counts its live seats, those that are paid, and is led by a member.",
        f"""
        SELECT f.pool_id AS pool, g.id AS "group", g.joined, g.paid, q.live, q.seated
        FROM facts f JOIN buy_groups g ON g.pool_id = f.pool_id AND g.state = 'forming' {SEATS}
        WHERE g.joined <> q.live OR g.paid <> q.seated OR NOT q.is_led
        """,  # noqa: S608 - our own words.
    ),
    Check(
        "group_is_never_overfull",
        "pool",
        "No team has more live seats than it needs.",
        f"""
        SELECT f.pool_id AS pool, g.id AS "group", g.need, q.live
        FROM facts f JOIN buy_groups g ON g.pool_id = f.pool_id {SEATS}
        WHERE q.live > g.need
        """,  # noqa: S608 - our own words.
    ),
    Check(
        "formed_group_is_whole",
        "pool",
        "Every member of a formed team has paid, or the shop completed it, which it says.",
        """
        SELECT f.pool_id AS pool, g.id AS "group", g.paid, g.need
        FROM facts f JOIN buy_groups g ON g.pool_id = f.pool_id AND g.state = 'formed'
        WHERE g.paid < g.need AND (g.completed_by IS NULL OR g.paid = 0)
        """,
    ),
    Check(
        "failed_group_holds_nothing",
        "pool",
        "A team that has failed holds no seat.",
        f"""
        SELECT f.pool_id AS pool, g.id AS "group", q.live
        FROM facts f JOIN buy_groups g ON g.pool_id = f.pool_id AND g.state = 'failed' {SEATS}
        WHERE q.live > 0
        """,  # noqa: S608 - our own words.
    ),
    Check(
        "seat_has_its_group",
        "buyer",
        "Every unit that came by a team is a seat of one in the same sale.",
        """
        SELECT f.sale_id AS sale, f.user_id AS buyer, r.id AS reservation
        FROM facts f
        JOIN reservations r ON r.user_id = f.user_id AND r.sale_id = f.sale_id
            AND (r.origin = 'group' OR r.group_id IS NOT NULL)
        LEFT JOIN buy_groups g ON g.id = r.group_id
        WHERE r.origin <> 'group' OR r.qty <> 1
           OR (g.sale_id, g.pool_id) IS DISTINCT FROM (r.sale_id, r.pool_id)
        """,
    ),
    Check(
        "one_open_group_a_buyer",
        "buyer",
        "No buyer has seats in two open teams of a sale, or two in one.",
        """
        SELECT f.sale_id AS sale, f.user_id AS buyer, q.seats
        FROM facts f
        -- Joined flat, every open seat of the shop was compared with each buyer.
        CROSS JOIN LATERAL (
            SELECT count(*) AS seats FROM reservations r
            WHERE r.user_id = f.user_id AND r.sale_id = f.sale_id
              AND r.group_id IS NOT NULL AND r.state IN ('held', 'paying')
              AND r.reopened_at_ms IS NULL
        ) q
        WHERE q.seats > 1
        """,
    ),
    Check(
        "order_waits_for_its_group",
        "order",
        "An order that waits for a team or a threshold has its money; it is paid or ended soon"
        " after the team.",
        f"""
        SELECT f.id AS "order", g.id AS "group", g.state, r.state AS seat
        FROM facts f
        LEFT JOIN order_lines l ON l.order_id = f.id
        LEFT JOIN reservations r ON r.id = l.reservation_id
        LEFT JOIN buy_groups g ON g.id = r.group_id
        WHERE f.state = 'awaiting_group' AND (
            (g.id IS NULL AND NOT EXISTS (
                SELECT 1 FROM order_unlocks t WHERE t.order_id = f.id))
            OR g.ended_at_ms < (SELECT clock_ms()) - {JOBS_BEHIND_MS}
            OR (r.state <> 'paying' AND g.state = 'forming')
            OR NOT EXISTS (
                SELECT 1 FROM payments p WHERE p.order_id = f.id
                  AND p.state IN ('authorised', 'captured') AND p.amount_minor = f.total_minor)
        )
        """,  # noqa: S608 - our own words.
    ),
)
