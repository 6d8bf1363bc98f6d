"""Reloading the payment page is not a request to Stripe each time."""

from __future__ import annotations

import asyncio

import pytest

from commerce.orders.payments.model import Payment
from commerce.orders.payments.ports import ProviderUnavailableError
from server.providers import stripe_secrets
from server.providers.stripe_secrets import KEPT_MS, ClientSecrets


class Stripe:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_away = False

    async def client_secret(self, payment: Payment) -> str | None:
        """Answer after a moment."""
        self.asked.append(payment.id)
        await asyncio.sleep(0)
        if self.is_away:
            raise ProviderUnavailableError("away")
        return f"secret-{payment.id}-{len(self.asked)}"


def make_payment(id: str) -> Payment:
    """Return a payment that waits for a card."""
    return Payment(id, "o", "stripe", f"pi_{id}", None, 5, "CNY", "created")


async def test_many_loads_at_once_ask_once_until_it_is_old() -> None:
    """Each payment for itself, and anew after some seconds."""
    stripe, now_ms = Stripe(), [0]
    secrets = ClientSecrets(stripe, lambda: now_ms[0])
    one, two = make_payment("1"), make_payment("2")
    assert set(await asyncio.gather(*(secrets.get(one) for _ in range(20)))) == {"secret-1-1"}
    assert await secrets.get(two) == "secret-2-2"
    now_ms[0] = KEPT_MS - 1
    assert await secrets.get(one) == "secret-1-1"
    now_ms[0] = KEPT_MS
    assert await secrets.get(one) == "secret-1-3"
    assert stripe.asked == ["1", "2", "1"]


async def test_an_absence_is_not_kept() -> None:
    """The next load asks again."""
    stripe = Stripe()
    secrets = ClientSecrets(stripe, lambda: 0)
    stripe.is_away = True
    with pytest.raises(ProviderUnavailableError):
        await secrets.get(make_payment("1"))
    stripe.is_away = False
    assert await secrets.get(make_payment("1")) == "secret-1-2"


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes first."""
    monkeypatch.setattr(stripe_secrets, "PAYMENTS_MAX", 2)
    stripe = Stripe()
    secrets = ClientSecrets(stripe, lambda: 0)
    for id in ("1", "2", "3", "2", "1"):
        await secrets.get(make_payment(id))
    assert stripe.asked == ["1", "2", "3", "1"]
