"""What a process may answer by itself, for how long, and to whom not."""

from __future__ import annotations

from commerce.goods.inventory.latch import FORGOTTEN_AFTER_MS, LATCH_MS_MAX, Latch, Latches
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
    live, sales = frozenset({OWNER.id}), frozenset({STRANGER.sale_id})
    latches.set(pool, Latch(Outcome.SOLD_OUT, 7, clock.ms, live, sales))


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


def test_another_sale_of_the_pool_is_not_answered() -> None:
    """It may have ended, or not have opened: nobody looked."""
    other = Request("new", "another sale", "user", 1)
    assert latched(Clock(), "a").answer("a", other) is None


def test_the_live_ids_of_a_version_are_read_once() -> None:
    latches = latched(Clock(), "a")
    assert latches.live_ids("a", 7) == frozenset({OWNER.id})
    assert latches.live_ids("a", 8) is None
    assert latches.live_ids("b", 7) is None


def test_a_pool_that_nobody_presses_for_is_forgotten_when_another_comes() -> None:
    clock = Clock()
    latches = latched(clock, "old", "young")
    clock.ms = FORGOTTEN_AFTER_MS
    set_latch(latches, clock, "young")
    clock.ms += 1
    set_latch(latches, clock, "new")
    assert [latches.live_ids(pool, 7) is None for pool in ("old", "young", "new")] == [
        True,
        False,
        False,
    ]
