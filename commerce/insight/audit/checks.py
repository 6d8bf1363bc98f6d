"""Every invariant, each one entry: the rounds, the turn and the full run all use these.

To add one: a name, the kind of key it works on, a sentence, and SQL that returns the rows which
break it, each with its key (`pool`, `order`, `sale` and `buyer`, `room` or `coupon`). It reads
`facts`, and other tables by index only. Then mark what can break it (a trigger like those of
migration 0010), plant it in `tests/integration/commerce/test_audit_checks.py`, add it to the table
in docs/operations.md, and give it words for the console's light in `static/i18n`; tests hold all
of that together.
"""

from __future__ import annotations

from commerce.insight.audit.coupon_checks import COUPON_CHECKS
from commerce.insight.audit.group_checks import GROUP_CHECKS, JOBS_BEHIND_MS
from commerce.insight.audit.model import Check
from commerce.insight.audit.price_checks import PRICE_CHECKS
from commerce.insight.audit.refund_checks import REFUND_CHECKS
from commerce.insight.audit.unlock_checks import UNLOCK_CHECKS

# Longer than any sweeper's round; what is later than that frees no units for those who wait.
SWEEPER_BEHIND_MS = 60_000
# Longer than the draw of 100,000 entries takes on a busy machine.
DRAW_OVERDUE_MS = 60_000

POOL_CHECKS = (
    Check(
        "oversold",
        "pool",
        "Live reservations never exceed what a pool has.",
        "SELECT f.pool_id AS pool, f.total, f.live FROM facts f WHERE f.live > f.total",
    ),
    Check(
        "claimed_within_total",
        "pool",
        "What is claimed of a pool is between nothing and its total.",
        "SELECT f.pool_id AS pool, f.claimed, f.total FROM facts f"
        " WHERE f.claimed NOT BETWEEN 0 AND f.total",
    ),
    Check(
        "claimed_is_live",
        "pool",
        "What is claimed of a pool is the sum of its live reservations.",
        "SELECT f.pool_id AS pool, f.claimed, f.live FROM facts f WHERE f.live <> f.claimed",
    ),
    Check(
        "journal_adds_up",
        "pool",
        "A pool's figures are the sums of its journal, whose versions have no gap.",
        """
        SELECT f.pool_id AS pool, f.claimed, f.total, f.version, f.journal_claimed,
            f.journal_total, f.journal_rows
        FROM facts f
        WHERE f.journal_claimed <> f.claimed OR f.journal_total <> f.total
           OR f.journal_rows <> f.version OR f.journal_version <> f.version
        """,
    ),
    Check(
        "never_below_or_above",
        "pool",
        "At no version of a pool was less than nothing claimed, or more than its total.",
        "SELECT f.pool_id AS pool, f.off_version AS version FROM facts f"
        " WHERE f.off_version IS NOT NULL",
    ),
    Check(
        "waiting_is_served",
        "pool",
        "No unit is free that somebody on the waiting list of an open sale wants.",
        """
        SELECT f.pool_id AS pool, f.total - f.claimed AS free, w.id AS entry, w.qty
        FROM facts f JOIN waiting_list w ON w.pool_id = f.pool_id AND w.state = 'waiting'
            AND w.qty <= f.total - f.claimed
        JOIN sales s ON s.id = w.sale_id AND s.state IN ('armed', 'open', 'sold_out')
        """,
    ),
    Check(
        "adjustment_is_in_the_journal",
        "pool",
        "Every adjustment of stock is in the journal, and every such row has its adjustment.",
        """
        SELECT f.pool_id AS pool, a.version, a.delta AS adjusted, j.total_delta AS journalled
        FROM facts f CROSS JOIN LATERAL (
            SELECT * FROM adjustments a WHERE a.pool_id = f.pool_id
        ) a LEFT JOIN stock_journal j ON j.pool_id = a.pool_id AND j.version = a.version
        WHERE j.total_delta IS DISTINCT FROM a.delta
        UNION ALL
        SELECT f.pool_id, j.version, NULL, j.total_delta
        FROM facts f JOIN stock_journal j ON j.pool_id = f.pool_id
            AND (j.reason IN ('restocked', 'written_off')
                OR (j.reason = 'carved_in' AND j.version > 1))
        WHERE NOT EXISTS (
            SELECT 1 FROM adjustments a WHERE a.pool_id = j.pool_id AND a.version = j.version)
        """,
    ),
    Check(
        "draw_is_by_rank",
        "pool",
        "A draw's ranks follow its keys, and its units went to its entries in that order.",
        """
        SELECT f.pool_id AS pool, q.id AS entry, q.rank FROM facts f
        JOIN stock k ON k.pool_id = f.pool_id
        JOIN draws d ON d.sale_id = k.sale_id AND d.drawn_at_ms IS NOT NULL
        CROSS JOIN LATERAL (
            SELECT e.id, e.rank, e.key, e.reservation_id,
                row_number() OVER (ORDER BY e.key) AS place,
                d.units - coalesce(sum(e.qty) FILTER (WHERE e.reservation_id IS NOT NULL) OVER (
                    ORDER BY e.rank ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS free,
                e.qty
            FROM draw_entries e WHERE e.sale_id = d.sale_id AND e.withdrawn_at_ms IS NULL
        ) q
        WHERE q.rank IS DISTINCT FROM q.place
           OR q.key <> sha256(d.seed || d.digest || uuid_send(q.id))
           OR (q.reservation_id IS NOT NULL) <> (q.qty <= q.free)
        """,
    ),
)
BUYER_CHECKS = (
    Check(
        "buyer_adds_up",
        "buyer",
        "A buyer's quantity in a sale is the sum of their live reservations.",
        "SELECT f.sale_id AS sale, f.user_id AS buyer, f.qty, f.live FROM facts f"
        " WHERE f.qty <> f.live",
    ),
    Check(
        "buyer_within_limit",
        "buyer",
        "No buyer has more of a sale than one may have.",
        """
        SELECT f.sale_id AS sale, f.user_id AS buyer, f.live, s.per_buyer
        FROM facts f JOIN sales s ON s.id = f.sale_id WHERE f.live > s.per_buyer
        """,
    ),
    Check(
        "reservation_has_its_pool",
        "buyer",
        "Every reservation is of a pool that exists.",
        "SELECT f.sale_id AS sale, f.user_id AS buyer, f.lost FROM facts f WHERE f.lost > 0",
    ),
    Check(
        "offer_has_its_entry",
        "buyer",
        "Every unit that came by the waiting list went to an entry of that buyer, and that much.",
        """
        SELECT f.sale_id AS sale, f.user_id AS buyer, r.id AS reservation, w.state AS entry_state
        FROM facts f
        JOIN reservations r ON r.user_id = f.user_id AND r.sale_id = f.sale_id
            AND r.origin = 'waiting_list'
        LEFT JOIN waiting_list w ON w.reservation_id = r.id
        WHERE (w.user_id, w.sale_id, w.pool_id, w.qty)
                IS DISTINCT FROM (r.user_id, r.sale_id, r.pool_id, r.qty)
           OR (w.state = 'offered' AND r.state NOT IN ('held', 'paying'))
        """,
    ),
    Check(
        "drawn_unit_has_its_entry",
        "buyer",
        "Every unit that came by a draw went to an entry of that buyer, and that much.",
        """
        SELECT f.sale_id AS sale, f.user_id AS buyer, r.id AS reservation, e.rank
        FROM facts f
        JOIN reservations r ON r.user_id = f.user_id AND r.sale_id = f.sale_id
            AND r.origin = 'draw'
        LEFT JOIN draw_entries e ON e.reservation_id = r.id
        WHERE (e.user_id, e.sale_id, e.qty) IS DISTINCT FROM (r.user_id, r.sale_id, r.qty)
        """,
    ),
    Check(
        "nobody_buys_before_the_draw",
        "buyer",
        "No reservation of a sale that is drawn is older than its draw.",
        """
        SELECT f.sale_id AS sale, f.user_id AS buyer, r.id AS reservation
        FROM facts f
        JOIN draws d ON d.sale_id = f.sale_id
        JOIN reservations r ON r.user_id = f.user_id AND r.sale_id = f.sale_id
        WHERE d.drawn_at_ms IS NULL OR r.decided_at_ms < d.drawn_at_ms
        """,
    ),
    Check(
        "sold_is_on_one_paid_order",
        "buyer",
        "Every sold reservation is on exactly one order that was paid.",
        """
        SELECT f.sale_id AS sale, f.user_id AS buyer, r.id AS reservation, p.orders
        FROM facts f
        JOIN reservations r ON r.user_id = f.user_id AND r.sale_id = f.sale_id
            AND r.state = 'sold'
        CROSS JOIN LATERAL (
            SELECT count(*) AS orders FROM order_lines l JOIN orders o ON o.id = l.order_id
            WHERE l.reservation_id = r.id AND o.state IN ('paid', 'refunded')
        ) p WHERE p.orders <> 1
        """,
    ),
)
# Money that a call to the provider will still give back, or that a person was asked to.
IS_GIVEN_BACK = """
    EXISTS (SELECT 1 FROM payment_calls c WHERE c.payment_id = p.id
        AND c.kind IN ('void', 'refund') AND c.state IN ('pending', 'failed'))
"""
ORDER_CHECKS = (
    Check(
        "paid_line_is_sold",
        "order",
        "Every line of a paid order has a sold reservation of the same buyer and quantity, or was"
        " refunded whole.",
        """
        SELECT f.id AS "order", l.reservation_id AS reservation, r.state
        FROM facts f JOIN order_lines l ON l.order_id = f.id
        LEFT JOIN reservations r ON r.id = l.reservation_id
        WHERE f.state = 'paid' AND (r.state IS DISTINCT FROM 'sold'
            OR r.qty <> l.qty OR r.user_id <> f.user_id OR r.sale_id <> l.sale_id)
          AND NOT (r.state = 'refunded' AND l.qty <= (
            SELECT coalesce(sum(b.qty), 0) FROM refund_lines b
            JOIN refunds g ON g.id = b.refund_id AND g.state = 'done'
            WHERE b.reservation_id = l.reservation_id))
        """,
    ),
    Check(
        "paid_order_has_payment",
        "order",
        "A paid order has its money, authorised or captured; what was taken beyond goes back.",
        """
        SELECT f.id AS "order", f.total_minor FROM facts f
        WHERE f.state = 'paid' AND NOT EXISTS (
            SELECT 1 FROM payments p WHERE p.order_id = f.id
              AND p.state IN ('authorised', 'captured')
              AND p.amount_minor = f.total_minor + coalesce((
                SELECT sum(g.amount_minor) FROM refunds g
                WHERE g.payment_id = p.id AND g.origin = 'excess'), 0))
        """,
    ),
    Check(
        "money_is_collected",
        "order",
        "Money that was authorised for a paid order is captured, or its capture is owed.",
        """
        SELECT f.id AS "order", p.id AS payment FROM facts f
        JOIN payments p ON p.order_id = f.id AND p.state = 'authorised'
        WHERE f.state = 'paid' AND NOT EXISTS (
            SELECT 1 FROM payment_calls c
            WHERE c.payment_id = p.id AND c.state IN ('pending', 'failed'))
        """,
    ),
    Check(
        "money_has_its_order",
        "order",
        "Money is kept once, for an order that is paid or whose team forms; all other is on its way"
        " back.",
        f"""
        SELECT q."order", q.payment, q.state, q.order_state FROM (
            SELECT f.id AS "order", p.id AS payment, p.state, f.state AS order_state,
                count(*) OVER (PARTITION BY f.id) AS payments
            FROM facts f JOIN payments p ON p.order_id = f.id
              AND p.state IN ('authorised', 'captured')
            WHERE NOT {IS_GIVEN_BACK}
        ) q WHERE q.order_state NOT IN ('paid', 'refunded', 'awaiting_group') OR q.payments > 1
        """,  # noqa: S608 - our own words.
    ),
    Check(
        "card_within_limit",
        "order",
        "No card has paid for more of a sale than one card may, money that waits included.",
        """
        SELECT f.id AS "order", l.sale_id AS sale, q.units, s.rules ->> 'per_card' AS per_card
        FROM facts f
        JOIN payments p ON p.order_id = f.id AND p.card IS NOT NULL
            AND p.state IN ('authorised', 'captured') AND p.let_go_reason IS NULL
        JOIN order_lines l ON l.order_id = f.id
        JOIN sales s ON s.id = l.sale_id AND s.rules ->> 'per_card' IS NOT NULL
        CROSS JOIN LATERAL (
            SELECT sum(r.qty - r.refunded_qty) AS units FROM payments o
            JOIN order_lines m ON m.order_id = o.order_id AND m.sale_id = l.sale_id
            JOIN reservations r ON r.id = m.reservation_id
                AND (r.state = 'sold' OR r.state = 'paying' AND r.seated_at_ms IS NOT NULL)
            WHERE o.card = p.card AND o.state IN ('authorised', 'captured')
              AND o.let_go_reason IS NULL
        ) q
        WHERE f.state IN ('paid', 'awaiting_group')
          AND q.units > (s.rules ->> 'per_card')::integer
        """,
    ),
    Check(
        "payment_call_failed",
        "order",
        "No call to the payment provider was given up: that money is for a person to settle.",
        """
        SELECT f.id AS "order", c.payment_id AS payment, c.id AS call, c.kind, c.attempts,
            c.last_error
        FROM facts f JOIN payments p ON p.order_id = f.id
        JOIN payment_calls c ON c.payment_id = p.id
        WHERE c.state = 'failed' AND c.kind <> 'create'
        """,
        severity="warning",
    ),
)
ROOM_CHECKS = (
    Check(
        "log_is_gapless",
        "room",
        "A room's log has every offset up to its head.",
        """
        SELECT f.room_id AS room, f.log_offset, f.highest, f.events FROM facts f
        WHERE f.events <> f.log_offset OR f.highest <> f.log_offset
        """,
    ),
)
CLOCK_CHECKS = (
    Check(
        "price_log_is_true",
        "clock",
        "The price log's last word on a sale of a live show is what it offers.",
        """
        SELECT s.pool_id AS pool, s.id AS sale, s.state, s.price_minor,
            l.price_minor AS logged_minor
        FROM sales s JOIN shows w ON w.id = s.show_id AND w.status = 'live'
        LEFT JOIN LATERAL (
            SELECT l.price_minor FROM price_log l WHERE l.sku = s.sku AND l.sale_id = s.id
            ORDER BY l.id DESC LIMIT 1
        ) l ON true
        WHERE l.price_minor IS DISTINCT FROM
            CASE WHEN s.state IN ('open', 'sold_out') THEN s.price_minor END
          AND s.state <> 'armed'
        LIMIT 20
        """,
    ),
    Check(
        "sweeper_behind",
        "clock",
        "No hold outlives its time by a minute: the sweeper frees it.",
        f"""
        SELECT r.pool_id AS pool, count(*) AS holds, min(r.release_at_ms) AS release_at_ms
        FROM reservations r
        WHERE r.state IN ('held', 'paying')
          AND r.release_at_ms <= (SELECT clock_ms()) - {SWEEPER_BEHIND_MS}
        GROUP BY r.pool_id LIMIT 20
        """,  # noqa: S608 - our own words.
        severity="warning",
    ),
    Check(
        "team_overdue",
        "clock",
        "No team forms for a minute after its deadline: its members' money is let go by then.",
        f"""
        SELECT g.pool_id AS pool, count(*) AS teams, min(g.deadline_ms) AS deadline_ms
        FROM buy_groups g
        WHERE g.state = 'forming' AND g.deadline_ms <= (SELECT clock_ms()) - {JOBS_BEHIND_MS}
        GROUP BY g.pool_id LIMIT 20
        """,  # noqa: S608 - our own words.
        severity="warning",
    ),
    Check(
        "draw_overdue",
        "clock",
        "No open sale waits for its draw for a minute after its entries closed.",
        f"""
        SELECT s.pool_id AS pool, d.sale_id AS sale, d.entry_closes_at_ms
        FROM draws d JOIN sales s ON s.id = d.sale_id AND s.state = 'open'
        WHERE d.drawn_at_ms IS NULL
          AND d.entry_closes_at_ms <= (SELECT clock_ms()) - {DRAW_OVERDUE_MS}
          AND s.ends_at_ms > (SELECT clock_ms())
        ORDER BY d.entry_closes_at_ms LIMIT 20
        """,  # noqa: S608 - our own words.
        severity="warning",
    ),
)
CHECKS = (
    *POOL_CHECKS,
    *BUYER_CHECKS,
    *ORDER_CHECKS,
    *PRICE_CHECKS,
    *REFUND_CHECKS,
    *COUPON_CHECKS,
    *GROUP_CHECKS,
    *UNLOCK_CHECKS,
    *ROOM_CHECKS,
    *CLOCK_CHECKS,
)
BY_NAME = {check.name: check for check in CHECKS}
