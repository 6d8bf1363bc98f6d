"""What Stripe's form needs, kept for some seconds: reloading our page is no request to Stripe.

Invariant: a page asks Stripe about a payment at most once in `KEPT_MS`, however often and however
many at once it is loaded; how many payments are kept is bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from commerce.orders.payments.model import Payment

# Short: what changes within it is that another tab has paid, and then the order says so first.
KEPT_MS = 10_000
# As many as pay at once in a rush; the oldest goes first.
PAYMENTS_MAX = 10_000


class AsksStripe(Protocol):
    """The part of Stripe's provider that is asked here."""

    async def client_secret(self, payment: Payment) -> str | None:
        """Return what Stripe's form needs to take a card; None when it takes none any more."""


class _Kept:
    def __init__(self) -> None:
        self.secret: str | None = None
        self.until_ms = 0
        self.lock = asyncio.Lock()


class ClientSecrets:
    """Client secrets by payment; `now_ms` is a clock that never jumps."""

    def __init__(self, provider: AsksStripe, now_ms: Callable[[], int]) -> None:
        self._provider = provider
        self._now_ms = now_ms
        self._kept: dict[str, _Kept] = {}

    async def get(self, payment: Payment) -> str | None:
        """Return a payment's secret, or None when it takes no card any more.

        Raises the provider's errors, which are not kept.
        """
        kept = self._kept.get(payment.id)
        if kept is None:
            if len(self._kept) >= PAYMENTS_MAX:
                del self._kept[next(iter(self._kept))]
            kept = self._kept[payment.id] = _Kept()
        async with kept.lock:
            if kept.until_ms <= self._now_ms():
                kept.secret = await self._provider.client_secret(payment)
                kept.until_ms = self._now_ms() + KEPT_MS
            return kept.secret
