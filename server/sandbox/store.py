"""SQL of the sandbox's own two tables."""

from __future__ import annotations

from typing import Any

from commerce.kernel.ports import Connection
from server.sandbox.model import Delivery, NewPayment, NewRefund, SandboxPayment, SandboxRefund

COLUMNS = """
    id, page_key, reference, order_reference, amount_minor, currency, return_path, state,
    created_at_ms, coalesce((
        SELECT sum(r.amount_minor) FROM sandbox.refunds r WHERE r.payment_id = payments.id
    ), 0)::bigint AS refunded_minor, card
"""
INSERT_PAYMENT = """
    INSERT INTO sandbox.payments (id, page_key, reference, order_reference, amount_minor,
        currency, return_path, state)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 'created')
    ON CONFLICT (reference) DO NOTHING
"""
SELECT = f"SELECT {COLUMNS} FROM sandbox.payments"  # noqa: S608 - our own columns.
SELECT_BY_REFERENCE = SELECT + " WHERE reference = $1"
SELECT_BY_ID = SELECT + " WHERE id = $1"
SELECT_BY_PAGE = SELECT + " WHERE page_key = $1"
LOCK_BY_ID = SELECT_BY_ID + " FOR NO KEY UPDATE"
SELECT_SINCE = (
    SELECT + " WHERE created_at_ms >= $1 AND (created_at_ms, id) > ($2, $3)"
    " ORDER BY created_at_ms, id LIMIT $4"
)
SELECT_REFUND = """
    SELECT id, reference, amount_minor, payment_id FROM sandbox.refunds WHERE reference = $1
"""
INSERT_REFUND = """
    INSERT INTO sandbox.refunds (reference, id, payment_id, amount_minor) VALUES ($1, $2, $3, $4)
"""
UPDATE_STATE = """
    UPDATE sandbox.payments SET state = $2, updated_at_ms = clock_ms() WHERE id = $1
"""
UPDATE_AMOUNT = "UPDATE sandbox.payments SET amount_minor = $2 WHERE id = $1"
UPDATE_CARD = "UPDATE sandbox.payments SET card = $2 WHERE id = $1"
# The first attempt is made by whoever wrote the row; the job looks a moment later.
INSERT_WEBHOOK = """
    INSERT INTO sandbox.webhooks (id, payment_id, body, next_at_ms)
    VALUES ($1, $2, $3, clock_ms() + $4::bigint)
"""
CLAIM_WEBHOOK = """
    UPDATE sandbox.webhooks SET attempts = attempts + 1, next_at_ms = clock_ms() + $1::bigint
    WHERE id = (
        SELECT id FROM sandbox.webhooks
        WHERE state = 'pending'
          AND ($2::text IS NULL AND next_at_ms <= (SELECT clock_ms()) OR id = $2)
        ORDER BY next_at_ms, id LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING id, body, attempts
"""
FINISH_WEBHOOK = "UPDATE sandbox.webhooks SET state = $2 WHERE id = $1"
DELAY_WEBHOOK = """
    UPDATE sandbox.webhooks SET next_at_ms = clock_ms() + $2::bigint WHERE id = $1
"""


async def insert_payment(
    connection: Connection, *, payment_id: str, page_key: str, new: NewPayment
) -> None:
    """Store a payment unless the shop has asked for it before."""
    await connection.execute(
        INSERT_PAYMENT,
        payment_id,
        page_key,
        new.reference,
        new.order_reference,
        new.amount_minor,
        new.currency,
        new.return_path,
    )


async def select_by_reference(connection: Connection, reference: str) -> SandboxPayment | None:
    """Return the payment that the shop calls so."""
    return _payment(await connection.fetchrow(SELECT_BY_REFERENCE, reference))


async def select_by_id(connection: Connection, payment_id: str) -> SandboxPayment | None:
    """Return a payment."""
    return _payment(await connection.fetchrow(SELECT_BY_ID, payment_id))


async def select_by_page(connection: Connection, page_key: str) -> SandboxPayment | None:
    """Return the payment of a page."""
    return _payment(await connection.fetchrow(SELECT_BY_PAGE, page_key))


async def lock_by_id(connection: Connection, payment_id: str) -> SandboxPayment | None:
    """Lock a payment and return it."""
    return _payment(await connection.fetchrow(LOCK_BY_ID, payment_id))


async def select_since(
    connection: Connection, since_ms: int, *, after: SandboxPayment | None, limit: int
) -> list[SandboxPayment]:
    """Return payments opened at or after `since_ms`, oldest first, behind the one named."""
    place = (after.created_at_ms, after.id) if after else (0, "")
    rows = await connection.fetch(SELECT_SINCE, since_ms, *place, limit)
    return [SandboxPayment(*row) for row in rows]


async def select_refund(connection: Connection, reference: str) -> tuple[str, SandboxRefund] | None:
    """Return the payment's id and the refund that the shop calls so."""
    row = await connection.fetchrow(SELECT_REFUND, reference)
    return (row["payment_id"], SandboxRefund(*row[:3])) if row is not None else None


async def insert_refund(
    connection: Connection, *, refund_id: str, payment_id: str, new: NewRefund
) -> None:
    """Store money that goes back; the payment is locked."""
    await connection.execute(INSERT_REFUND, new.reference, refund_id, payment_id, new.amount_minor)


async def update_state(connection: Connection, payment_id: str, state: str) -> None:
    """Write the next state of a locked payment."""
    await connection.execute(UPDATE_STATE, payment_id, state)


async def update_amount(connection: Connection, payment_id: str, amount_minor: int) -> None:
    """Note how much of a locked payment is taken; the rest is let go."""
    await connection.execute(UPDATE_AMOUNT, payment_id, amount_minor)


async def update_card(connection: Connection, payment_id: str, card: str) -> None:
    """Note which card a locked payment was paid with."""
    await connection.execute(UPDATE_CARD, payment_id, card)


async def insert_webhook(
    connection: Connection, *, webhook_id: str, payment_id: str, body: str, first_retry_ms: int
) -> None:
    """Store a webhook to be delivered."""
    await connection.execute(INSERT_WEBHOOK, webhook_id, payment_id, body, first_retry_ms)


async def claim_webhook(
    connection: Connection, *, lease_ms: int, webhook_id: str | None = None
) -> Delivery | None:
    """Take one webhook, the named or the one that is due longest, for `lease_ms`."""
    row = await connection.fetchrow(CLAIM_WEBHOOK, lease_ms, webhook_id)
    return Delivery(row["id"], row["body"], row["attempts"]) if row else None


async def finish_webhook(connection: Connection, webhook_id: str, state: str) -> None:
    """Note that a webhook was delivered or given up."""
    await connection.execute(FINISH_WEBHOOK, webhook_id, state)


async def delay_webhook(connection: Connection, webhook_id: str, pause_ms: int) -> None:
    """Try again after a pause."""
    await connection.execute(DELAY_WEBHOOK, webhook_id, pause_ms)


def _payment(row: Any) -> SandboxPayment | None:
    return SandboxPayment(*row) if row is not None else None
