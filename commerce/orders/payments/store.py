"""SQL of payments, their events from providers, and the calls owed to providers."""

from __future__ import annotations

from typing import Any

from commerce.kernel.ports import Connection
from commerce.orders.payments.model import CallView, Payment, PaymentCall, PaymentEvent, Refund

COLUMNS = (
    "p.id, p.order_id, p.provider, p.provider_ref, p.url, p.amount_minor, p.currency, p.state,"
    " p.authorised_minor, p.let_go_reason"
)

INSERT_PAYMENT = """
    INSERT INTO payments (id, order_id, provider, amount_minor, currency, state)
    VALUES ($1, $2, $3, $4, $5, 'created')
"""
# NO KEY: a call row that refers to a locked payment may be inserted meanwhile.
LOCK_PAYMENT = f"SELECT {COLUMNS} FROM payments p WHERE p.id = $1 FOR NO KEY UPDATE"  # noqa: S608
LOCK_PAYMENTS_OF_ORDER = (
    f"SELECT {COLUMNS} FROM payments p WHERE p.order_id = $1"  # noqa: S608 - our own columns.
    " ORDER BY p.id FOR NO KEY UPDATE"
)
SELECT_PAYMENT = f"SELECT {COLUMNS} FROM payments p WHERE p.id = $1"  # noqa: S608
# That money was there once is remembered: letting it go is news, closing an unused page is not.
UPDATE_STATE = """
    UPDATE payments SET state = $2, updated_at_ms = clock_ms(),
        authorised_at_ms = CASE WHEN $3 THEN clock_ms() ELSE authorised_at_ms END
    WHERE id = $1
"""
UPDATE_PROVIDER = """
    UPDATE payments SET provider_ref = $2, url = coalesce($3, url), updated_at_ms = clock_ms()
    WHERE id = $1
"""
UPDATE_TAKEN = "UPDATE payments SET amount_minor = $2 WHERE id = $1"
UPDATE_CARD = "UPDATE payments SET card = $2 WHERE id = $1"
UPDATE_LET_GO = "UPDATE payments SET let_go_reason = $2 WHERE id = $1"
SELECT_LIMITED_BY_CARD = f"""
    SELECT {COLUMNS} FROM payments p
    WHERE p.id = $1 AND p.state IN ('created', 'declined') AND (EXISTS (
        SELECT 1 FROM order_lines l JOIN sales s ON s.id = l.sale_id
        WHERE l.order_id = p.order_id AND s.rules ->> 'per_card' IS NOT NULL
    ) OR EXISTS (
        SELECT 1 FROM orders o JOIN coupon_claims k ON k.id = o.coupon_claim_id
        JOIN coupons c ON c.id = k.coupon_id AND c.per_card IS NOT NULL WHERE o.id = p.order_id))
"""  # noqa: S608 - our own columns.
INSERT_EVENT = """
    INSERT INTO payment_events (provider, event_id, payment_id, type, body)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (provider, event_id) DO NOTHING RETURNING event_id
"""
# What had failed is asked for again, and a void that found nothing, for money that came after it.
# It counts as begun (see WITHDRAW_VOID), so not from 0.
AGAIN = "state = 'pending', attempts = 1, next_at_ms = clock_ms(), last_error = NULL"
OR_AGAIN = f"""
    ON CONFLICT (payment_id, kind) WHERE refund_id IS NULL
    DO UPDATE SET {AGAIN} WHERE payment_calls.state = 'failed'
        OR payment_calls.kind = 'void' AND payment_calls.state = 'done'
"""
INSERT_CALL = f"""
    INSERT INTO payment_calls (id, payment_id, kind, next_at_ms)
    VALUES ($1, $2, $3, clock_ms() + $4::bigint) {OR_AGAIN}
"""  # noqa: S608 - our own words.
# The page of a declined one may take another card; what it took meanwhile is found as it closes.
INSERT_VOIDS_OF_ORDER = f"""
    INSERT INTO payment_calls (id, payment_id, kind)
    SELECT gen_random_uuid(), p.id, 'void' FROM payments p
    WHERE p.order_id = $1 AND (p.state IN ('created', 'declined') AND p.id IS DISTINCT FROM $2
      OR p.state = 'authorised' AND $2::uuid IS NULL) {OR_AGAIN}"""  # noqa: S608 - our own words.
# A call whose first attempt is claimed may be at the provider already; its row says so for good.
WITHDRAW_VOID = """
    WITH withdrawn AS (
        DELETE FROM payment_calls
        WHERE payment_id = $1 AND kind = 'void' AND state = 'pending' AND attempts = 0
        RETURNING id
    )
    SELECT EXISTS (SELECT 1 FROM withdrawn) OR NOT EXISTS (
        SELECT 1 FROM payment_calls WHERE payment_id = $1 AND kind = 'void'
    )
"""
# Captures first, voids last: no number of orders that are given up delays money that was earned.
# The claim moves the next attempt ahead, so a worker that dies leaves the call to another one.
CLAIM_CALL = f"""
    UPDATE payment_calls c
    SET attempts = c.attempts + 1, next_at_ms = clock_ms() + $1::bigint
    FROM payments p
    WHERE p.id = c.payment_id AND c.id = (
        SELECT w.id FROM payment_calls w
        WHERE w.state = 'pending' AND w.next_at_ms <= (SELECT clock_ms())
        ORDER BY w.urgency, w.next_at_ms, w.id LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING c.id AS call_id, c.kind, c.attempts, c.refund_id, {COLUMNS}
"""  # noqa: S608 - our own columns.
FINISH_CALL = """
    UPDATE payment_calls SET state = 'done', last_error = NULL
    WHERE payment_id = $1 AND kind = $2 AND refund_id IS NULL AND state <> 'done'
"""
END_VOID = """
    UPDATE payment_calls SET state = 'done', last_error = NULL
    WHERE payment_id = $1 AND kind = 'void' AND state <> 'done' RETURNING id
"""
SELECT_CALLS = """
    SELECT c.id::text, c.kind, c.state, c.payment_id::text AS payment, p.order_id::text AS "order",
        p.provider, p.amount_minor, p.currency, c.attempts, c.last_error AS error, c.created_at_ms
    FROM payment_calls c JOIN payments p ON p.id = c.payment_id
"""
SELECT_FAILED_CALLS = (
    SELECT_CALLS
    + " WHERE c.state = 'failed' AND c.refund_id IS NULL ORDER BY c.created_at_ms, c.id LIMIT $1"
)
SELECT_CALL = SELECT_CALLS + " WHERE c.id = $1"
RETRY_CALL = f"""
    UPDATE payment_calls SET {AGAIN} WHERE id = $1 AND state = 'failed' AND refund_id IS NULL
"""  # noqa: S608 - our own words.
DELAY_CALL = """
    UPDATE payment_calls SET next_at_ms = clock_ms() + $2::bigint, last_error = $3
    WHERE id = $1 AND state = 'pending'
"""
FAIL_CALL = """
    UPDATE payment_calls SET state = 'failed', last_error = $2
    WHERE id = $1 AND state = 'pending'
"""
REFUND_COLUMNS = """
    r.id, r.payment_id, r.order_id, r.amount_minor, r.currency, r.state, r.origin, r.reason,
    r.restock, r.retries, r.provider_ref, r.failed_refs
"""
SELECT_REFUND = f"SELECT {REFUND_COLUMNS} FROM refunds r WHERE r.id = $1"  # noqa: S608
INSERT_REFUND = """
    INSERT INTO refunds (id, payment_id, order_id, amount_minor, currency, origin, reason,
        restock, requested_by, request_hash)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
INSERT_REFUND_CALL = """
    INSERT INTO payment_calls (id, payment_id, kind, refund_id)
    VALUES (gen_random_uuid(), $1, 'refund', $2)
    ON CONFLICT (refund_id) WHERE refund_id IS NOT NULL
    DO UPDATE SET state = 'pending', attempts = 0, next_at_ms = clock_ms(), last_error = NULL
"""
UPDATE_REFUND = """
    UPDATE refunds SET state = $2, error = $3, updated_at_ms = clock_ms(),
        provider_ref = coalesce(nullif($4, ''), provider_ref)
    WHERE id = $1
"""
# Until somebody asks again the attempt that failed is the last one; then its name is kept apart.
REOPEN_REFUND = """
    UPDATE refunds SET state = $2, error = NULL, retries = retries + 1,
        failed_refs = array_remove(array_append(failed_refs, provider_ref), NULL),
        provider_ref = NULL, updated_at_ms = clock_ms()
    WHERE id = $1
"""
NOTE_ATTEMPT = """
    UPDATE refunds SET provider_ref = $2
    WHERE id = $1 AND state = 'pending' AND provider_ref IS NULL
"""
FINISH_REFUND_CALL = "UPDATE payment_calls SET state = $2, last_error = $3 WHERE refund_id = $1"
ADD_REFUNDED = """
    UPDATE payments SET refunded_minor = refunded_minor + $2, updated_at_ms = clock_ms()
    WHERE id = $1 RETURNING refunded_minor
"""
CLAIM_SILENT = f"""
    UPDATE payments p SET polled_at_ms = clock_ms()
    WHERE p.id IN (
        SELECT s.id FROM payments s JOIN orders o ON o.id = s.order_id
        WHERE s.state IN ('created', 'declined') AND s.provider_ref IS NOT NULL
          AND o.state = 'awaiting_payment'
          AND s.created_at_ms <= clock_ms() - $1::bigint
          AND s.polled_at_ms <= clock_ms() - $1::bigint
        ORDER BY s.polled_at_ms, s.id LIMIT $2 FOR UPDATE OF s SKIP LOCKED
    )
    RETURNING {COLUMNS}
"""  # noqa: S608 - our own columns.


async def insert_payment(connection: Connection, payment: Payment) -> None:
    """Store a new attempt to pay."""
    await connection.execute(
        INSERT_PAYMENT,
        payment.id,
        payment.order_id,
        payment.provider,
        payment.amount_minor,
        payment.currency,
    )


async def lock_payment(connection: Connection, payment_id: str) -> Payment | None:
    """Lock a payment; None when there is none with this id."""
    row = await connection.fetchrow(LOCK_PAYMENT, payment_id)
    return _payment(row) if row else None


async def lock_payments_of_order(connection: Connection, order_id: str) -> list[Payment]:
    """Lock every payment of an order, in the order of their ids."""
    return [_payment(row) for row in await connection.fetch(LOCK_PAYMENTS_OF_ORDER, order_id)]


async def select_payment(connection: Connection, payment_id: str) -> Payment | None:
    """Return a payment."""
    row = await connection.fetchrow(SELECT_PAYMENT, payment_id)
    return _payment(row) if row else None


async def update_state(
    connection: Connection, payment_id: str, state: str, *, is_authorised_now: bool
) -> None:
    """Write the next state of a locked payment, and whether the money has just been granted."""
    await connection.execute(UPDATE_STATE, payment_id, state, is_authorised_now)


async def update_provider(
    connection: Connection, payment_id: str, *, provider_ref: str, url: str | None
) -> None:
    """Note the name and page of a locked payment at the provider."""
    await connection.execute(UPDATE_PROVIDER, payment_id, provider_ref, url)


async def update_taken(connection: Connection, payment_id: str, amount_minor: int) -> None:
    """Note that a provider took other money than was wanted; the payment is locked."""
    await connection.execute(UPDATE_TAKEN, payment_id, amount_minor)


async def update_card(connection: Connection, payment_id: str, card: str) -> None:
    """Note by which card a locked payment is made."""
    await connection.execute(UPDATE_CARD, payment_id, card)


async def update_let_go(connection: Connection, payment_id: str, reason: str) -> None:
    """Note why the money of a locked payment was let go."""
    await connection.execute(UPDATE_LET_GO, payment_id, reason)


async def select_limited_by_card(connection: Connection, payment_id: str) -> Payment | None:
    """Return a payment that waits for money and whose order has a limit for each card."""
    row = await connection.fetchrow(SELECT_LIMITED_BY_CARD, payment_id)
    return _payment(row) if row else None


async def insert_event(
    connection: Connection, provider: str, event: PaymentEvent, body: bytes
) -> bool:
    """Store a verified webhook; False when this event is known already."""
    inserted = await connection.fetchval(
        INSERT_EVENT,
        provider,
        event.id,
        event.report.payment_id if event.report else None,
        event.type,
        body.decode(),
    )
    return inserted is not None


async def insert_call(
    connection: Connection, *, call_id: str, payment_id: str, kind: str, delay_ms: int
) -> None:
    """Owe the provider a call, due in `delay_ms`; owing the same one twice is owing it once."""
    await connection.execute(INSERT_CALL, call_id, payment_id, kind, delay_ms)


async def insert_voids_of_order(
    connection: Connection, order_id: str, *, but_for: str | None = None
) -> None:
    """Owe the provider a void for each payment of the order that has money or an open page.

    `but_for` is the one whose money has come: then only the others' pages are closed.
    """
    await connection.execute(INSERT_VOIDS_OF_ORDER, order_id, but_for)


async def withdraw_void(connection: Connection, payment_id: str) -> bool:
    """Take back a void that nobody has begun; False when one was asked for already."""
    return bool(await connection.fetchval(WITHDRAW_VOID, payment_id))


async def claim_call(connection: Connection, *, lease_ms: int) -> PaymentCall | None:
    """Take the most urgent due call, the oldest first; nobody else has it while the lease runs."""
    row = await connection.fetchrow(CLAIM_CALL, lease_ms)
    if row is None:
        return None
    refund = await select_refund(connection, row["refund_id"]) if row["refund_id"] else None
    return PaymentCall(str(row["call_id"]), row["kind"], row["attempts"], _payment(row), refund)


async def finish_call(connection: Connection, payment_id: str, kind: str) -> None:
    """Note that a create, capture or void was answered."""
    await connection.execute(FINISH_CALL, payment_id, kind)


async def end_void(connection: Connection, payment_id: str) -> bool:
    """Give up letting go of money that was taken; False when nobody had asked for that."""
    return await connection.fetchval(END_VOID, payment_id) is not None


async def select_failed_calls(connection: Connection, limit: int) -> list[CallView]:
    """Return creates, captures and voids that were given up, oldest first."""
    rows = await connection.fetch(SELECT_FAILED_CALLS, limit)
    return [CallView(**dict(row)) for row in rows]


async def select_call(connection: Connection, call_id: str) -> CallView | None:
    """Return a call of any kind and state."""
    row = await connection.fetchrow(SELECT_CALL, call_id)
    return CallView(**dict(row)) if row else None


async def retry_call(connection: Connection, call_id: str) -> None:
    """Owe a create, capture or void that was given up once more; any other stays as it is."""
    await connection.execute(RETRY_CALL, call_id)


async def select_refund(connection: Connection, refund_id: str) -> Refund | None:
    """Return a refund."""
    row = await connection.fetchrow(SELECT_REFUND, refund_id)
    return _refund(row) if row else None


async def insert_refund(
    connection: Connection,
    refund: Refund,
    *,
    requested_by: str | None = None,
    request_hash: str = "",
) -> None:
    """Store a refund of a locked payment and owe the provider its call."""
    await connection.execute(
        INSERT_REFUND,
        refund.id,
        refund.payment_id,
        refund.order_id,
        refund.amount_minor,
        refund.currency,
        refund.origin,
        refund.reason,
        refund.restock,
        requested_by,
        request_hash,
    )
    await connection.execute(INSERT_REFUND_CALL, refund.payment_id, refund.id)


async def reopen_refund(connection: Connection, refund: Refund, state: str) -> None:
    """Owe the provider a failed refund once more, under a fresh key; `state` is its next one."""
    await connection.execute(REOPEN_REFUND, refund.id, state)
    await connection.execute(INSERT_REFUND_CALL, refund.payment_id, refund.id)


async def note_attempt(connection: Connection, refund_id: str, provider_ref: str) -> None:
    """Note the provider's name of the attempt under way."""
    await connection.execute(NOTE_ATTEMPT, refund_id, provider_ref)


async def end_attempt(
    connection: Connection, refund_id: str, state: str, *, error: str | None, provider_ref: str
) -> None:
    """Write what became of the attempt under way: the refund's next state, and its call's."""
    await connection.execute(UPDATE_REFUND, refund_id, state, error, provider_ref)
    await connection.execute(FINISH_REFUND_CALL, refund_id, state, error)


async def add_refunded(connection: Connection, payment_id: str, amount_minor: int) -> int:
    """Add money that is back to a locked payment; return the sum in minor units."""
    return int(await connection.fetchval(ADD_REFUNDED, payment_id, amount_minor))


async def delay_call(connection: Connection, call_id: str, *, pause_ms: int, error: str) -> None:
    """Try again after a pause."""
    await connection.execute(DELAY_CALL, call_id, pause_ms, error)


async def fail_call(connection: Connection, call_id: str, *, error: str) -> None:
    """Give a call up."""
    await connection.execute(FAIL_CALL, call_id, error)


async def claim_silent(connection: Connection, *, silent_ms: int, limit: int) -> list[Payment]:
    """Take open payments of waiting orders that nobody has heard of for `silent_ms`."""
    return [_payment(row) for row in await connection.fetch(CLAIM_SILENT, silent_ms, limit)]


def _refund(row: Any) -> Refund:
    fields = {name: row[name] for name in Refund.__struct_fields__}
    for name in ("id", "payment_id", "order_id"):
        fields[name] = str(fields[name])
    return Refund(**fields)


def _payment(row: Any) -> Payment:
    return Payment(
        id=str(row["id"]),
        order_id=str(row["order_id"]),
        provider=row["provider"],
        provider_ref=row["provider_ref"],
        url=row["url"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        state=row["state"],
        authorised_minor=row["authorised_minor"],
        let_go_reason=row["let_go_reason"],
    )
