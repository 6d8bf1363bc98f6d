"""When the money for a seat in a team comes too late, and why."""

from __future__ import annotations

from typing import Any

import pytest

from commerce.orders.checkout.rules import decide_seat
from commerce.orders.payments.model import TooLate
from commerce.sales.group_buys.model import Team
from tests.unit.commerce.orders.checkout.test_rules import NOW_MS, make_state


def make_team(**overrides: Any) -> Team:
    """Return a team that still forms, for one more millisecond."""
    defaults: dict[str, Any] = {
        "id": "g",
        "sale_id": "s",
        "pool_id": "p",
        "room_id": "r",
        "need": 2,
        "joined": 1,
        "paid": 0,
        "state": "forming",
        "leader_id": "lena",
        "deadline_ms": NOW_MS + 1,
        "reason": None,
        "completed_by": None,
    }
    return Team(**{**defaults, **overrides})


@pytest.mark.parametrize(
    ("order", "hold", "team", "why"),
    [
        ("awaiting_payment", {}, {}, None),
        ("paid", {}, {}, "already_paid"),
        ("awaiting_group", {}, {}, "already_paid"),
        ("cancelled", {}, {}, "order_cancelled"),
        ("expired", {}, {}, "order_expired"),
        ("awaiting_payment", {}, {"deadline_ms": NOW_MS}, "group_failed"),
        ("awaiting_payment", {}, {"deadline_ms": NOW_MS - 1}, "group_failed"),
        ("awaiting_payment", {}, {"state": "failed"}, "group_failed"),
        # A team that is complete has no deadline any more.
        ("awaiting_payment", {}, {"state": "complete", "deadline_ms": NOW_MS - 1}, None),
        ("awaiting_payment", {"state": "held"}, {}, "hold_expired"),
        ("awaiting_payment", {"state": "expired"}, {}, "hold_expired"),
        ("awaiting_payment", {"release_at_ms": NOW_MS}, {}, "hold_expired"),
        ("awaiting_payment", {"release_at_ms": NOW_MS + 1}, {}, None),
        # What a buyer reads first is what happened to the order, then to the team.
        ("paid", {"state": "expired"}, {"state": "failed"}, "already_paid"),
        ("awaiting_payment", {"state": "expired"}, {"state": "failed"}, "group_failed"),
    ],
)
def test_money_for_a_seat_is_in_time_or_says_why_not(
    order: str, hold: dict[str, Any], team: dict[str, Any], why: str | None
) -> None:
    state = make_state(**{"state": "paying", **hold})
    said = decide_seat(order, state, make_team(**team), NOW_MS)
    assert said == (None if why is None else TooLate(why))
