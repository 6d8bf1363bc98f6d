"""Our minor units (ISO 4217) in Stripe's, and back.

They differ for a few currencies (https://docs.stripe.com/currencies#special-cases): what has no
decimals any more is still sent in hundredths, what nobody counts in hundredths without them.
"""

from __future__ import annotations

from typing import Protocol

from commerce.orders.payments.ports import ProviderRefusedError

HUNDREDTHS = 100
# ISO 4217 has no minor unit for these; Stripe keeps two decimals, always zero.
SENT_IN_HUNDREDTHS = frozenset({"ISK", "UGX"})
# ISO 4217 has a hundredth for these; Stripe takes whole units.
SENT_WHOLE = frozenset({"MGA"})
# Thousandths whose last digit must be 0.
SENT_IN_TENS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
TEN = 10
# The least that Stripe takes, in its units, of currencies that it settles in; of another one it is
# what these are worth, which only Stripe knows: then it says no when asked.
# https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
LEAST = {
    **dict.fromkeys(("AUD", "BRL", "CAD", "CHF", "EUR", "INR", "NZD", "SGD", "USD"), 50),
    **{"AED": 200, "BGN": 100, "CZK": 1_500, "DKK": 250, "GBP": 30, "HKD": 400, "HUF": 17_500},
    **{"JPY": 50, "MXN": 1_000, "MYR": 200, "NOK": 300, "PLN": 200, "RON": 200, "SEK": 300},
    "THB": 1_000,
}
# Eight digits, but for a few currencies of small units, which have up to twelve.
MOST = 99_999_999
MOST_OF_SMALL_UNITS = 999_999_999_999
NOT_OF_SMALL_UNITS = frozenset(LEAST) - {"HUF", "INR", "JPY"} | {"CNY"}


class Asked(Protocol):
    """A PaymentIntent, of an answer or of an event; `amount_received` may be missing or empty."""

    @property
    def amount(self) -> int:
        """What it asks for, in Stripe's units."""

    @property
    def status(self) -> str | None:
        """What it is."""


def to_stripe(amount_minor: int, currency: str) -> int:
    """Return an amount as Stripe counts it; raises ProviderRefusedError when it cannot be sent."""
    if currency in SENT_IN_HUNDREDTHS:
        return amount_minor * HUNDREDTHS
    step = HUNDREDTHS if currency in SENT_WHOLE else TEN if currency in SENT_IN_TENS else 1
    if amount_minor % step:
        raise ProviderRefusedError(f"Stripe takes {currency} in steps of {step} minor units")
    return amount_minor // HUNDREDTHS if currency in SENT_WHOLE else amount_minor


def from_stripe(amount: int, currency: str) -> int:
    """Return Stripe's amount in our minor units; what is no whole one of ours is rounded down."""
    if currency in SENT_IN_HUNDREDTHS:
        return amount // HUNDREDTHS
    return amount * HUNDREDTHS if currency in SENT_WHOLE else amount


def said(intent: Asked) -> int:
    """Return what a PaymentIntent is over: what was taken once it is, else what it asks for.

    Stripe leaves `amount` as it was when less than that is taken; the rest is let go. Of one that
    was taken and does not say how much, nothing is believed: more than we wanted would go back.
    """
    if intent.status == "succeeded":
        return int(getattr(intent, "amount_received", None) or 0)
    return int(intent.amount)


def refuse_amount(amount_minor: int, currency: str) -> str | None:
    """Return why Stripe takes no such amount, or None; a surer word has Stripe alone."""
    try:
        amount = to_stripe(amount_minor, currency)
    except ProviderRefusedError as error:
        return str(error)
    if amount < 1:
        return "there is nothing to pay"
    if amount < LEAST.get(currency, 1):
        return f"Stripe takes {from_stripe(LEAST[currency], currency)} or more"
    most = MOST if currency in NOT_OF_SMALL_UNITS else MOST_OF_SMALL_UNITS
    return f"Stripe takes {from_stripe(most, currency)} at most" if amount > most else None
