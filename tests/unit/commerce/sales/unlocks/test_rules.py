"""When a price falls, as pure functions."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from commerce.kernel.errors import CommerceError
from commerce.sales.unlocks.model import Unlock, UnlockTerms
from commerce.sales.unlocks.rules import check_unlock, decide_outcome, falls_with, is_over

ENDS = 1_000_000
OPEN = Unlock("s", "p", "r", 30, 5_900, "charge", "open", "open", ENDS, 28)


@pytest.mark.parametrize(
    ("units", "price_minor", "field"),
    [
        (1, 5_900, "unlock.units"),
        (101, 5_900, "unlock.units"),
        (30, 7_900, "unlock.price_minor"),
        (30, 0, "unlock.price_minor"),
    ],
)
def test_what_could_never_come_true_is_named(units: int, price_minor: int, field: str) -> None:
    with pytest.raises(CommerceError) as refused:
        check_unlock(UnlockTerms(units, price_minor), plain_minor=7_900, quantity=100)
    assert refused.value.detail == {"field": field}


@pytest.mark.parametrize(("units", "price_minor"), [(2, 1), (100, 7_899)])
def test_the_ends_of_the_ranges_are_in_them(units: int, price_minor: int) -> None:
    check_unlock(UnlockTerms(units, price_minor), plain_minor=7_900, quantity=100)


@pytest.mark.parametrize(
    ("changes", "now_ms", "outcome"),
    [
        ({}, ENDS - 1, "open"),
        ({}, ENDS, "missed"),
        ({"sale_state": "ended"}, 0, "missed"),
        ({"sale_state": "cancelled"}, 0, "missed"),
        ({"sale_state": "halted"}, 0, "open"),
        ({"state": "unlocked"}, ENDS, "unlocked"),
        ({"state": "missed"}, 0, "missed"),
    ],
)
def test_the_clock_alone_ends_it_and_what_is_decided_stays(
    changes: dict[str, Any], now_ms: int, outcome: str
) -> None:
    unlock = msgspec.structs.replace(OPEN, **changes)
    assert decide_outcome(unlock, now_ms) == outcome
    assert is_over(OPEN, ENDS) is True


@pytest.mark.parametrize(
    ("qty", "now_ms", "falls"), [(1, 0, False), (2, 0, True), (2, ENDS, False)]
)
def test_the_unit_that_is_enough_lets_it_fall_in_time_alone(
    qty: int, now_ms: int, falls: bool
) -> None:
    assert falls_with(OPEN, qty, now_ms) is falls
    decided = msgspec.structs.replace(OPEN, state="unlocked")
    assert falls_with(decided, qty, now_ms) is False
