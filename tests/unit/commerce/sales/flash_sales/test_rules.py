"""What a flash sale may ask for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from commerce.goods.press_rules.model import PressRules
from commerce.kernel.errors import CommerceError
from commerce.sales.flash_sales.model import FlashSaleTerms
from commerce.sales.flash_sales.rules import (
    LIMITS,
    REASON_CHARS_MAX,
    SALE,
    check_reason,
    check_same,
    check_terms,
    clean_halt_reason,
    decide_unhalted,
    hash_terms,
)
from commerce.sales.pricing.model import PriceGuard
from commerce.sales.unlocks.model import UnlockTerms

TERMS = FlashSaleTerms(
    sku="bowl", price_minor=19_900, quantity=20, per_buyer=1, countdown_s=10, duration_s=60
)
DRAW = msgspec.structs.replace(TERMS, fairness="draw")
# As many units, and as high a price, as the plain terms leave a threshold.
UNLOCK = UnlockTerms(20, 19_899)

OLD_DIGEST = "160efcc52708cfcfa99a9ea126ecdbab25825d5f1f2fd8242d067d288f93237d"


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


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"guard": PriceGuard(max_cut_percent=101)}, "guard.max_cut_percent"),
        ({"rules": PressRules(per_card=0)}, "rules.per_card"),
        ({"unlock": UnlockTerms(21, 19_899)}, "unlock.units"),
        ({"unlock": UnlockTerms(20, 19_900)}, "unlock.price_minor"),
    ],
)
def test_each_part_of_the_terms_has_its_say(terms: dict[str, Any], field: str) -> None:
    with pytest.raises(CommerceError) as caught:
        check_terms(msgspec.structs.replace(TERMS, **terms))
    assert (caught.value.code, caught.value.detail) == ("invalid_request", {"field": field})


def test_a_threshold_fits_the_sale_it_is_of() -> None:
    check_terms(msgspec.structs.replace(TERMS, unlock=UNLOCK))


@pytest.mark.parametrize(
    ("terms", "field"),
    [({"entry_s": 60}, "entry_s"), ({"entry_s": 61}, "entry_s"), ({"unlock": UNLOCK}, "unlock")],
)
def test_a_draw_ends_its_entries_first_and_has_one_price(terms: dict[str, Any], field: str) -> None:
    """A sale that is nobody's draw may ask for the very same."""
    check_terms(msgspec.structs.replace(DRAW, entry_s=59))
    with pytest.raises(CommerceError) as caught:
        check_terms(msgspec.structs.replace(DRAW, **terms))
    assert (caught.value.code, caught.value.detail) == ("invalid_request", {"field": field})
    check_terms(msgspec.structs.replace(TERMS, **terms))


def test_a_reason_is_no_longer_than_can_be_shown() -> None:
    check_reason(None)
    check_reason("x" * REASON_CHARS_MAX)
    with pytest.raises(CommerceError) as caught:
        check_reason("x" * (REASON_CHARS_MAX + 1))
    assert (caught.value.code, caught.value.detail) == ("invalid_request", {"field": "reason"})


def test_a_retry_must_ask_for_the_same() -> None:
    check_same(hash_terms(TERMS), TERMS)
    with pytest.raises(CommerceError, match=r"^idempotency_conflict: "):
        check_same(hash_terms(TERMS), msgspec.structs.replace(TERMS, quantity=21))


def test_a_finished_sale_never_opens_again() -> None:
    for state in ("ended", "cancelled"):
        assert not any(SALE.allows(state, event) for event in ("open", "resume", "end", "cancel"))
    assert SALE.next("sold_out", "resume") == "open"


def test_only_a_sale_that_is_not_over_can_be_halted() -> None:
    assert {state for state in SALE.states if SALE.allows(state, "halt")} == {
        "armed",
        "open",
        "sold_out",
    }
    assert SALE.next("halted", "end") == "ended"
    assert SALE.next("halted", "cancel") == "cancelled"


@pytest.mark.parametrize(
    ("halted_from", "opens_at_ms", "is_all_sold", "expected"),
    [
        ("armed", None, False, "armed"),
        ("armed", 101, False, "armed"),
        ("armed", 100, False, "open"),
        ("open", 1, False, "open"),
        ("open", 1, True, "open"),
        ("sold_out", 1, True, "sold_out"),
        ("sold_out", 1, False, "open"),
        ("ended", 1, False, "ended"),
    ],
)
def test_a_resumed_sale_is_where_its_window_is(
    halted_from: str, opens_at_ms: int | None, is_all_sold: bool, expected: str
) -> None:
    after = decide_unhalted(
        halted_from, opens_at_ms=opens_at_ms, now_ms=100, is_all_sold=is_all_sold
    )
    assert after == expected


def test_a_halt_says_why() -> None:
    assert clean_halt_reason("  a wrong price ") == "a wrong price"
    for bad in ("", "   ", "x" * 121):
        with pytest.raises(CommerceError) as caught:
            clean_halt_reason(bad)
        assert (caught.value.code, caught.value.detail) == ("invalid_request", {"field": "reason"})


def test_plain_terms_keep_the_digest_that_older_rows_carry() -> None:
    """A retry across an upgrade meets its own sale."""
    assert hash_terms(TERMS) == OLD_DIGEST
    assert hash_terms(msgspec.structs.replace(TERMS, show_reference=True)) != OLD_DIGEST
    assert hash_terms(msgspec.structs.replace(TERMS, guard=PriceGuard(1))) != OLD_DIGEST
    assert hash_terms(msgspec.structs.replace(TERMS, confirm_price_minor=19_900)) == OLD_DIGEST
