"""Our minor units (ISO 4217) in Stripe's, and back.

They differ for a few currencies (https://docs.stripe.com/currencies#special-cases): what has no
decimals any more is still sent in hundredths, what nobody counts in hundredths without them.
"""

from __future__ import annotations

from commerce.orders.payments.ports import ProviderRefusedError

HUNDREDTHS = 100
# ISO 4217 has no minor unit for these; Stripe keeps two decimals, always zero.
SENT_IN_HUNDREDTHS = frozenset({"ISK", "UGX"})
# ISO 4217 has a hundredth for these; Stripe takes whole units.
SENT_WHOLE = frozenset({"MGA"})
# Thousandths whose last digit must be 0.
SENT_IN_TENS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
TEN = 10


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
