"""What may become an order, how long its goods are held, and when money comes too late."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce.kernel.errors import CommerceError
from commerce.kernel.ids import order_id
from commerce.orders.checkout.model import (
    ORDER,
    CardLine,
    Charge,
    Hold,
    HoldState,
    LateLine,
    PlaceOrder,
)
from commerce.orders.checkout.rules import (
    HELD_MS_MAX,
    PAYING_MS,
    check_still_held,
    decide_card,
    decide_late,
    decide_settlement,
    hash_request,
    is_charge_right,
    is_late,
    mask_name,
    next_release_at_ms,
    quote_order,
    show_payment_state,
)
from commerce.orders.payments.model import Settled, TooLate
from commerce.sales.pricing.model import Reduction, Tax

NOW_MS = 1_000_000_000


def make_hold(**overrides: Any) -> Hold:
    """Return a reservation of `lena` in room r."""
    defaults: dict[str, Any] = {
        "id": "a",
        "user_id": "lena",
        "pool_id": "p",
        "sale_id": "s",
        "room_id": "r",
        "show_id": "w",
        "item_id": "i",
        "no": 3,
        "sku": "bowl",
        "title": "Bowl",
        "title_zh": None,
        "qty": 2,
        "unit_price_minor": 19_900,
        "currency": "CNY",
    }
    return Hold(**{**defaults, **overrides})


def make_state(**overrides: Any) -> HoldState:
    """Return a live hold, decided one minute ago."""
    defaults: dict[str, Any] = {
        "id": "a",
        "state": "held",
        "decided_at_ms": NOW_MS - 60_000,
        "release_at_ms": NOW_MS + 60_000,
        "is_extended": False,
    }
    return HoldState(**{**defaults, **overrides})


def quote(holds: list[Hold], ids: list[str]) -> Any:
    """Quote an order of `lena`."""
    return quote_order(PlaceOrder("lena", "k", ids), holds)


def hash_of(ids: list[str], ship_to: str | None, coupon: str | None = None) -> str:
    """Return the hash of a wish of `lena`."""
    return hash_request(PlaceOrder("lena", "k", ids, ship_to, coupon))


def test_an_order_sums_its_reservations() -> None:
    """Quantity times price, over all lines."""
    draft = quote([make_hold(), make_hold(id="b", qty=1, unit_price_minor=5)], ["a", "b"])
    assert (draft.total_minor, draft.currency) == (39_805, "CNY")
    assert (draft.room_id, draft.show_id, draft.user_id) == ("r", "w", "lena")


def test_the_same_user_and_key_name_the_same_order() -> None:
    """Its id is derived."""
    first = quote([make_hold()], ["a"])
    assert first.id == quote([make_hold(id="b")], ["b"]).id == order_id("lena", "k")


def test_an_order_keeps_what_was_asked_for() -> None:
    """The address, and what tells a retry from another wish."""
    draft = quote_order(PlaceOrder("lena", "k", ["a"], "Quay 1"), [make_hold()])
    assert draft.ship_to == "Quay 1"
    assert draft.request_hash == hash_of(["a"], "Quay 1")


@pytest.mark.parametrize(
    ("holds", "ids"), [([], ["a"]), ([make_hold()], ["b"]), ([make_hold(user_id="m")], ["a"])]
)
def test_a_reservation_that_is_not_mine_is_not_there(holds: list[Hold], ids: list[str]) -> None:
    """Missing and somebody else's look the same."""
    with pytest.raises(CommerceError) as caught:
        quote(holds, ids)
    assert str(caught.value) == "not_found: There is no such reservation."


@pytest.mark.parametrize("other", [{"room_id": "q"}, {"show_id": "v"}, {"currency": "EUR"}])
def test_an_order_stays_in_one_show_and_currency(other: dict[str, str]) -> None:
    """Another room, another show or another money is refused."""
    with pytest.raises(CommerceError) as caught:
        quote([make_hold(), make_hold(id="b", **other)], ["a", "b"])
    assert (caught.value.code, caught.value.detail) == (
        "invalid_request",
        {"field": "reservations"},
    )


def test_a_requests_hash_outlives_an_upgrade() -> None:
    """It is stored: a retry that meets a newer version must find its own."""
    body = rb'[["a", "b"], "\u7801\u5934"]'
    assert hash_of(["b", "a"], "码头") == hashlib.sha256(body).hexdigest()


def test_a_request_is_its_reservations_and_its_address() -> None:
    """Their order does not matter, everything else does."""
    assert hash_of(["a", "b"], None) == hash_of(["b", "a"], None)
    hashes = {
        hash_of(["a"], None),
        hash_of(["a", "b"], None),
        hash_of(["a"], ""),
        hash_of(["a"], "x"),
        hash_of(["a"], None, "c"),
        hash_of(["a"], None, "d"),
    }
    assert len(hashes) == 6


def test_a_charge_is_right_only_as_it_was_quoted() -> None:
    """One cent more or less, on a line or in all, is another charge."""
    drafted = quote([make_hold(), make_hold(id="b", qty=1, unit_price_minor=5)], ["a", "b"]).quote
    tax = Tax([line.tax_minor for line in drafted.lines])
    charge = Charge(drafted.lines, drafted.shipping_minor, tax, None, "CNY")
    assert is_charge_right(charge, 39_805)
    assert not is_charge_right(charge, 39_804)
    first, second = drafted.lines
    cheaper = msgspec.structs.replace(first, total_minor=first.total_minor - 1)
    assert not is_charge_right(msgspec.structs.replace(charge, lines=[cheaper, second]), 39_805)
    dead = Reduction(id="c", amount_minor=10, threshold_minor=50_000)
    assert not is_charge_right(msgspec.structs.replace(charge, reduction=dead), 39_805)


def test_live_holds_can_be_ordered() -> None:
    """Up to the last millisecond."""
    check_still_held([make_state(), make_state(id="b", release_at_ms=NOW_MS + 1)], NOW_MS)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"release_at_ms": NOW_MS}, "expired"),
        ({"state": "paying"}, "paying"),
        ({"state": "sold"}, "sold"),
        ({"state": "released"}, "released"),
        ({"state": "expired"}, "expired"),
    ],
)
def test_a_hold_that_is_over_is_named(overrides: dict[str, Any], said: str) -> None:
    """The refusal says which reservation and what it is now."""
    with pytest.raises(CommerceError) as caught:
        check_still_held([make_state(), make_state(id="b", **overrides)], NOW_MS)
    assert caught.value.code == "reservation_gone"
    assert caught.value.detail == {"reservations": {"b": said}}


def test_checkout_extends_a_hold() -> None:
    """To ten minutes from now."""
    assert next_release_at_ms(make_state(), NOW_MS) == NOW_MS + PAYING_MS


def test_a_hold_is_never_kept_beyond_its_cap() -> None:
    """Fifteen minutes after it was decided."""
    hold = make_state(decided_at_ms=NOW_MS - 800_000)
    assert next_release_at_ms(hold, NOW_MS) == NOW_MS - 800_000 + HELD_MS_MAX


@pytest.mark.parametrize(("team_ms", "kept_ms"), [(90_000, 90_000), (PAYING_MS + 1, PAYING_MS)])
def test_a_seat_is_kept_no_longer_than_its_team(team_ms: int, kept_ms: int) -> None:
    """And never for less than it was."""
    hold = make_state(release_at_ms=NOW_MS + 60_000, team_release_at_ms=NOW_MS + team_ms)
    assert next_release_at_ms(hold, NOW_MS) == NOW_MS + kept_ms
    hold = make_state(release_at_ms=NOW_MS + 60_000, team_release_at_ms=NOW_MS + 59_999)
    assert next_release_at_ms(hold, NOW_MS) == hold.release_at_ms


def test_a_hold_is_extended_once() -> None:
    """The second time it stays as it is."""
    hold = make_state(is_extended=True)
    assert next_release_at_ms(hold, NOW_MS) == hold.release_at_ms


def test_a_longer_hold_keeps_its_length() -> None:
    """A hold promised for longer than the cap is not cut short."""
    hold = make_state(release_at_ms=NOW_MS + 1_200_000)
    assert next_release_at_ms(hold, NOW_MS) == hold.release_at_ms
    hold = make_state(release_at_ms=NOW_MS + PAYING_MS + 5)
    assert next_release_at_ms(hold, NOW_MS) == NOW_MS + PAYING_MS + 5


@given(st.integers(0, 900_000), st.integers(1, 1_200_000), st.booleans())
def test_an_extension_never_takes_time_away(age_ms: int, left_ms: int, is_extended: bool) -> None:
    """Whatever the hold, and never more than the cap adds."""
    hold = make_state(
        decided_at_ms=NOW_MS - age_ms, release_at_ms=NOW_MS + left_ms, is_extended=is_extended
    )
    release_at_ms = next_release_at_ms(hold, NOW_MS)
    assert release_at_ms >= hold.release_at_ms
    assert release_at_ms <= max(hold.release_at_ms, hold.decided_at_ms + HELD_MS_MAX)


def paying(**overrides: Any) -> HoldState:
    """Return a reservation in checkout."""
    return make_state(**{"state": "paying", **overrides})


def test_money_in_time_settles() -> None:
    """All reservations paying and alive."""
    holds = [paying(), paying(id="b", release_at_ms=NOW_MS + 1)]
    assert decide_settlement("awaiting_payment", holds, NOW_MS) == Settled()


@pytest.mark.parametrize(
    ("state", "holds", "reason"),
    [
        ("paid", [paying()], "already_paid"),
        ("cancelled", [paying()], "order_cancelled"),
        ("expired", [paying()], "order_expired"),
        ("awaiting_payment", [], "hold_expired"),
        ("awaiting_payment", [paying(), paying(release_at_ms=NOW_MS)], "hold_expired"),
        ("awaiting_payment", [paying(), paying(state="expired")], "hold_expired"),
        ("awaiting_payment", [paying(state="held")], "hold_expired"),
        ("awaiting_payment", [paying(state="sold")], "hold_expired"),
    ],
)
def test_money_that_comes_too_late_says_why(
    state: str, holds: list[HoldState], reason: str
) -> None:
    """One dead line is enough."""
    assert decide_settlement(state, holds, NOW_MS) == TooLate(reason)


@pytest.mark.parametrize(
    ("state", "release_at_ms", "is_dead"),
    [
        ("held", NOW_MS + 1, False),
        ("held", NOW_MS, True),
        ("paying", NOW_MS + 1, False),
        ("paying", NOW_MS, True),
        ("sold", NOW_MS - 1, False),
        ("expired", NOW_MS + 1, True),
        ("released", NOW_MS + 1, True),
    ],
)
def test_a_hold_is_dead_when_its_time_is_over(
    state: str, release_at_ms: int, is_dead: bool
) -> None:
    """With or without a sweeper; sold never dies."""
    assert make_state(state=state, release_at_ms=release_at_ms).is_dead(NOW_MS) is is_dead


def test_an_order_ends_once() -> None:
    """Only a waiting order can be paid, cancelled or expire; but late money may find the units."""
    for event, state in (("pay", "paid"), ("cancel", "cancelled"), ("expire", "expired")):
        assert ORDER.next("awaiting_payment", event) == state
        for ended in ("paid", "cancelled", "expired", "refunded"):
            is_late = (ended, event) == ("expired", "pay")
            assert ORDER.allows(ended, event) is is_late
    assert ORDER.next("paid", "refund") == "refunded"


def late(**overrides: Any) -> LateLine:
    """Return a line of one unit whose hold has ended, in a sale of two a buyer."""
    defaults: dict[str, Any] = {
        "id": "a",
        "pool_id": "p",
        "sale_id": "s",
        "qty": 1,
        "state": "expired",
        "release_at_ms": NOW_MS,
        "per_buyer": 2,
        "bought": 0,
        "is_stopped": False,
    }
    return LateLine(**{**defaults, **overrides})


ALIVE = {"state": "paying", "release_at_ms": NOW_MS + 1}


@pytest.mark.parametrize(
    ("lines", "free", "can"),
    [
        ([late()], 1, True),
        ([late()], 0, False),
        ([late(), late()], 1, False),
        ([late(), late()], 2, True),
        ([late(), late(**ALIVE)], 1, True),
        ([late(**ALIVE)], 0, True),
        ([late(**ALIVE), late()], 0, False),
        ([late(state="paying")], 1, False),
        ([late(state="released")], 1, False),
        ([late(state="refused_late")], 1, False),
        ([late(is_stopped=True)], 1, False),
        ([late(bought=2)], 1, False),
        ([late(bought=1), late(bought=1)], 2, False),
        ([late(bought=9, per_buyer=None)], 1, True),
        ([], 1, False),
    ],
)
def test_late_money_takes_all_units_again_or_none(
    lines: list[LateLine], free: int, can: bool
) -> None:
    """Summed a pool and a sale; what is still held needs nothing."""
    assert decide_late(lines, {"p": free}, NOW_MS) is can


@pytest.mark.parametrize(
    ("paid", "can"),
    [({}, True), ({"s": 1}, True), ({"s": 2}, False), ({"t": 9}, False), ({"u": 99}, True)],
)
def test_a_card_pays_for_all_of_an_order_within_every_limit(
    paid: dict[str, int], can: bool
) -> None:
    lines = [CardLine("s", 1, 2), CardLine("t", 1, 9)]
    assert decide_card(lines, paid) is can


def test_a_card_that_has_paid_nothing_yet_has_all_of_its_limit() -> None:
    assert decide_card([CardLine("s", 2, 2)], {})
    assert not decide_card([CardLine("s", 3, 2)], {})


def test_late_money_is_late_for_its_hold_alone() -> None:
    """An order that was cancelled, or paid already, wants no units any more."""
    reasons = ("hold_expired", "order_expired", "order_cancelled", "already_paid")
    assert [is_late(TooLate(reason)) for reason in reasons] == [True, True, False, False]
    assert not is_late(Settled())


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("lena", "l***a"),
        ("Al", "A***"),
        ("x", "***"),
        ("陈小宇", "陈*宇"),
        ("陈宇", "陈*"),
        ("陈", "*"),
        ("欧阳娜娜", "欧*娜"),
        ("👩x👧", "👩***👧"),
        # A character that Unicode has no name for.
        ("a\u0007b", "a***b"),
    ],
)
def test_a_name_in_the_chat_is_masked(name: str, masked: str) -> None:
    """Its owner knows it, nobody else does."""
    assert mask_name(name) == masked


@pytest.mark.parametrize(
    ("state", "attempt", "had_money", "shown"),
    [
        ("created", 1, False, "created"),
        ("created", 2, False, "declined"),
        ("authorised", 2, True, "authorised"),
        ("declined", 1, False, "declined"),
        ("voided", 1, True, "voided"),
        ("voided", 1, False, "closed"),
        ("captured", 1, True, "captured"),
    ],
)
def test_a_buyer_reads_the_last_word_about_the_money(
    state: str, attempt: int, had_money: bool, shown: str
) -> None:
    """A fresh page after a refusal still says declined; an unused page is closed, not voided."""
    assert show_payment_state(state, attempt=attempt, had_money=had_money) == shown
