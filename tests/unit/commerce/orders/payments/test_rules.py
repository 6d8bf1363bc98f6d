"""Which steps a report asks for, and when a failed call is tried again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce.kernel.errors import CommerceError
from commerce.orders.payments.model import (
    PAYMENT,
    REFUND,
    Payment,
    PaymentReport,
    Refund,
    RefundReport,
)
from commerce.orders.payments.rules import (
    ATTEMPTS_MAX,
    RETRY_MS_MAX,
    STEPS_TO,
    call_answered_by,
    check_amount,
    check_refund,
    decide_steps,
    excess_of,
    is_from,
    is_of_old_attempt,
    next_refund_state,
    next_retry_ms,
    standing,
    view_excess,
)


def make_report(state: str = "authorised", **overrides: Any) -> PaymentReport:
    """Return a report over ¥199."""
    defaults: dict[str, Any] = {
        "payment_id": "p",
        "provider_ref": "sp_1",
        "state": state,
        "amount_minor": 19_900,
        "currency": "CNY",
    }
    return PaymentReport(**{**defaults, **overrides})


@pytest.mark.parametrize(
    ("state", "reported", "steps"),
    [
        ("created", "authorised", ("authorise",)),
        ("created", "declined", ("decline",)),
        ("created", "voided", ("void",)),
        ("created", "captured", ("authorise", "capture")),
        ("declined", "authorised", ("authorise",)),
        ("declined", "captured", ("authorise", "capture")),
        ("authorised", "captured", ("capture",)),
        ("authorised", "voided", ("void",)),
    ],
)
def test_a_report_ahead_of_us_is_followed(
    state: str, reported: str, steps: tuple[str, ...]
) -> None:
    """Also over several steps, when a webhook in between is late or lost."""
    assert decide_steps(state, make_report(reported)) == steps


@pytest.mark.parametrize(
    ("state", "reported"),
    [
        ("created", "created"),
        ("authorised", "authorised"),
        ("authorised", "created"),
        ("authorised", "declined"),
        ("captured", "authorised"),
        ("captured", "voided"),
        ("declined", "voided"),
        ("voided", "authorised"),
        ("refunded", "captured"),
        ("captured", "refunded"),
        ("created", "refunded"),
        ("created", "unheard_of"),
    ],
)
def test_old_or_impossible_news_change_nothing(state: str, reported: str) -> None:
    """Duplicates, late and reordered reports, and words that we do not know."""
    assert decide_steps(state, make_report(reported)) == ()


@given(st.lists(st.sampled_from(sorted(STEPS_TO)), max_size=8))
def test_a_payment_walks_only_along_its_table(reports: list[str]) -> None:
    """Whatever is reported in whatever order, and a report twice is a report once."""
    state = "created"
    for reported in reports:
        for step in decide_steps(state, make_report(reported)):
            state = PAYMENT.next(state, step)
        assert decide_steps(state, make_report(reported)) == ()
    assert state in PAYMENT.states


def test_every_state_of_the_table_can_be_reported() -> None:
    """The way to each state is known."""
    assert set(STEPS_TO) == PAYMENT.states


def test_the_amount_has_to_fit() -> None:
    """Other money or another currency is refused."""
    payment = Payment("p", "o", "sandbox", None, None, 19_900, "CNY", "created")
    check_amount(payment, make_report())
    for other in ({"amount_minor": 1}, {"currency": "USD"}):
        with pytest.raises(CommerceError) as caught:
            check_amount(payment, make_report(**other))
        assert caught.value.code == "amount_mismatch"


def test_less_than_was_granted_is_taken_and_named_so_by_both() -> None:
    """Until then, and after a void, a provider names what it granted; a capture the lesser sum."""
    payment = Payment("p", "o", "sandbox", None, None, 9_900, "CNY", "authorised", 19_900)
    for state, amount_minor in (("authorised", 19_900), ("voided", 19_900), ("captured", 9_900)):
        check_amount(payment, make_report(state, amount_minor=amount_minor))
    for state, amount_minor in (("captured", 19_901), ("authorised", 19_899)):
        with pytest.raises(CommerceError):
            check_amount(payment, make_report(state, amount_minor=amount_minor))


def test_retries_slow_down_and_end() -> None:
    """One second first, five minutes at most, about a day in all."""
    pauses = [next_retry_ms(attempt) for attempt in range(1, ATTEMPTS_MAX)]
    assert pauses[:4] == [1_000, 2_000, 4_000, 8_000]
    assert max(pauses) == RETRY_MS_MAX
    assert next_retry_ms(ATTEMPTS_MAX) is None
    assert 86_000_000 < sum(pauses) < 100_000_000


def make_refund(state: str, *, ref: str | None = None, failed: tuple[str, ...] = ()) -> Refund:
    """Return a refund of 5."""
    return Refund(
        id="r",
        payment_id="p",
        order_id="o",
        amount_minor=5,
        currency="CNY",
        state=state,
        origin="person",
        reason="broken",
        restock=False,
        retries=len(failed),
        provider_ref=ref,
        failed_refs=failed,
    )


def test_a_refund_that_is_done_has_no_step_left() -> None:
    """Every state that can be left is named, and `done` is none of them."""
    assert REFUND.states == {"pending", "done", "failed"}
    assert {state for state, _ in REFUND.table} == {"pending", "failed"}


@pytest.mark.parametrize(
    ("refund", "reported", "ref", "wanted"),
    [
        (make_refund("pending"), "pending", "a", None),
        (make_refund("pending"), "done", "a", "done"),
        (make_refund("pending"), "failed", "a", "failed"),
        (make_refund("pending", ref="a"), "failed", "a", "failed"),
        (make_refund("pending", ref="b"), "failed", "a", None),
        (make_refund("pending", failed=("a", "b")), "failed", "a", None),
        (make_refund("pending", failed=("a", "b")), "failed", "c", "failed"),
        (make_refund("pending", failed=("a",)), "done", "a", "done"),
        (make_refund("failed", ref="a"), "done", "a", "done"),
        (make_refund("failed", ref="a"), "failed", "a", None),
        (make_refund("done", ref="a"), "failed", "a", None),
        (make_refund("done", ref="a"), "pending", "a", None),
    ],
)
def test_a_refund_follows_its_attempt_under_way(
    refund: Refund, reported: str, ref: str, wanted: str | None
) -> None:
    """Money that went is believed of any attempt, a failure of the one under way alone."""
    report = RefundReport("p", "r", ref, reported, 5, "CNY")
    assert next_refund_state(refund, report) == wanted


def test_an_order_stands_on_what_was_not_let_go() -> None:
    """Whatever the provider still has of the rest: it is on its way back."""
    kept, gone = make_payment(), make_payment(id="q", let_go_reason="already_paid")
    taken = make_payment(id="r", state="captured", let_go_reason="already_paid")
    assert standing([gone, kept, taken]) == [kept]


def test_what_is_taken_or_let_go_answers_its_call() -> None:
    """Any other state answers none of them."""
    answered = {state: call_answered_by(state) for state in PAYMENT.states}
    assert {state: kind for state, kind in answered.items() if kind is not None} == {
        "captured": "capture",
        "voided": "void",
    }


@pytest.mark.parametrize(
    ("provider", "ref", "is_theirs"),
    [
        ("sandbox", "sp_1", True),
        ("sandbox", None, True),
        ("sandbox", "sp_2", False),
        ("stripe", "sp_1", False),
        ("stripe", None, False),
        ("stripe", "sp_2", False),
    ],
)
def test_a_report_is_of_the_payment_that_its_provider_knows(
    provider: str, ref: str | None, is_theirs: bool
) -> None:
    """A payment that has no name there yet is taken at the provider's word."""
    payment = make_payment(provider=provider, provider_ref=ref)
    assert is_from(payment, "sandbox", make_report()) == is_theirs


def test_other_money_than_was_asked_to_go_back_is_refused() -> None:
    refund = make_refund("pending")
    check_refund(refund, RefundReport("p", "r", "a", "done", 5, "CNY"))
    for amount_minor, currency in ((4, "CNY"), (6, "CNY"), (5, "EUR")):
        with pytest.raises(CommerceError) as caught:
            check_refund(refund, RefundReport("p", "r", "a", "done", amount_minor, currency))
        assert caught.value.code == "amount_mismatch"


@pytest.mark.parametrize(
    ("refund", "ref", "is_old"),
    [
        (make_refund("pending", ref="b"), "a", True),
        (make_refund("pending", ref="b"), "b", False),
        (make_refund("pending", failed=("a",)), "a", True),
        (make_refund("pending", failed=("a",)), "b", False),
        (make_refund("pending", ref="a", failed=("a",)), "a", False),
    ],
)
def test_an_attempt_is_old_when_another_is_under_way_or_it_has_failed(
    refund: Refund, ref: str, is_old: bool
) -> None:
    assert is_of_old_attempt(refund, RefundReport("p", "r", ref, "failed", 5, "CNY")) == is_old


LOW = 9_900


def make_payment(**overrides: Any) -> Payment:
    """Return a payment of which ¥99 is to be taken, of ¥199 that were granted."""
    fields: dict[str, Any] = {
        "id": "p",
        "order_id": "o",
        "provider": "sandbox",
        "provider_ref": "sp_1",
        "url": None,
        "amount_minor": LOW,
        "currency": "CNY",
        "state": "authorised",
        "authorised_minor": 19_900,
    }
    return Payment(**{**fields, **overrides})


@pytest.mark.parametrize(
    ("payment", "report", "excess_minor"),
    [
        ({}, {}, 10_000),
        ({}, {"amount_minor": LOW + 1}, 1),
        ({}, {"amount_minor": LOW}, 0),
        ({}, {"amount_minor": LOW - 1}, 0),
        ({}, {"amount_minor": 19_901}, 0),
        ({}, {"currency": "EUR"}, 0),
        ({"state": "captured"}, {}, 0),
        ({"state": "created"}, {}, 0),
        ({"authorised_minor": None}, {}, 0),
        ({}, {"state": "authorised"}, 0),
    ],
)
def test_what_is_taken_beyond_the_price_is_of_what_was_granted(
    payment: dict[str, Any], report: dict[str, Any], excess_minor: int
) -> None:
    told = make_report(**{"state": "captured", **report})
    assert excess_of(make_payment(**payment), told) == excess_minor


def test_an_excess_is_no_other_amount_and_anything_else_is() -> None:
    check_amount(make_payment(), make_report("captured"))
    check_amount(make_payment(), make_report("authorised"))
    for wrong in ({"amount_minor": 19_901}, {"amount_minor": LOW - 1}, {"currency": "EUR"}):
        with pytest.raises(CommerceError, match="amount_mismatch"):
            check_amount(make_payment(), make_report("captured", **wrong))
    with pytest.raises(CommerceError, match="amount_mismatch"):
        check_amount(make_payment(state="captured"), make_report("captured"))


def test_a_buyer_is_told_how_much_too_much_was_taken() -> None:
    refund = Refund(
        id="r",
        payment_id="p",
        order_id="o",
        amount_minor=10_000,
        currency="CNY",
        state="pending",
        origin="excess",
        reason="captured_in_full",
        restock=False,
        retries=0,
    )
    assert view_excess(refund) == {
        "order": "o",
        "amount_minor": 10_000,
        "currency": "CNY",
        "state": "pending",
    }
