"""What a winner reads of the hold, also of one that a retry meets."""

from __future__ import annotations

import pytest

from commerce.goods.inventory.model import Grant, PooledSale, Request, Reservation, Reserved
from commerce.goods.inventory.rules import describe_grant

REQUEST = Request("id", "sale", "lena", 2)
SALE = PooledSale("sale", "pool", "room", "bowl", "CNY")


@pytest.mark.parametrize(
    ("state", "shown_until_ms", "said", "expires_in_ms"),
    [
        (None, 61_000, "held", 60_000),
        ("paying", 61_000, "paying", 60_000),
        ("expired", 999, "expired", 0),
    ],
)
def test_a_hold_says_what_it_is_and_for_how_long(
    state: str | None, shown_until_ms: int, said: str, expires_in_ms: int
) -> None:
    """A fresh one has no state in its row's answer yet; the time that is left is never negative."""
    told = describe_grant(REQUEST, SALE, Grant(19_900, shown_until_ms, 7, state, 1_000))
    assert told == Reserved(
        Reservation(
            id="id",
            sale_id="sale",
            user_id="lena",
            sku="bowl",
            qty=2,
            unit_price_minor=19_900,
            currency="CNY",
            state=said,
            version=7,
            decided_at_ms=1_000,
            shown_until_ms=shown_until_ms,
            expires_in_ms=expires_in_ms,
        )
    )
