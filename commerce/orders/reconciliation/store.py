"""SQL of our side: payments of a stretch of time, and those that a provider named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from commerce.kernel.ports import Connection
from commerce.orders.reconciliation.model import OurPayment

# Named ones are read whenever they began: the provider's clock and ours are two.
SELECT_PAYMENTS = """
    SELECT p.id, p.provider, p.provider_ref, p.order_id, o.state AS order_state, p.state,
        p.amount_minor, p.currency, p.refunded_minor, p.created_at_ms,
        p.authorised_minor,
        greatest(p.updated_at_ms, o.updated_at_ms) AS updated_at_ms,
        EXISTS (
            SELECT 1 FROM payment_calls c WHERE c.payment_id = p.id AND c.state = 'pending'
        ) AS is_settling
    FROM payments p JOIN orders o ON o.id = p.order_id
    WHERE p.provider = ANY ($1::text[]) AND p.id IN (
        SELECT b.id FROM payments b WHERE b.created_at_ms >= $2
        UNION ALL
        SELECT n.id FROM unnest($3::text[], $4::text[]) AS q (provider, provider_ref)
        JOIN payments n ON n.provider = q.provider AND n.provider_ref = q.provider_ref
    )
    ORDER BY p.created_at_ms, p.id LIMIT $5
"""
COUNT_OLDER = """
    SELECT count(*) FROM payments WHERE provider = ANY ($1::text[]) AND created_at_ms < $2
"""


async def count_older(connection: Connection, providers: Sequence[str], since_ms: int) -> int:
    """Return how many payments were begun before a moment."""
    return int(await connection.fetchval(COUNT_OLDER, list(providers), since_ms))


async def select_payments(
    connection: Connection,
    providers: Sequence[str],
    *,
    since_ms: int,
    named: Sequence[tuple[str, str]],
    limit: int,
) -> list[OurPayment]:
    """Return payments begun since a moment, and the (provider, id there) that are named.

    At most `limit` of them, oldest first.
    """
    rows = await connection.fetch(
        SELECT_PAYMENTS,
        list(providers),
        since_ms,
        [provider for provider, _ in named],
        [provider_ref for _, provider_ref in named],
        limit,
    )
    return [_payment(row) for row in rows]


def _payment(row: Any) -> OurPayment:
    fields = {name: row[name] for name in OurPayment.__struct_fields__}
    for name in ("id", "order_id"):
        fields[name] = str(fields[name])
    return OurPayment(**fields)
