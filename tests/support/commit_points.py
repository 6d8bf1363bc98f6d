"""The commits that matter, by name: where a process is killed, or its connection cut.

Each is told by a statement of its transaction, as `PgProxy` sees it pass; a test that never meets
its point fails, so a statement that is reworded here and there is noticed.
"""

from __future__ import annotations

import msgspec

from tests.support.pg_proxy import Point

RESERVATION_BATCH = Point("gateway", "FROM reserve_batch(")
CART = Point("gateway", "FROM reserve_cart(")
RELEASE = Point("gateway", "FROM free_reservations(", rows=1)
ORDER = Point("gateway", "INSERT INTO orders")
CONFIRMATION = Point("gateway", "INSERT INTO payment_events", b"payment.authorised")
# Claiming a call is the last commit between confirming and capturing.
CAPTURE_CLAIM = Point("worker", "UPDATE payment_calls c", rows=1)
CAPTURE_ANSWER = Point("worker", "UPDATE payment_calls SET state = 'done'", b"capture", rows=1)
VOID_ANSWER = Point("worker", "UPDATE payment_calls SET state = 'done'", b"void", rows=1)
REFUND_ANSWER = Point("worker", "UPDATE payments SET refunded_minor", rows=1)
EXPIRY = Point("worker", "FROM expire_due(", rows=1)
OFFER_NEWS = Point("worker", "UPDATE waiting_list w SET is_told", rows=1)
# The payment that fills a team forms it; the other members' orders follow one by one.
FORMATION = Point("gateway", "UPDATE buy_groups SET paid = paid + 1", rows=1)
PAY_FORMED = Point("worker", "UPDATE reservations SET state = 'sold'", rows=1)
TEAM_FAILURE = Point("worker", "UPDATE buy_groups SET state = 'failed'", rows=1)
# Whoever pays for the last unit of a threshold lets the price fall; the others' orders follow by a
# job, with the same statement as those of a team.
PRICE_FALL = Point("gateway", "UPDATE price_unlocks SET state", b"unlocked", rows=1)
PAY_DECIDED = PAY_FORMED
PRICE_MISSED = Point("worker", "UPDATE price_unlocks SET state", b"missed", rows=1)
PROMISE_LET_GO = Point("worker", "UPDATE orders SET state", b"expired", rows=1)
DRAW = Point("worker", "SELECT hold_draw(")
# The provider is mounted in a gateway: it dies in the middle of its own work.
PROVIDER_CAPTURE = Point("gateway", "UPDATE sandbox.payments SET state", b"captured")
PROVIDER_REFUND = Point("gateway", "INSERT INTO sandbox.refunds")


def by_anybody(point: Point) -> Point:
    """Return a point for services that run in the test's own process."""
    return msgspec.structs.replace(point, role="")
