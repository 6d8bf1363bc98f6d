"""What a coupon may ask for, and when a claim takes something off."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce.goods.press_rules.model import PressRules
from commerce.kernel.errors import CommerceError
from commerce.sales.coupons.model import (
    CLAIM,
    DROP,
    Claiming,
    ClaimRefused,
    ClaimView,
    CouponTerms,
    CouponView,
    DropTerms,
)
from commerce.sales.coupons.rules import (
    COUPON_LIMITS,
    DROP_LIMITS,
    REFUSALS,
    SKUS_MAX,
    TITLE_CHARS_MAX,
    check_coupon,
    check_drop,
    check_same,
    check_usable,
    claim_refused,
    halted,
    hash_terms,
    judge,
    rules_of,
)
from commerce.sales.pricing.model import NotReduced, PricedLine, Reduced

COUPON = CouponTerms(title="30 off", amount_minor=3_000, quantity=10)
DROP_TERMS = DropTerms(coupon="c", quantity=5, countdown_s=10, duration_s=60)
LINES = [PricedLine("a", "bowl", 1, 20_000, "list")]


def view(**changed: Any) -> ClaimView:
    """Return a claim of a coupon of the room `demo` with 30.00 off."""
    coupon = CouponView(
        id="c",
        room="demo",
        title="30 off",
        amount_minor=3_000,
        sources=("list",),
        currency="CNY",
        valid_s=60,
        per_person=1,
    )
    return ClaimView(
        **{"id": "k", "drop": "d", "state": "claimed", "coupon": coupon} | changed, **TIMES
    )


TIMES = {"claimed_at_ms": 1, "expires_at_ms": 2}


def changed_by(name: str, value: int) -> CouponTerms:
    """Return terms that make sense but for a figure, with what that figure goes with."""
    usual: dict[str, Any] = {
        "amount_minor": {"percent": 0 if value else 5},
        "percent": {"amount_minor": 0 if value else 1},
        "max_minor": {"amount_minor": 0, "percent": 5},
    }
    return msgspec.structs.replace(COUPON, **{name: value}, **usual.get(name, {}))


def test_plain_terms_are_fine() -> None:
    check_coupon(COUPON)
    check_coupon(msgspec.structs.replace(COUPON, amount_minor=0, percent=99, max_minor=1))
    check_drop(DROP_TERMS)
    assert rules_of(DROP_TERMS) is None
    paced = msgspec.structs.replace(DROP_TERMS, claims_per_address_s=2)
    check_drop(paced)
    assert rules_of(paced) == PressRules(version=1, presses_per_address_s=2)


@pytest.mark.parametrize("name", COUPON_LIMITS)
def test_every_figure_of_a_coupon_reaches_from_its_lowest_to_its_highest(name: str) -> None:
    lowest, highest = COUPON_LIMITS[name]
    for value in (lowest, highest):
        check_coupon(changed_by(name, value))
    for value in (lowest - 1, highest + 1):
        with pytest.raises(CommerceError) as caught:
            check_coupon(changed_by(name, value))
        assert caught.value.detail == {"field": name}


@pytest.mark.parametrize("name", DROP_LIMITS)
def test_every_figure_of_a_drop_reaches_from_its_lowest_to_its_highest(name: str) -> None:
    lowest, highest = DROP_LIMITS[name]
    for value in (lowest, highest):
        check_drop(msgspec.structs.replace(DROP_TERMS, **{name: value}))
    for value in (lowest - 1, highest + 1):
        with pytest.raises(CommerceError) as caught:
            check_drop(msgspec.structs.replace(DROP_TERMS, **{name: value}))
        assert caught.value.detail == {"field": name}


def test_titles_and_goods_have_their_longest() -> None:
    """A title is as long as it is without its margins; one of blanks is none."""
    longest = " " + "券" * TITLE_CHARS_MAX + " "
    many = tuple(str(n) for n in range(SKUS_MAX + 1))
    check_coupon(msgspec.structs.replace(COUPON, title=longest, title_zh="x", skus=many[1:]))
    for wrong, field in (
        ({"title": longest + "x"}, "title"),
        ({"title": "   "}, "title"),
        ({"title_zh": ""}, "title_zh"),
        ({"skus": many}, "skus"),
    ):
        with pytest.raises(CommerceError) as caught:
            check_coupon(msgspec.structs.replace(COUPON, **wrong))
        assert caught.value.detail == {"field": field}


def test_the_least_that_can_be_taken_off_is_something() -> None:
    for changed in ({"amount_minor": 1}, {"amount_minor": 0, "percent": 1}):
        check_coupon(msgspec.structs.replace(COUPON, **changed))
    with pytest.raises(CommerceError, match="invalid_request"):
        check_coupon(msgspec.structs.replace(COUPON, amount_minor=1, percent=1))


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"title": ""}, "title"),
        ({"title_zh": "x" * 61}, "title_zh"),
        ({"amount_minor": 0}, "amount_minor"),
        ({"percent": 5}, "amount_minor"),
        ({"max_minor": 5}, "max_minor"),
        ({"threshold_minor": -1}, "threshold_minor"),
        ({"skus": ("a", "a")}, "skus"),
        ({"sources": ()}, "sources"),
        ({"sources": ("list", "list")}, "sources"),
        ({"valid_s": 59}, "valid_s"),
        ({"per_person": 0}, "per_person"),
        ({"budget_minor": 0}, "budget_minor"),
    ],
)
def test_a_coupon_that_makes_no_sense_names_its_field(changed: Any, field: str) -> None:
    with pytest.raises(CommerceError) as caught:
        check_coupon(msgspec.structs.replace(COUPON, **changed))
    assert caught.value.detail == {"field": field}


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"quantity": 0}, "quantity"),
        ({"countdown_s": 3_601}, "countdown_s"),
        ({"duration_s": 0}, "duration_s"),
        ({"min_age_s": -1}, "min_age_s"),
        ({"claims_per_address_s": 0}, "rules.presses_per_address_s"),
    ],
)
def test_a_drop_that_makes_no_sense_names_its_field(changed: Any, field: str) -> None:
    with pytest.raises(CommerceError) as caught:
        check_drop(msgspec.structs.replace(DROP_TERMS, **changed))
    assert caught.value.detail == {"field": field}


def test_a_key_means_the_same_terms() -> None:
    check_same(hash_terms(COUPON), COUPON)
    with pytest.raises(CommerceError) as refused:
        check_same(hash_terms(COUPON), msgspec.structs.replace(COUPON, quantity=11))
    assert refused.value.code == "idempotency_conflict"
    check_same(hash_terms(DROP_TERMS), DROP_TERMS)
    with pytest.raises(CommerceError) as refused:
        check_same(hash_terms(DROP_TERMS), msgspec.structs.replace(DROP_TERMS, coupon="d"))
    assert refused.value.code == "idempotency_conflict"


def test_terms_without_the_newer_ones_have_the_digest_they_always_had() -> None:
    """A key that was sent before an upgrade means the same coupon after it."""
    asked = msgspec.to_builtins(COUPON)
    del asked["per_card"], asked["scope"]
    digest = hashlib.sha256(msgspec.json.encode(asked)).hexdigest()
    assert hash_terms(COUPON) == digest
    for changed in ({"scope": "shop"}, {"per_card": 1}):
        assert hash_terms(msgspec.structs.replace(COUPON, **changed)) != digest


def test_a_coupon_of_the_shop_is_good_in_every_room_and_of_its_goods_alone() -> None:
    def of_shop(**terms: Any) -> ClaimView:
        return view(coupon=msgspec.structs.replace(view().coupon, scope="shop", **terms))

    for room in ("demo", "elsewhere"):
        assert judge(of_shop(), LINES, room=room, currency="CNY") == Reduced([3_000])
        assert judge(of_shop(skus=("bowl",)), LINES, room=room, currency="CNY") == Reduced([3_000])
        assert judge(of_shop(skus=("cup",)), LINES, room=room, currency="CNY") == NotReduced(
            "out_of_scope"
        )
        assert judge(of_shop(sources=("flash",)), LINES, room=room, currency="CNY") == NotReduced(
            "price_source"
        )


@pytest.mark.parametrize("state", ["locked", "used", "expired"])
def test_only_a_claim_that_is_free_takes_something_off(state: Any) -> None:
    assert judge(view(state=state), LINES, room="demo", currency="CNY") == NotReduced(state)
    assert judge(view(), LINES, room="demo", currency="CNY") == Reduced([3_000])
    assert judge(view(), LINES, room="elsewhere", currency="CNY") == NotReduced("other_room")
    check_usable(view(), LINES, room="demo", currency="CNY")
    with pytest.raises(CommerceError) as caught:
        check_usable(view(state=state), LINES, room="demo", currency="CNY")
    assert caught.value.detail == {"reason": state}


@pytest.mark.parametrize(("left_minor", "is_good"), [(None, True), (3_000, True), (2_999, False)])
def test_a_budget_pays_whole_or_not(left_minor: int | None, is_good: bool) -> None:
    judged = judge(view(), LINES, room="demo", currency="CNY", left_minor=left_minor)
    assert judged == (Reduced([3_000]) if is_good else NotReduced("budget_spent"))
    if not is_good:
        with pytest.raises(CommerceError) as caught:
            check_usable(view(), LINES, room="demo", currency="CNY", left_minor=left_minor)
        assert caught.value.detail == {"reason": "budget_spent"}
    # What takes nothing off needs no budget.
    assert judge(view(), LINES, room="elsewhere", currency="CNY", left_minor=0) == NotReduced(
        "other_room"
    )


def test_a_coupon_of_another_currency_takes_nothing_off_anywhere() -> None:
    """After the claim's own state, which its person can do nothing about, and before the room."""
    for room in ("demo", "elsewhere"):
        judged = judge(view(), LINES, room=room, currency="EUR")
        assert judged == NotReduced("other_currency")
        with pytest.raises(CommerceError, match="coupon_not_usable"):
            check_usable(view(), LINES, room=room, currency="EUR")
    assert judge(view(state="used"), LINES, room="demo", currency="EUR") == NotReduced("used")


def test_every_refusal_has_its_code() -> None:
    others = {Claiming.CLAIMED, Claiming.REPLAYED, Claiming.NO_SUCH_DROP, Claiming.NO_SUCH_PERSON}
    assert set(REFUSALS) == set(Claiming) - others
    early = claim_refused(ClaimRefused(Claiming.NOT_OPEN, 700))
    assert (early.code, early.retry_ms, early.retryable) == ("not_open", 700, True)
    assert early.detail == {"opens_in_ms": 700}
    for refused in (ClaimRefused(Claiming.NOT_OPEN), ClaimRefused(Claiming.GONE, 700)):
        told = claim_refused(refused)
        assert (told.code, told.retryable) == (REFUSALS[refused.outcome][0], False)
        assert (told.detail, told.retry_ms) == (None, None)


def test_a_coupon_that_its_host_has_stopped_takes_nothing_off_and_says_why() -> None:
    """Wherever it is good and whatever the order is; its buyer may go on without it."""
    coupon = msgspec.structs.replace(view().coupon, scope="shop", halt_reason="ten times too much")
    stopped = view(state="halted", coupon=coupon)
    for room in ("demo", "elsewhere"):
        assert judge(stopped, LINES, room=room, currency="CNY") == NotReduced("halted")
        with pytest.raises(CommerceError) as caught:
            check_usable(stopped, LINES, room=room, currency="CNY")
        told = caught.value
        assert (told.code, told.detail) == ("coupon_halted", {"reason": "ten times too much"})
        assert not told.retryable


def test_a_claim_of_a_coupon_that_is_stopped_hears_the_same() -> None:
    told = claim_refused(ClaimRefused(Claiming.HALTED, 700, "ten times too much"))
    assert (told.code, told.retryable, told.retry_ms) == ("coupon_halted", False, None)
    assert told.detail == {"reason": "ten times too much"}
    assert halted(None).detail is None


@given(st.lists(st.sampled_from(["lock", "use", "return"]), max_size=12))
def test_a_claim_is_on_an_order_exactly_between_its_lock_and_its_return(events: list[str]) -> None:
    state, is_on_order = "claimed", False
    for event in events:
        if not CLAIM.allows(state, event):
            with pytest.raises(CommerceError, match="wrong_state"):
                CLAIM.next(state, event)
            continue
        state = CLAIM.next(state, event)
        is_on_order = event != "return"
        assert (state != "claimed") == is_on_order


def test_a_drop_that_is_over_stays_so() -> None:
    over = {"gone", "ended", "cancelled"}
    assert over == DROP.states - {"armed", "open"}
    assert not any(state in over for state, _ in DROP.table)
