"""Minor units, where Stripe's are ours and where they are not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from commerce.orders.payments.ports import ProviderRefusedError
from server.providers.stripe_amounts import from_stripe, refuse_amount, said, to_stripe


@pytest.mark.parametrize(
    ("currency", "ours", "theirs"),
    [
        ("CNY", 19_900, 19_900),
        ("JPY", 500, 500),
        ("KRW", 12_000, 12_000),
        ("KWD", 5_120, 5_120),
        ("ISK", 5, 500),
        ("UGX", 5_000, 500_000),
        ("MGA", 30_000, 300),
    ],
)
def test_an_amount_goes_there_and_back(currency: str, ours: int, theirs: int) -> None:
    assert to_stripe(ours, currency) == theirs
    assert from_stripe(theirs, currency) == ours


@pytest.mark.parametrize(("currency", "ours"), [("KWD", 5_124), ("MGA", 30_020)])
def test_what_stripe_cannot_count_is_refused_not_rounded(currency: str, ours: int) -> None:
    with pytest.raises(ProviderRefusedError, match=currency):
        to_stripe(ours, currency)


@pytest.mark.parametrize(
    ("amount_minor", "currency", "is_taken"),
    [
        (0, "CNY", False),
        (1, "CNY", True),
        (99_999_999, "CNY", True),
        (100_000_000, "CNY", False),
        (49, "USD", False),
        (50, "USD", True),
        (49, "JPY", False),
        (100_000_000, "JPY", True),
        (10**12, "IDR", False),
        (101, "MGA", False),
        (5, "KWD", False),
    ],
)
def test_a_total_that_stripe_would_refuse_is_known_before(
    amount_minor: int, currency: str, is_taken: bool
) -> None:
    """Too little, too much, or no whole step."""
    assert (refuse_amount(amount_minor, currency) is None) is is_taken


@pytest.mark.parametrize(
    ("status", "received", "over"),
    [
        ("requires_capture", None, 500),
        ("requires_capture", 0, 500),
        ("canceled", 0, 500),
        ("succeeded", 300, 300),
        ("succeeded", 500, 500),
        ("succeeded", None, 0),
    ],
)
def test_a_payment_is_over_what_was_taken_once_it_is(
    status: str, received: int | None, over: int
) -> None:
    """Stripe names the amount that was asked for also when less was taken."""
    intent = SimpleNamespace(status=status, amount=500, amount_received=received)
    assert said(intent) == over
    del intent.amount_received
    assert said(intent) == (0 if status == "succeeded" else 500)
