"""Each kind of difference, and what is none."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from commerce.orders.payments.model import ProviderPayment
from commerce.orders.reconciliation.model import Difference, Kind, OurPayment, Sums
from commerce.orders.reconciliation.rules import (
    DIFFERENCES_SHOWN_MAX,
    GRACE_MS,
    add_up,
    compare,
    report,
)

NOW_MS = 1_800_000_000_000
OLD_MS = NOW_MS - GRACE_MS


def mine(**fields: Any) -> OurPayment:
    """Return a captured payment of a paid order, long calm."""
    values: dict[str, Any] = {
        "id": "p1",
        "provider": "stripe",
        "provider_ref": "pi_1",
        "order_id": "o1",
        "order_state": "paid",
        "state": "captured",
        "amount_minor": 900,
        "currency": "CNY",
        "refunded_minor": 0,
        "created_at_ms": OLD_MS,
        "updated_at_ms": OLD_MS,
        "is_settling": False,
    }
    return OurPayment(**{**values, **fields})


def their(**fields: Any) -> dict[tuple[str, str], ProviderPayment]:
    """Return the same payment as Stripe lists it."""
    values: dict[str, Any] = {
        "provider_ref": "pi_1",
        "payment_id": "p1",
        "state": "captured",
        "amount_minor": 900,
        "currency": "CNY",
        "refunded_minor": 0,
        "created_at_ms": OLD_MS,
    }
    remote = ProviderPayment(**{**values, **fields})
    return {("stripe", remote.provider_ref): remote}


def kinds(ours: list[OurPayment], theirs: dict[tuple[str, str], ProviderPayment]) -> list[str]:
    """Return the kinds of what differs."""
    return [one.kind for one in compare(ours, theirs, now_ms=NOW_MS)]


def test_two_sides_that_agree_are_silent() -> None:
    assert kinds([mine()], their()) == []
    back = {"state": "refunded", "refunded_minor": 900, "order_state": "refunded"}
    assert kinds([mine(**back)], their(refunded_minor=900)) == []
    assert kinds([mine(refunded_minor=1)], their(refunded_minor=1)) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "kind"),
    [
        ({}, {"provider_ref": "pi_2"}, ["missing_there", "missing_here"]),
        ({}, {"amount_minor": 901}, ["other_amount"]),
        ({}, {"currency": "EUR"}, ["other_amount"]),
        ({"state": "authorised"}, {}, ["other_state"]),
        ({}, {"state": "voided"}, ["other_state"]),
        ({}, {"refunded_minor": 5}, ["other_refunds"]),
        ({"refunded_minor": 5}, {}, ["other_refunds"]),
        ({"order_state": "expired"}, {}, ["captured_not_paid"]),
        (
            {"state": "created", "order_state": "cancelled"},
            {},
            ["other_state", "captured_not_paid"],
        ),
    ],
)
def test_each_kind_is_found(ours: dict[str, Any], theirs: dict[str, Any], kind: list[str]) -> None:
    assert kinds([mine(**ours)], their(**theirs)) == kind


def test_late_money_that_went_back_is_no_difference() -> None:
    back = {"order_state": "expired", "state": "refunded", "refunded_minor": 900}
    assert kinds([mine(**back)], their(refunded_minor=900)) == []


@pytest.mark.parametrize("state", ["created", "declined", "voided"])
def test_attempts_without_money_agree_however_each_side_calls_it(state: str) -> None:
    assert kinds([mine(state=state, order_state="expired")], {}) == []
    theirs = their(state="voided")
    assert kinds([mine(state=state, order_state="expired")], theirs) == []


@pytest.mark.parametrize("fields", [{"updated_at_ms": OLD_MS + 1}, {"is_settling": True}])
def test_what_is_on_its_way_waits_but_not_other_money(fields: dict[str, Any]) -> None:
    theirs = their(state="authorised", refunded_minor=3, amount_minor=901)
    assert kinds([mine(**fields)], theirs) == ["other_amount"]
    assert kinds([mine(**fields)], their(provider_ref="pi_2")) == ["missing_here"]


@pytest.mark.parametrize(
    ("ours", "theirs", "kind", "said"),
    [
        ({}, None, "missing_there", ("captured 900 CNY", "")),
        ({}, {"amount_minor": 1}, "other_amount", ("900 CNY", "1 CNY")),
        ({}, {"state": "voided"}, "other_state", ("captured", "voided")),
        ({}, {"refunded_minor": 5}, "other_refunds", ("0", "5")),
        (
            {"order_state": "expired"},
            {},
            "captured_not_paid",
            ("order expired", "captured 900 CNY"),
        ),
    ],
)
def test_a_difference_says_both_sides(
    ours: dict[str, Any], theirs: dict[str, Any] | None, kind: Kind, said: tuple[str, str]
) -> None:
    remote = {} if theirs is None else their(**theirs)
    found = compare([mine(**ours)], remote, now_ms=NOW_MS)
    assert found == [Difference(kind, "stripe", "p1", "pi_1", "o1", *said)]


def test_what_only_the_provider_has_is_named_as_it_names_it() -> None:
    found = compare([], their(payment_id="p9", currency="EUR"), now_ms=NOW_MS)
    expected = Difference("missing_here", "stripe", "p9", "pi_1", None, "", "captured 900 EUR")
    assert found == [expected]


def test_sums_are_by_currency_and_side() -> None:
    ours = [
        mine(),
        mine(state="refunded", refunded_minor=900),
        mine(state="authorised"),
        mine(currency="EUR", amount_minor=7),
    ]
    theirs = {
        **their(refunded_minor=4),
        **their(provider_ref="pi_2", state="authorised", amount_minor=50),
        **their(provider_ref="pi_3", currency="USD", amount_minor=3),
    }
    assert add_up(ours, theirs) == [
        Sums("CNY", 1_800, 900, 900, 4),
        Sums("EUR", 7, 0, 0, 0),
        Sums("USD", 0, 0, 3, 0),
    ]


def test_a_capped_report_counts_all_and_lists_the_gravest() -> None:
    """What is cut off is of the least grave kind, and the report says that it was."""
    plain = Difference("other_state", "stripe", "p", "pi", "o", "a", "b")
    many = [plain] * DIFFERENCES_SHOWN_MAX
    whole = report(many, window=(1, 2), compared=7, older=3)
    assert (whole.ok, whole.truncated, whole.counts) == (False, False, {"other_state": len(many)})
    assert (whole.since_ms, whole.at_ms, whole.compared, whole.older) == (1, 2, 7, 3)

    worst = msgspec.structs.replace(plain, kind="captured_not_paid")
    capped = report([*many, worst], window=(1, 2), compared=7, older=3)
    assert capped.truncated
    assert capped.differences[0] == worst
    assert len(capped.differences) == DIFFERENCES_SHOWN_MAX
    assert capped.counts == {"captured_not_paid": 1, "other_state": len(many)}
    assert report([], window=(1, 2), compared=0, older=0).ok


def test_a_report_comes_without_sums_until_they_are_added() -> None:
    assert report([], window=(1, 2), compared=0, older=0).sums == []


def test_a_provider_names_what_it_granted_until_it_has_taken_the_lesser_sum() -> None:
    granted = mine(state="authorised", amount_minor=900, authorised_minor=1_900)
    assert compare([granted], their(state="authorised", amount_minor=1_900), now_ms=NOW_MS) == []
    taken = mine(amount_minor=900, authorised_minor=1_900)
    assert compare([taken], their(amount_minor=900), now_ms=NOW_MS) == []
    [differs] = compare([taken], their(amount_minor=1_900), now_ms=NOW_MS)
    assert differs.kind == "other_amount"


@pytest.mark.parametrize(
    ("ours", "theirs", "kind"),
    [
        # Taken whole where we want less: told to us soon, and then the difference goes back.
        ({"is_settling": True}, {}, []),
        ({"updated_at_ms": OLD_MS + 1}, {"amount_minor": 901}, []),
        ({"is_settling": True}, {"amount_minor": 1_001}, ["other_amount"]),
        ({"is_settling": True}, {"amount_minor": 899}, ["other_amount"]),
        ({"is_settling": True}, {"currency": "EUR"}, ["other_amount"]),
        ({"is_settling": True, "state": "captured"}, {}, ["other_amount"]),
        ({"is_settling": True, "authorised_minor": None}, {}, ["other_amount"]),
        # Nobody told us, and nothing is under way: a person has to look.
        ({}, {}, ["other_amount", "other_state"]),
    ],
)
def test_an_excess_waits_for_its_refund(
    ours: dict[str, Any], theirs: dict[str, Any], kind: list[str]
) -> None:
    fields = {"state": "authorised", "authorised_minor": 1_000, **ours}
    assert kinds([mine(**fields)], their(**{"amount_minor": 1_000, **theirs})) == kind
