"""Money, ids and transitions."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce.kernel.errors import CommerceError, forbidden, invalid, not_found
from commerce.kernel.ids import ORDER_NAMESPACE, order_id, reservation_id, sale_id, uuid7
from commerce.kernel.money import Money
from commerce.kernel.transitions import Transitions

DOOR = Transitions("The door", {("open", "close"): "closed", ("closed", "open"): "open"})


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_uuid7_keeps_its_time_version_and_variant(now_ms: int, chance: bytes) -> None:
    made = uuid7(now_ms, chance)
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == now_ms


@given(st.integers(0, 2**48 - 2), st.binary(min_size=10, max_size=10))
def test_uuid7_of_a_later_moment_sorts_later(now_ms: int, chance: bytes) -> None:
    assert str(uuid7(now_ms, chance)) < str(uuid7(now_ms + 1, chance))


def test_uuid7_refuses_another_number_of_random_bytes() -> None:
    with pytest.raises(ValueError, match="10 random bytes"):
        uuid7(0, b"short")


def test_derived_ids_repeat_and_never_meet_each_other() -> None:
    made = {reservation_id("a", "b", "k"), order_id("a/b", "k"), sale_id("a", "b", "k")}
    assert len(made) == 3
    assert reservation_id("a", "b", "k") == reservation_id("a", "b", "k")


@given(st.text(max_size=30))
def test_derived_ids_are_plain_uuid5(key: str) -> None:
    assert order_id("u", key) == str(uuid.uuid5(ORDER_NAMESPACE, f"u/{key}"))


def test_money_adds_within_one_currency() -> None:
    assert Money(100, "CNY") + Money(1, "CNY") == Money(101, "CNY")
    assert Money(150, "CNY").times(3) == Money(450, "CNY")


def test_money_of_two_currencies_is_not_added() -> None:
    with pytest.raises(ValueError, match="cannot add EUR to CNY"):
        Money(1, "CNY") + Money(1, "EUR")


def test_transitions_follow_the_table_and_nothing_else() -> None:
    assert DOOR.next("open", "close") == "closed"
    assert DOOR.allows("closed", "open")
    assert not DOOR.allows("open", "open")
    assert DOOR.states == {"open", "closed"}
    with pytest.raises(CommerceError) as caught:
        DOOR.next("open", "open")
    assert caught.value.code == "wrong_state"
    assert caught.value.detail == {"state": "open"}


def test_common_errors_have_their_codes() -> None:
    assert not_found("sale").code == "not_found"
    assert forbidden("No.").code == "forbidden"
    assert invalid("No.", field="qty").detail == {"field": "qty"}
    assert invalid("No.").detail is None
