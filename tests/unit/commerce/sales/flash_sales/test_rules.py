"""What a flash sale may ask for."""

from __future__ import annotations

import msgspec
import pytest

from commerce.kernel.errors import CommerceError
from commerce.sales.flash_sales.model import FlashSaleTerms
from commerce.sales.flash_sales.rules import LIMITS, SALE, check_same, check_terms, hash_terms

TERMS = FlashSaleTerms(
    sku="bowl", price_minor=19_900, quantity=20, per_buyer=1, countdown_s=10, duration_s=60
)


def test_sensible_terms_pass() -> None:
    check_terms(TERMS)


@pytest.mark.parametrize("name", LIMITS)
def test_a_figure_outside_its_range_is_refused_by_name(name: str) -> None:
    lowest, highest = LIMITS[name]
    for value in (lowest, highest):
        check_terms(msgspec.structs.replace(TERMS, **{name: value}))
    for value in (lowest - 1, highest + 1):
        with pytest.raises(CommerceError) as caught:
            check_terms(msgspec.structs.replace(TERMS, **{name: value}))
        assert caught.value.code == "invalid_request"
        assert caught.value.detail == {"field": name}


def test_a_retry_must_ask_for_the_same() -> None:
    check_same(hash_terms(TERMS), TERMS)
    with pytest.raises(CommerceError, match="idempotency_conflict"):
        check_same(hash_terms(TERMS), msgspec.structs.replace(TERMS, quantity=21))


def test_a_finished_sale_never_opens_again() -> None:
    for state in ("ended", "cancelled"):
        assert not any(SALE.allows(state, event) for event in ("open", "resume", "end", "cancel"))
    assert SALE.next("sold_out", "resume") == "open"
