"""Minor units, where Stripe's are ours and where they are not."""

from __future__ import annotations

import pytest

from commerce.orders.payments.ports import ProviderRefusedError
from server.providers.stripe_amounts import from_stripe, to_stripe


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
