"""When granted money still buys the seat that it was for."""

from __future__ import annotations

from typing import Any

import pytest

from commerce.orders.checkout.model import CardLine, HoldState
from commerce.orders.checkout.rules import decide_card, decide_seat
from commerce.orders.payments.model import TooLate
from commerce.sales.group_buys.model import Team

NOW_MS = 1_000_000


def make_team(**overrides: Any) -> Team:
    """Return a team of three that forms for one more millisecond."""
    defaults: dict[str, Any] = {
        "id": "team",
        "sale_id": "s",
        "pool_id": "p",
        "room_id": "r",
        "need": 3,
        "joined": 2,
        "paid": 1,
        "state": "forming",
        "leader_id": "lena",
        "deadline_ms": NOW_MS + 1,
        "reason": None,
        "completed_by": None,
    }
    return Team(**{**defaults, **overrides})


def make_seat(**overrides: Any) -> HoldState:
    """Return a seat that waits for its money for one more millisecond."""
    defaults: dict[str, Any] = {
        "id": "a",
        "state": "paying",
        "decided_at_ms": 0,
        "release_at_ms": NOW_MS + 1,
        "is_extended": True,
    }
    return HoldState(**{**defaults, **overrides})


@pytest.mark.parametrize(
    "team",
    [
        make_team(),
        # The shop has completed it, or the others have paid: it forms no more, and has no deadline.
        make_team(state="formed"),
        make_team(state="formed", deadline_ms=NOW_MS),
    ],
)
def test_money_in_time_buys_the_seat(team: Team) -> None:
    """While the team forms before its deadline, and when it is formed."""
    assert decide_seat("awaiting_payment", make_seat(), team, NOW_MS) is None


@pytest.mark.parametrize(
    ("order", "seat", "team", "reason"),
    [
        ("paid", {}, {}, "already_paid"),
        ("awaiting_group", {}, {}, "already_paid"),
        ("cancelled", {}, {}, "order_cancelled"),
        ("expired", {}, {}, "order_expired"),
        ("awaiting_payment", {}, {"state": "failed"}, "group_failed"),
        # Nobody has ended it yet, but its time is over.
        ("awaiting_payment", {}, {"deadline_ms": NOW_MS}, "group_failed"),
        ("awaiting_payment", {"release_at_ms": NOW_MS}, {}, "hold_expired"),
        ("awaiting_payment", {"state": "held"}, {}, "hold_expired"),
        ("awaiting_payment", {"state": "released"}, {"state": "formed"}, "hold_expired"),
        # A team that failed says so, also of a seat that ended with it.
        ("awaiting_payment", {"state": "released"}, {"state": "failed"}, "group_failed"),
    ],
)
def test_money_that_comes_too_late_for_a_seat_says_why(
    order: str, seat: dict[str, Any], team: dict[str, Any], reason: str
) -> None:
    """The buyer reads this, and the money is let go."""
    told = decide_seat(order, make_seat(**seat), make_team(**team), NOW_MS)
    assert told == TooLate(reason)


def test_a_card_may_pay_up_to_its_limit_of_each_sale() -> None:
    """What it has paid before counts, and of a sale that it knows nothing of nothing does."""
    lines = [CardLine("new", 2, 2), CardLine("known", 1, 3)]
    assert decide_card(lines, {"known": 2})
    assert not decide_card(lines, {"known": 3})
    assert not decide_card(lines, {"known": 2, "new": 1})
    assert decide_card([], {})
