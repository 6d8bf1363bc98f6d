"""Which card a payment was made with: known by a keyed hash of its fingerprint, never by itself.

Invariant: no lock is held while a provider is asked; one that does not say leaves the card unknown.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from commerce.kernel.errors import CommerceError
from commerce.kernel.ports import Database, Transaction
from commerce.orders.payments import store
from commerce.orders.payments.model import Payment, PaymentReport, RefundReport
from commerce.orders.payments.ports import (
    PaymentProvider,
    ProviderRefusedError,
    ProviderUnavailableError,
)

HAS_MONEY = frozenset({"authorised", "captured"})

Report = PaymentReport | RefundReport | None


class Cards:
    """Names cards; `hash_card` has the installation's key, and without it no card is known."""

    def __init__(self, database: Database, hash_card: Callable[[str], str] | None) -> None:
        self._database = database
        self._hash_card = hash_card

    async def complete(self, provider: PaymentProvider, report: Report) -> Report:
        """Return a webhook's report with its card, asked for where a sale limits cards.

        A webhook may name no card; the provider is asked only when the answer decides. Raises
        `provider_unavailable`: the webhook comes again, or the poller asks.
        """
        if not isinstance(report, PaymentReport):
            return report
        if report.fingerprint or report.state not in HAS_MONEY:
            return report
        async with self._database.reading() as connection:
            payment = await store.select_limited_by_card(connection, report.payment_id)
        if payment is None:
            return report
        payment = msgspec.structs.replace(payment, provider_ref=report.provider_ref)
        try:
            known = await provider.status(payment)
        except (ProviderUnavailableError, ProviderRefusedError) as error:
            raise CommerceError(
                "provider_unavailable", f"The card is not known yet: {error}", retryable=True
            ) from error
        return msgspec.structs.replace(report, fingerprint=known.fingerprint)

    async def note(
        self, transaction: Transaction, payment: Payment, report: PaymentReport
    ) -> str | None:
        """Note by which card a locked payment is made; return how it is known here, or None."""
        if not report.fingerprint or self._hash_card is None:
            return None
        card = self._hash_card(f"{payment.provider}:{report.fingerprint}")
        await store.update_card(transaction, payment.id, card)
        return card
