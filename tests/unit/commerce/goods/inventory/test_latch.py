"""What a process may answer by itself, for how long, and to whom not."""

from __future__ import annotations

import pytest

from commerce.goods.inventory import latch as latch_module
from commerce.goods.inventory.latch import (
    FORGOTTEN_AFTER_MS,
    LATCH_MS_MAX,
    RENEW_AFTER_MS,
    Latch,
    Latches,
)
from commerce.goods.inventory.model import Outcome, Refused, Request

STRANGER = Request("new", "sale", "user", 1)
OWNER = Request("mine", "sale", "owner", 1)


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.ms = 0

    def __call__(self) -> int:
        """Return the time in ms."""
        return self.ms


def latched(clock: Clock, *pools: str) -> Latches:
    """Return latches in which these pools are sold out now."""
    latches = Latches(clock)
    for pool in pools:
        set_latch(latches, clock, pool)
    return latches


def set_latch(latches: Latches, clock: Clock, pool: str) -> None:
    """Latch a pool as of now."""
    owned, sales = {OWNER.user_id: frozenset({OWNER.id})}, frozenset({STRANGER.sale_id})
    latch = Latch(Outcome.SOLD_OUT, 7, clock.ms, owned, sales)
    latches.set(pool, latch, clears=latches.clears_of(pool))


def press(latches: Latches, request: Request, pool: str = "a") -> Refused | None:
    """Return what the latch says to a press."""
    return latches.answer(
        pool, user_id=request.user_id, sale_id=request.sale_id, name_id=lambda: request.id
    )


def test_a_stranger_is_refused_with_the_version_while_the_reading_is_fresh() -> None:
    clock = Clock()
    latches = latched(clock, "a")
    clock.ms = LATCH_MS_MAX
    assert press(latches, STRANGER) is None, "one asks the database in time"
    refused = press(latches, STRANGER)
    assert refused is not None
    assert (refused.outcome, refused.version, refused.is_latched) == (Outcome.SOLD_OUT, 7, True)
    clock.ms += 1
    assert press(latches, STRANGER) is None


def test_one_press_renews_the_reading_while_the_others_are_answered() -> None:
    clock = Clock()
    latches = latched(clock, "a", "b")
    clock.ms = RENEW_AFTER_MS
    assert press(latches, STRANGER) is not None
    clock.ms += 1
    assert [press(latches, STRANGER) is None for _ in range(3)] == [True, False, False]
    assert press(latches, STRANGER, "b") is None, "each pool is read for itself"
    set_latch(latches, clock, "a")
    clock.ms += RENEW_AFTER_MS + 1
    assert [press(latches, STRANGER) is None for _ in range(2)] == [True, False]


def test_who_may_own_a_reservation_is_never_answered_from_the_latch() -> None:
    assert press(latched(Clock(), "a"), OWNER) is None


def test_an_owner_who_presses_for_more_is_answered() -> None:
    more = Request("another key", OWNER.sale_id, OWNER.user_id, 1)
    assert press(latched(Clock(), "a"), more) is not None


def test_the_id_of_a_press_is_derived_for_owners_alone() -> None:
    def must_not() -> str:
        pytest.fail("a stranger's press was hashed")

    latches = latched(Clock(), "a")
    answer = latches.answer("a", user_id="user", sale_id="sale", name_id=must_not)
    assert answer is not None


def test_another_sale_of_the_pool_is_not_answered() -> None:
    """It may have ended, or not have opened: nobody looked."""
    other = Request("new", "another sale", "user", 1)
    assert press(latched(Clock(), "a"), other) is None


def test_the_live_ids_of_a_version_are_read_once() -> None:
    latches = latched(Clock(), "a")
    known = latches.of_version("a", 7)
    assert known is not None
    assert known.owned == {OWNER.user_id: frozenset({OWNER.id})}
    assert latches.of_version("a", 8) is None
    assert latches.of_version("b", 7) is None


def test_a_pool_that_nobody_presses_for_is_forgotten_when_another_comes() -> None:
    clock = Clock()
    latches = latched(clock, "old", "young")
    clock.ms = FORGOTTEN_AFTER_MS
    set_latch(latches, clock, "young")
    clock.ms += 1
    set_latch(latches, clock, "new")
    assert [latches.of_version(pool, 7) is None for pool in ("old", "young", "new")] == [
        True,
        False,
        False,
    ]


def test_a_reading_from_before_a_unit_came_back_latches_nothing() -> None:
    """Whoever gives a unit back while others read that there is none may press for it at once."""
    clock = Clock()
    latches = latched(clock, "b")
    asked = {pool: latches.clears_of(pool) for pool in ("a", "b")}
    latches.clear("a")
    latch = Latch(Outcome.SOLD_OUT, 7, clock.ms, {}, frozenset({STRANGER.sale_id}))
    for pool, clears in asked.items():
        latches.set(pool, latch, clears=clears)
    assert press(latches, STRANGER, "a") is None
    assert press(latches, STRANGER, "b") is not None, "another pool's unit is no reason"
    set_latch(latches, clock, "a")
    assert press(latches, STRANGER, "a") is not None


def test_when_a_pool_was_cleared_is_forgotten_on_the_safe_side(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(latch_module, "POOLS_MAX", 2)
    clock = Clock()
    latches = latched(clock, "kept")
    asked = latches.clears_of("slow")
    latches.clears_of("other")
    set_latch(latches, clock, "new")
    slow = Latch(Outcome.SOLD_OUT, 7, clock.ms, {}, frozenset({STRANGER.sale_id}))
    latches.set("slow", slow, clears=asked)
    assert press(latches, STRANGER, "slow") is None, "it may have been cleared meanwhile"
    set_latch(latches, clock, "kept")
    assert press(latches, STRANGER, "kept") is not None


def test_a_clearing_is_seen_also_of_a_pool_that_was_forgotten_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(latch_module, "POOLS_MAX", 2)
    clock = Clock()
    latches = latched(clock, "kept")
    latches.clear("slow")
    asked = latches.clears_of("slow")
    latches.clears_of("other")
    set_latch(latches, clock, "new")  # With one more than are remembered.
    latches.clear("slow")
    slow = Latch(Outcome.SOLD_OUT, 7, clock.ms, {}, frozenset({STRANGER.sale_id}))
    latches.set("slow", slow, clears=asked)
    assert press(latches, STRANGER, "slow") is None


def test_where_owners_are_too_many_to_remember_only_a_stranger_is_refused() -> None:
    clock = Clock()
    latches = latched(clock, "b")
    latch = Latch(Outcome.SOLD_OUT, 7, clock.ms, None, frozenset({STRANGER.sale_id}))
    latches.set("a", latch, clears=latches.clears_of("a"))
    assert (latches.is_looked_up("a"), latches.is_looked_up("b")) == (True, False)
    assert press(latches, STRANGER) is None, "nobody has looked yet whether it owns a row"
    refused = latches.answer_stranger("a", STRANGER.sale_id)
    assert refused is not None
    assert (refused.outcome, refused.version, refused.is_latched) == (Outcome.SOLD_OUT, 7, True)
    assert latches.answer_stranger("a", "another sale") is None
    assert latches.answer_stranger("b", STRANGER.sale_id) is None, "its owners are known"
    clock.ms += RENEW_AFTER_MS + 1
    assert latches.answer_stranger("a", STRANGER.sale_id) is None, "one renews it"
    assert latches.answer_stranger("a", STRANGER.sale_id) is not None
    clock.ms += LATCH_MS_MAX
    assert latches.answer_stranger("a", STRANGER.sale_id, may_renew=False) is None
