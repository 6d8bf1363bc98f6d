"""What a process may answer by itself, for how long, and to whom not."""

from __future__ import annotations

from commerce.goods.inventory.latch import FORGOTTEN_AFTER_MS, LATCH_MS_MAX, Latches
from commerce.goods.inventory.model import Outcome, Request

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
    live_ids = frozenset({OWNER.id})
    latches.set(pool, Outcome.SOLD_OUT, version=7, read_at_ms=clock.ms, live_ids=live_ids)


def test_a_stranger_is_refused_with_the_version_while_the_reading_is_fresh() -> None:
    clock = Clock()
    latches = latched(clock, "a")
    clock.ms = LATCH_MS_MAX
    refused = latches.answer("a", STRANGER)
    assert refused is not None
    assert (refused.outcome, refused.version, refused.is_latched) == (Outcome.SOLD_OUT, 7, True)
    clock.ms += 1
    assert latches.answer("a", STRANGER) is None


def test_who_may_own_a_reservation_is_never_answered_from_the_latch() -> None:
    assert latched(Clock(), "a").answer("a", OWNER) is None


def test_a_reading_of_the_same_version_keeps_the_live_ids() -> None:
    clock = Clock()
    latches = latched(clock, "a")
    assert latches.is_known("a", 7)
    assert not latches.is_known("a", 8)
    clock.ms = 1_000
    latches.set("a", Outcome.HELD_OUT, version=7, read_at_ms=clock.ms, live_ids=None)
    assert latches.answer("a", OWNER) is None
    assert latches.answer("a", STRANGER) is not None


def test_a_pool_that_nobody_presses_for_is_forgotten_when_another_comes() -> None:
    clock = Clock()
    latches = latched(clock, "old", "young")
    clock.ms = FORGOTTEN_AFTER_MS
    set_latch(latches, clock, "young")
    clock.ms += 1
    set_latch(latches, clock, "new")
    assert [latches.is_known(pool, 7) for pool in ("old", "young", "new")] == [False, True, True]
