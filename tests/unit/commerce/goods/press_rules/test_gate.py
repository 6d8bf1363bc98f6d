"""What lets a press through at once, and that asking for it costs nobody a token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from commerce.goods.press_rules.model import Press, PressRules
from commerce.goods.press_rules.service import KnownIds, PressGate

HERE = Press("203.0.113.7", "room", 30_000)


class Sale(msgspec.Struct, frozen=True):
    """A sale with rules."""

    rules: PressRules | None
    id: str = "sale"
    room_id: str = "room"


async def ask(_question: Callable[[Any], Awaitable[Any]]) -> Any:
    """Know no id."""
    return frozenset()


@pytest.fixture
def gate() -> PressGate:
    return PressGate(ask, KnownIds(ask), lambda: 0)


def passes(gate: PressGate, rules: PressRules | None, press: Press = HERE, user: str = "u") -> bool:
    return gate.passes_at_once(Sale(rules), press, user_id=user)


def test_who_has_been_here_long_enough_passes(gate: PressGate) -> None:
    assert passes(gate, None, Press())
    assert passes(gate, PressRules(present_s=30))
    assert not passes(gate, PressRules(present_s=31))
    assert not passes(gate, PressRules(present_s=30), Press("203.0.113.7", "another", 30_000))
    assert passes(gate, PressRules(present_s=600), Press("203.0.113.7", None, 0, "good"))


def test_a_rule_that_asks_the_database_is_left_to_it(gate: PressGate) -> None:
    assert not passes(gate, PressRules(drop_limit=3))


async def test_each_passes_with_a_token_of_both_buckets_or_takes_none(gate: PressGate) -> None:
    rules = PressRules(presses_per_user_s=1, presses_per_address_s=3)
    assert [passes(gate, rules, user=user) for user in "aab"] == [True, False, True]
    # The second of `a` took nothing of the address: one more of it is left, and then none.
    assert [passes(gate, rules, user=user) for user in "cd"] == [True, False]
    refused = await gate.judge(Sale(rules), HERE, user_id="d", id="new")
    assert refused is not None
    assert refused.detail is not None
    assert refused.detail["rule"] == "presses_per_address"


def test_who_is_refused_for_absence_takes_no_token(gate: PressGate) -> None:
    rules = PressRules(present_s=60, presses_per_user_s=1)
    assert not passes(gate, rules)
    later = Press("203.0.113.7", "room", 60_000)
    assert passes(gate, rules, later)
