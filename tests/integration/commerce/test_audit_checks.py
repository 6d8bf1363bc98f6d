"""Every check finds its violation, planted by hand, by the full run, the rounds or the turn.

A healthy shop comes first in every test: an audit that always complained would pass no test here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from commerce.insight.audit.checks import BY_NAME, CHECKS
from commerce.insight.audit.model import AuditReport
from commerce.insight.audit.rounds import look_at_a_slice, look_at_changes
from commerce.insight.audit.service import audit
from tests.support.till import Till, open_till, order_one

# Check → what breaks it, and what notices it first: the next round, or the turn over everything.
PAID = "(SELECT id FROM orders WHERE state = 'paid')"
SOLD_POOL = "(SELECT pool_id FROM reservations WHERE state = 'sold')"
REFUND = """
    INSERT INTO refunds (state, id, payment_id, order_id, currency, origin, reason, request_hash,
        amount_minor)
    SELECT 'pending', gen_random_uuid(), p.id, p.order_id, p.currency, 'person', 'broken', '',
"""
REFUND_DONE = REFUND.replace("'pending'", "'done'")
OF_PAID = "FROM payments p WHERE p.state = 'captured'"
# A team of 3 on the pool of what is sold or held; the rest is what is wrong with it.
TEAM = """
    WITH c AS (
        INSERT INTO group_campaigns (sale_id, need, lasts_ms)
        SELECT r.sale_id, 3, 60000 FROM reservations r WHERE r.state = 'held' RETURNING sale_id
    ), g AS (
        INSERT INTO buy_groups (id, sale_id, pool_id, need, leader_id, opened_at_ms, deadline_ms,
            joined, paid, state, ended_at_ms, reason)
        SELECT gen_random_uuid(), c.sale_id, s.pool_id, {need}, gen_random_uuid(), 0, 60000,
            {figures} FROM c JOIN sales s ON s.id = c.sale_id RETURNING id, pool_id
    )
"""
# A threshold of the sale that was bought of, and an order that was placed under it.
THRESHOLD = """
    WITH x AS (SELECT s.id AS sale_id, s.price_minor FROM sales s JOIN reservations r
        ON r.sale_id = s.id AND r.state = 'sold' LIMIT 1)
    INSERT INTO price_unlocks (sale_id, units, plain_minor, price_minor, otherwise, state,
        promised, decided_at_ms)
"""
TERMS = """
    INSERT INTO order_unlocks (order_id, sale_id, unit_price_minor, subtotal_minor,
        line_tax_minor, line_total_minor, tax_minor, tax_on_shipping_minor, total_minor)
    SELECT o.id, u.sale_id, 1, 1, 0, 1, 0, 0, 1 FROM orders o, price_unlocks u
    WHERE o.state = 'paid'
"""
SEAT_ALL = " UPDATE reservations r SET group_id = g.id, origin = 'group' FROM g"
OFF = (
    "ALTER TABLE buy_groups DROP CONSTRAINT buy_groups_never_overfull,"
    " DROP CONSTRAINT buy_groups_formed_are_whole",
    "DROP INDEX reservations_one_open_seat",
    "ALTER TABLE reservations DROP CONSTRAINT reservations_are_refunded_whole",
    "ALTER TABLE stock DROP CONSTRAINT stock_check, DROP CONSTRAINT stock_claimed_check",
    "ALTER TABLE payment_calls DROP CONSTRAINT payment_calls_payment_id_fkey",
    "ALTER TABLE order_lines DROP CONSTRAINT order_lines_reservation_id_fkey",
)
# A coupon of the room that sold, with a drop and claims; `{granted}` and the like are put in.
COUPON = (
    "WITH w AS (SELECT * FROM orders WHERE state = 'paid'), c AS (INSERT INTO coupons (id, room_id,"
    " title, amount_minor, sources, currency, valid_s, per_person, quantity, granted, spent_minor,"
    " request_hash) SELECT gen_random_uuid(), w.room_id, 'x', 5, ARRAY['list'], 'CNY', 60, 1, 9,"
    " {granted}, {spent}, '' FROM w RETURNING id), d AS (INSERT INTO coupon_drops (id, coupon_id,"
    " room_id, show_id, state, quantity, claimed, opens_at_ms, ends_at_ms, min_age_s, request_hash)"
    " SELECT gen_random_uuid(), c.id, w.room_id, w.show_id, 'open', 2, {claimed}, 0, 1, 0, ''"
    " FROM c, w RETURNING id, coupon_id), k AS (INSERT INTO coupon_claims (id, coupon_id, drop_id,"
    " user_id, state, order_id, version, seq, claimed_at_ms, expires_at_ms)"
    " SELECT gen_random_uuid(), d.coupon_id, d.id, w.user_id, '{state}', {order}, 1, n, 0, 1"
    " FROM d, w, generate_series(1, {claims}) n RETURNING id) "
)


def coupon(then: str = "SELECT 1 FROM k", **changed: object) -> str:
    """Return the statement that plants a coupon with one drop of two and a claim, but for that."""
    right = {"granted": 2, "spent": 0, "claimed": 1, "claims": 1, "state": "claimed"}
    return COUPON.format(**{**right, "order": "NULL::uuid", **changed}) + then


PLANTED: dict[str, tuple[str, str]] = {
    "oversold": (
        f"UPDATE stock SET total = 0, claimed = 0 WHERE pool_id = {SOLD_POOL}",
        "round",
    ),
    "claimed_within_total": (
        f"UPDATE stock SET claimed = total + 1 WHERE pool_id = {SOLD_POOL}",
        "round",
    ),
    "claimed_is_live": ("UPDATE reservations SET state = 'released' WHERE state = 'held'", "round"),
    "journal_adds_up": (
        f"DELETE FROM stock_journal WHERE pool_id = {SOLD_POOL} AND version = 2",
        "round",
    ),
    "never_below_or_above": (
        "UPDATE stock_journal SET claimed_delta = claimed_delta"
        " + CASE version WHEN 1 THEN -5 WHEN 2 THEN 5 ELSE 0 END"
        f" WHERE pool_id = {SOLD_POOL}",
        "round",
    ),
    "waiting_is_served": (
        "INSERT INTO waiting_list (id, pool_id, sale_id, user_id, qty)"
        " SELECT gen_random_uuid(), r.pool_id, r.sale_id, r.user_id, 1 FROM reservations r"
        " WHERE r.state = 'sold'",
        "turn",
    ),
    "adjustment_is_in_the_journal": (
        "INSERT INTO adjustments (id, pool_id, sku, user_id, delta, reason, version,"
        " to_waiting_list) SELECT gen_random_uuid(), k.pool_id, k.sku, r.user_id, 3, 'x', 99, 0"
        " FROM reservations r JOIN stock k ON k.pool_id = r.pool_id WHERE r.state = 'sold'",
        "turn",
    ),
    "offer_has_its_entry": (
        "UPDATE reservations SET origin = 'waiting_list' WHERE state = 'held'",
        "round",
    ),
    "draw_is_by_rank": (
        "WITH d AS (INSERT INTO draws (sale_id, seed, entry_closes_at_ms, drawn_at_ms, digest,"
        " units, entries, winners) SELECT r.sale_id, sha256('a'), 0, 0, sha256('b'), 1, 1, 0"
        " FROM reservations r WHERE r.state = 'sold' RETURNING sale_id)"
        " INSERT INTO draw_entries (id, sale_id, user_id, qty, entered_at_ms, rank, key)"
        " SELECT gen_random_uuid(), d.sale_id, gen_random_uuid(), 1, 0, 1, sha256('c') FROM d",
        "turn",
    ),
    "drawn_unit_has_its_entry": (
        "UPDATE reservations SET origin = 'draw' WHERE state = 'held'",
        "round",
    ),
    "nobody_buys_before_the_draw": (
        "INSERT INTO draws (sale_id, seed, entry_closes_at_ms) SELECT r.sale_id, sha256('a'), 0"
        " FROM reservations r WHERE r.state = 'held'",
        "turn",
    ),
    "group_counts_its_seats": (
        TEAM.format(need=3, figures="2, 0, 'forming', NULL, NULL") + "SELECT FROM g",
        "round",
    ),
    "group_is_never_overfull": (
        TEAM.format(need=0, figures="0, 0, 'forming', NULL, NULL") + SEAT_ALL,
        "round",
    ),
    "formed_group_is_whole": (
        TEAM.format(need=3, figures="3, 2, 'formed', 0, NULL") + "SELECT FROM g",
        "round",
    ),
    "failed_group_holds_nothing": (
        TEAM.format(need=3, figures="1, 0, 'failed', 0, 'deadline'") + SEAT_ALL,
        "round",
    ),
    "seat_has_its_group": (
        "UPDATE reservations SET origin = 'group' WHERE state = 'held'",
        "round",
    ),
    "one_open_group_a_buyer": (
        "WITH r AS (INSERT INTO reservations (id, pool_id, sale_id, user_id, qty, unit_price_minor,"
        " version, seq, decided_at_ms, shown_until_ms, release_at_ms, group_id)"
        " SELECT gen_random_uuid(), pool_id, sale_id, user_id, 1, 0, version, 9, 0, 0, 0, sale_id"
        " FROM reservations WHERE state = 'held' RETURNING id)"
        " UPDATE reservations SET group_id = sale_id WHERE state = 'held'",
        "round",
    ),
    "order_waits_for_its_group": (
        f"UPDATE orders SET state = 'awaiting_group' WHERE id = {PAID}",
        "round",
    ),
    "threshold_holds_its_price": (
        THRESHOLD + "SELECT sale_id, 2, price_minor, 1, 'charge', 'unlocked', 9, 1 FROM x",
        "turn",
    ),
    "order_costs_what_its_threshold_says": (
        THRESHOLD + "SELECT sale_id, 2, price_minor, 1, 'release', 'missed', 1, 1 FROM x;" + TERMS,
        "turn",
    ),
    "order_waits_for_its_threshold": (
        THRESHOLD + "SELECT sale_id, 2, price_minor, 1, 'charge', 'open', NULL, NULL FROM x;"
        f"{TERMS}; UPDATE orders SET state = 'awaiting_group' WHERE id = {PAID}",
        "round",
    ),
    "buyer_adds_up": ("UPDATE sale_buyers SET qty = qty + 1", "turn"),
    "buyer_within_limit": ("UPDATE reservations SET qty = 9 WHERE state = 'sold'", "round"),
    "reservation_has_its_pool": (
        "UPDATE reservations SET pool_id = gen_random_uuid() WHERE state = 'held'",
        "round",
    ),
    "sold_is_on_one_paid_order": ("UPDATE orders SET state = 'expired'", "round"),
    "paid_line_is_sold": (
        "UPDATE reservations SET state = 'expired' WHERE state = 'sold'",
        "round",
    ),
    "order_has_lines_and_total": (
        f"UPDATE orders SET total_minor = total_minor + 1 WHERE id = {PAID}",
        "round",
    ),
    "line_price_is_the_holds": (
        f"UPDATE order_lines SET unit_price_minor = unit_price_minor + 1 WHERE order_id = {PAID}",
        "round",
    ),
    "drop_is_its_claims": (coupon(claimed=2), "round"),
    "coupon_is_its_drops": (coupon(granted=3, claims=0, claimed=0), "turn"),
    "coupon_budget_adds_up": (coupon(spent=7, claims=0, claimed=0), "turn"),
    "claims_within_person": (coupon(claimed=2, claims=2), "round"),
    "claim_has_its_order": (coupon(state="used", order="w.id"), "round"),
    "order_has_its_coupon": (
        coupon(
            "UPDATE orders o SET coupon_claim_id = k.id, discount_minor = 1 FROM k"
            " WHERE o.state = 'paid'"
        ),
        "round",
    ),
    "paid_order_has_payment": (
        f"UPDATE payments SET amount_minor = 1 WHERE order_id = {PAID}",
        "round",
    ),
    "money_is_collected": ("UPDATE payments SET state = 'authorised'", "round"),
    "money_has_its_order": (
        f"UPDATE orders SET state = 'cancelled' WHERE id = {PAID}",
        "round",
    ),
    "card_within_limit": (
        """UPDATE sales SET rules = '{"version": 1, "per_card": 0}' WHERE kind = 'flash'""",
        "turn",
    ),
    "refunds_add_up": ("UPDATE orders SET refunded_minor = 1", "turn"),
    "refunds_within_payment": (f"{REFUND} p.amount_minor + 1 {OF_PAID}", "turn"),
    "refunded_payment_is_whole": (
        "UPDATE payments SET state = 'refunded' WHERE state = 'captured'",
        "round",
    ),
    "refunded_units_within_line": (
        f"WITH g AS ({REFUND} 1 {OF_PAID} RETURNING id, order_id)"
        " INSERT INTO refund_lines (refund_id, reservation_id, qty)"
        " SELECT g.id, l.reservation_id, l.qty + 1 FROM g JOIN order_lines l USING (order_id)",
        "turn",
    ),
    "refunded_line_is_whole": (
        f"WITH g AS ({REFUND_DONE} 1 {OF_PAID} RETURNING id, order_id)"
        " INSERT INTO refund_lines (refund_id, reservation_id, qty)"
        " SELECT g.id, l.reservation_id, l.qty FROM g JOIN order_lines l USING (order_id)",
        "turn",
    ),
    "refunded_units_are_taken_back": (
        "UPDATE reservations SET refunded_qty = 1 WHERE state = 'sold'",
        "round",
    ),
    "refund_has_its_call": (f"{REFUND} 1 {OF_PAID}", "turn"),
    "payment_call_failed": (
        "UPDATE payment_calls SET state = 'failed' WHERE kind = 'capture'",
        "round",
    ),
    "log_is_gapless": (
        "DELETE FROM room_events WHERE log_offset = (SELECT min(log_offset) FROM room_events)",
        "round",
    ),
    "hold_costs_what_was_offered": (
        "UPDATE sales SET kind = 'regular', price_minor = price_minor + 1 WHERE id ="
        " (SELECT sale_id FROM reservations WHERE state = 'held' LIMIT 1)",
        "turn",
    ),
    "price_log_is_true": (
        "INSERT INTO price_log (sku, sale_id, price_minor, at_ms) SELECT sku, id, 1, clock_ms()"
        " FROM sales WHERE kind = 'flash'",
        "round",
    ),
    "sweeper_behind": (
        "UPDATE reservations SET release_at_ms = clock_ms() - 61000 WHERE state = 'held'",
        "round",
    ),
    "team_overdue": (
        TEAM.format(need=3, figures="0, 0, 'forming', NULL, NULL") + "SELECT FROM g",
        "round",
    ),
    "draw_overdue": (
        "INSERT INTO draws (sale_id, seed, entry_closes_at_ms)"
        " SELECT id, sha256('a'), clock_ms() - 61000 FROM sales WHERE kind = 'flash'",
        "round",
    ),
}


@pytest.fixture
async def till(database_url: str) -> AsyncIterator[Till]:
    """A shop with one paid order, one hold that waits, and one that was let go."""
    async with open_till(database_url) as till:
        _, sale = await till.sale(quantity=5)
        lena, lin, mo = [await till.buyer(name) for name in ("Lena", "Lin", "Mo")]
        _, url = await order_one(till, sale, lena)
        await lena.press(url, "pay")
        await till.sender.deliver_due()
        while await till.payments.run_payment_calls():
            pass
        await till.reserve(sale, lin.id)
        await till.inventory.release(user_id=mo.id, reservation_id=await till.reserve(sale, mo.id))
        yield till


def named(report: AuditReport) -> set[str]:
    """Return the checks that a report complains about."""
    return {one.check for one in (*report.violations, *report.warnings)}


async def whole_turn(till: Till) -> AuditReport:
    """Go over everything once, and report."""
    ended = (await look_at_changes(till.database)).turn
    while True:
        await look_at_a_slice(till.database)
        report = await look_at_changes(till.database)
        assert report.turn is not None
        assert ended is not None
        if report.turn.last_ended_at_ms != ended.last_ended_at_ms:
            return report


def test_every_check_has_a_planted_violation() -> None:
    """Nobody adds a check that was never seen to find anything."""
    assert set(PLANTED) == set(BY_NAME)
    assert len(BY_NAME) == len(CHECKS)


async def test_a_healthy_shop_has_nothing_to_say(till: Till) -> None:
    """Neither the full run, nor the rounds, nor the turn complain."""
    report = await audit(till.database)
    assert (report.ok, named(report)) == (True, set())
    assert report.checked["reservations"] == 3

    report = await look_at_changes(till.database)
    assert (report.ok, named(report), report.behind) == (True, set(), 0)
    assert report.checked["orders"] == 1
    assert report.checked["buyers"] == 3
    assert named(await whole_turn(till)) == set()


@pytest.mark.parametrize("check", PLANTED)
async def test_a_planted_violation_is_named(till: Till, check: str) -> None:
    """What is wrong in the rows has its name in the full run and in the continuous audit."""
    statement, seen_by = PLANTED[check]
    await whole_turn(till)
    for loosen in OFF:
        await till.change(loosen)

    await till.change(statement)

    assert check in named(await audit(till.database))
    report = await look_at_changes(till.database)
    assert (check in named(report)) is (seen_by == "round")
    if seen_by == "turn":
        report = await whole_turn(till)
    [one] = [one for one in (*report.violations, *report.warnings) if one.check == check]
    assert one.says == BY_NAME[check].says
    assert one.rows
    is_violation = BY_NAME[check].severity == "violation"
    assert (one in report.violations) is is_violation
    assert is_violation is False or not report.ok


async def test_what_is_right_again_is_forgotten(till: Till) -> None:
    """A finding stays, with its first time, until its rows are right; then it is gone."""
    await look_at_changes(till.database)
    await till.change("UPDATE stock SET claimed = claimed + 1 WHERE sale_id IS NOT NULL")
    first = await look_at_changes(till.database)
    second = await look_at_changes(till.database)
    assert named(first) == named(second) == {"claimed_is_live", "journal_adds_up"}
    assert [one.since_ms for one in second.violations] == [first.at_ms] * 2
    assert second.at_ms > first.at_ms

    await till.change("UPDATE stock SET claimed = claimed - 1 WHERE sale_id IS NOT NULL")

    assert named(await look_at_changes(till.database)) == set()


async def test_the_turn_finds_what_no_mark_told(till: Till) -> None:
    """Rows that were changed with the triggers off are found by the turn, not by a round."""
    await whole_turn(till)
    await till.change(
        "DO $$ BEGIN SET LOCAL session_replication_role = replica;"
        " UPDATE reservations SET qty = qty + 1 WHERE state = 'held'; END $$"
    )

    assert named(await look_at_changes(till.database)) == set()
    report = await whole_turn(till)

    assert {"claimed_is_live", "buyer_adds_up"} <= named(report)
    assert msgspec.json.encode(report)
