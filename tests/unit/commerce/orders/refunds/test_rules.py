"""How much goes back, and which units with it."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce.kernel.errors import CommerceError
from commerce.orders.refunds.model import (
    LineWish,
    Refundable,
    RefundWish,
    ReturnedLine,
    SoldLine,
    TakenBack,
)
from commerce.orders.refunds.rules import (
    check_refundable,
    check_wish,
    decide_taken_back,
    hash_request,
    plan_refund,
)

LINES = [SoldLine("a", 2, 2, 2_000), SoldLine("b", 1, 1, 500), SoldLine("c", 1, 0, 700)]
LEFT = 2_500
GOLDEN = "859636ebd0e47d7004376f2c758834a6759f41a5a35fc71da7874837cb4213a3"


def wish(**fields: Any) -> RefundWish:
    """Return a wish with a reason."""
    return RefundWish(**{"reason": "broken", **fields})


def refusal(wish: RefundWish, left_minor: int = LEFT) -> CommerceError:
    """Return what refuses the wish."""
    with pytest.raises(CommerceError) as caught:
        plan_refund(wish, LINES, left_minor)
    return caught.value


def test_without_amount_and_lines_all_that_is_left_goes_back() -> None:
    plan = plan_refund(wish(), LINES, LEFT)
    assert (plan.amount_minor, plan.lines) == (LEFT, [("a", 2), ("b", 1)])


def test_an_amount_alone_takes_no_goods() -> None:
    plan = plan_refund(wish(amount_minor=100), LINES, LEFT)
    assert (plan.amount_minor, plan.lines) == (100, [])


def test_lines_cost_what_they_were_bought_for() -> None:
    plan = plan_refund(wish(lines=[LineWish("a", 1), LineWish("b")]), LINES, LEFT)
    assert (plan.amount_minor, plan.lines) == (1_500, [("a", 1), ("b", 1)])


def test_lines_can_come_back_for_less() -> None:
    plan = plan_refund(wish(amount_minor=300, lines=[LineWish("b")]), LINES, LEFT)
    assert (plan.amount_minor, plan.lines) == (300, [("b", 1)])


def test_whoever_takes_the_last_money_takes_the_last_goods() -> None:
    plan = plan_refund(wish(amount_minor=LEFT, lines=[LineWish("b")]), LINES, LEFT)
    assert plan.lines == [("a", 2), ("b", 1)]


@pytest.mark.parametrize(
    "fields",
    [
        {"amount_minor": LEFT + 1},
        {"lines": [LineWish("a", 3)]},
        {"lines": [LineWish("c")]},
    ],
)
def test_more_than_is_left_is_refused(fields: dict[str, Any]) -> None:
    assert refusal(wish(**fields)).code == "refund_too_large"


def test_what_is_left_of_a_line_is_said() -> None:
    error = refusal(wish(lines=[LineWish("a", 3)]))
    assert error.detail == {"reservation": "a", "left": 2}


def test_the_smallest_refund_is_one_minor_unit() -> None:
    plan = plan_refund(wish(amount_minor=1), LINES, LEFT)
    assert (plan.amount_minor, plan.lines) == (1, [])


def test_nothing_is_left_of_nothing() -> None:
    error = refusal(wish(), left_minor=0)
    assert (error.code, error.detail) == ("refund_too_large", {"left_minor": 0})


def test_lines_worth_more_than_the_money_left_are_refused() -> None:
    """After a discount given back earlier, the amount has to be said."""
    error = refusal(wish(lines=[LineWish("a")]), left_minor=1_900)
    assert error.detail == {"left_minor": 1_900}


def test_a_line_of_another_order_is_refused() -> None:
    error = refusal(wish(lines=[LineWish("z")]))
    assert (error.code, error.detail) == ("invalid_request", {"field": "lines"})


def test_goods_that_cost_nothing_need_an_amount() -> None:
    with pytest.raises(CommerceError, match="cost nothing") as caught:
        plan_refund(wish(lines=[LineWish("a")]), [SoldLine("a", 1, 1, 0)], LEFT)
    assert caught.value.detail == {"field": "lines"}


@pytest.mark.parametrize(
    "fields",
    [
        {"reason": "  "},
        {"reason": "x" * 501},
        {"amount_minor": 0},
        {"lines": [LineWish("a", 0)]},
        {"lines": [LineWish("a"), LineWish("a", 1)]},
        {"lines": [LineWish(str(number)) for number in range(21)]},
    ],
)
def test_an_impossible_wish_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(CommerceError) as caught:
        check_wish(wish(**fields))
    assert caught.value.code == "invalid_request"
    assert caught.value.detail == {"field": next(iter(fields))}


@pytest.mark.parametrize(
    "fields",
    [
        {"amount_minor": 1, "lines": [LineWish("a"), LineWish("b", 2)]},
        {"reason": "x"},
        {"reason": "x" * 500},
        {"lines": [LineWish("a", 1)]},
        {"lines": [LineWish(str(number)) for number in range(20)]},
    ],
)
def test_a_sound_wish_passes(fields: dict[str, Any]) -> None:
    check_wish(wish(**fields))


def test_money_must_be_there_before_it_goes_back() -> None:
    money = Refundable("p", "captured", "CNY", 100)
    assert check_refundable("paid", money) is money
    assert check_refundable("refunded", money) is money
    for state, found in (("awaiting_payment", money), ("paid", None), ("expired", money)):
        with pytest.raises(CommerceError) as caught:
            check_refundable(state, found)
        assert (caught.value.code, caught.value.detail) == ("wrong_state", {"state": state})
    with pytest.raises(CommerceError) as caught:
        check_refundable("paid", Refundable("p", "authorised", "CNY", 100))
    assert (caught.value.code, caught.value.retryable) == ("not_captured", True)


def test_the_hash_tells_wishes_apart_and_not_their_order() -> None:
    lines = [LineWish("a", 1), LineWish("b")]
    assert hash_request(wish(lines=lines)) == hash_request(wish(lines=lines[::-1]))
    wishes = [wish(), wish(amount_minor=1), wish(lines=lines), wish(restock=True)]
    assert len({hash_request(one) for one in [*wishes, wish(reason="other")]}) == 5
    units = [wish(lines=[LineWish("a", qty)]) for qty in (None, 1, 2)]
    assert len({hash_request(one) for one in units}) == 3


def test_the_hash_is_stored_and_so_never_changes() -> None:
    """Whoever repeats an old request under a newer version still meets it."""
    asked = wish(reason="碎了", amount_minor=5, lines=[LineWish("a"), LineWish("b", 2)])
    assert hash_request(asked) == GOLDEN


@given(st.lists(st.tuples(st.integers(1, 3_000), st.integers(0, 3)), max_size=12))
def test_parts_never_add_up_to_more_than_the_whole(parts: list[tuple[int, int]]) -> None:
    """Whatever is asked in whatever order: money and units stay within the order."""
    left_minor, left = LEFT, {line.reservation: line.left for line in LINES}
    for amount_minor, qty in parts:
        lines = [msgspec.structs.replace(one, left=left[one.reservation]) for one in LINES]
        named = [LineWish("a", qty)] if qty else []
        try:
            plan = plan_refund(wish(amount_minor=amount_minor, lines=named), lines, left_minor)
        except CommerceError:
            continue
        left_minor -= plan.amount_minor
        for name, units in plan.lines:
            left[name] -= units
        assert left_minor >= 0
        assert min(left.values()) >= 0
        if left_minor == 0:
            assert set(left.values()) == {0}


@given(
    st.integers(1, 7), st.integers(0, 5_000), st.lists(st.integers(1, 7), max_size=7), st.booleans()
)
def test_the_units_of_a_line_give_back_what_was_paid_for_them(
    qty: int, total_minor: int, steps: list[int], has_more: bool
) -> None:
    """Unit by unit or at once, to the cent; and never a cent of another line."""
    left, back_minor = qty, 0
    for step in [*steps, qty]:
        units = min(step, left)
        if units == 0:
            break
        line = SoldLine("a", qty, left, total_minor)
        left_minor = total_minor - back_minor + (1 if has_more else 0)
        with contextlib.suppress(CommerceError):  # Units that cost nothing give nothing back.
            plan = plan_refund(wish(lines=[LineWish("a", units)]), [line], left_minor)
            back_minor += plan.amount_minor
        left -= units
    assert left > 0 or back_minor == total_minor


def returned(**figures: int) -> ReturnedLine:
    """Return a line of three units of which a refund is done."""
    plain = {"qty": 3, "done": 0, "done_restock": 0, "refunded": 0, "restocked": 0}
    return ReturnedLine(reservation="a", pool_id="p", sale_id="s", **{**plain, **figures})


@pytest.mark.parametrize(
    ("line", "back"),
    [
        (returned(done=1), (1, 0)),
        (returned(done=1, done_restock=1), (1, 1)),
        (returned(done=2, done_restock=1, refunded=1, restocked=1), (2, 1)),
        (returned(done=3, done_restock=2), (3, 2)),
        (returned(done=4, done_restock=2), (3, 2)),
        (returned(done=6, done_restock=6), (3, 3)),
        (returned(done=6, done_restock=3, refunded=3), (3, 3)),
        (returned(done=1, refunded=1), None),
        (returned(done=2, done_restock=1, refunded=2, restocked=1), None),
        (returned(done=5, done_restock=4, refunded=3, restocked=3), None),
    ],
)
def test_units_come_back_as_often_as_there_are(
    line: ReturnedLine, back: tuple[int, int] | None
) -> None:
    assert decide_taken_back(line) == (back and TakenBack("a", *back))


@given(st.permutations([(1, True), (1, False), (2, True), (2, False)]), st.integers(1, 6))
def test_what_comes_back_does_not_depend_on_who_comes_first(
    refunds: list[tuple[int, bool]], qty: int
) -> None:
    """Each step only adds, and the end is that of all at once."""
    line = returned(qty=qty)
    for units, restock in refunds:
        line = msgspec.structs.replace(
            line, done=line.done + units, done_restock=line.done_restock + units * restock
        )
        back = decide_taken_back(line)
        if back is not None:
            assert line.refunded <= back.refunded <= qty
            assert line.restocked <= back.restocked <= back.refunded
            line = msgspec.structs.replace(line, refunded=back.refunded, restocked=back.restocked)
    assert (line.refunded, line.restocked) == (min(6, qty), min(3, qty))
