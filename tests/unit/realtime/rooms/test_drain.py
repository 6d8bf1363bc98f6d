"""The slots of a drain: nobody is stormed, however many leave, however late the loop is."""

from __future__ import annotations

import msgspec
import pytest

from realtime.rooms.drain import DrainLimits, DrainPlan

LIMITS = DrainLimits()
STARTED_MS = 5000.0
STEP_MS = 20
WINDOW_MS = 2000


def play(
    members: int, *, limits: DrainLimits = LIMITS, hang_ms: int = 0, newcomers_per_s: int = 0
) -> tuple[list[float], list[float]]:
    """Let the whole drain happen; return the moments of goodbyes and of returns, from its start.

    With `hang_ms` the loop stands still for that long, half a second into the drain.
    """
    plan = DrainPlan(members, limits=limits, started_ms=STARTED_MS)
    goodbyes, returns = [], []
    told, newcomers, now_ms = 0, 0, STARTED_MS
    while told < members:
        passed_ms = now_ms - STARTED_MS
        due = plan.due(now_ms)
        for index in range(told, due):
            goodbyes.append(passed_ms)
            returns.append(passed_ms + plan.retry_ms(index, now_ms))
        told = due
        while newcomers < passed_ms * newcomers_per_s / 1000:
            returns.append(passed_ms + plan.newcomer_retry_ms(now_ms))
            newcomers += 1
        hang_begins = hang_ms and 500 <= passed_ms < 500 + STEP_MS
        now_ms += hang_ms if hang_begins else STEP_MS
    return goodbyes, sorted(returns)


def most_in_a_window(moments: list[float], window_ms: int = WINDOW_MS) -> int:
    """Return how many moments the fullest window has."""
    most, first = 0, 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= window_ms:
            first += 1
        most = max(most, last - first + 1)
    return most


def share(limits: DrainLimits, window_ms: int = WINDOW_MS) -> float:
    """Return how many returns a window may have; one slot lies on its edge."""
    return limits.returns_per_s * window_ms / 1000 + 2


@pytest.mark.parametrize("members", [1, 7, 350, 3000, 20_000])
@pytest.mark.parametrize("newcomers_per_s", [0, 60, 1000])
def test_no_window_sees_more_than_its_share_of_returns(members: int, newcomers_per_s: int) -> None:
    goodbyes, returns = play(members, newcomers_per_s=newcomers_per_s)
    assert len(goodbyes) == members
    for window_ms in (100, 500, WINDOW_MS):
        assert most_in_a_window(returns, window_ms) <= share(LIMITS, window_ms)


def test_a_loop_that_hangs_does_not_move_the_slots() -> None:
    hang_ms = LIMITS.come_back_ms
    assert play(2000, hang_ms=hang_ms)[1] == pytest.approx(play(2000)[1], abs=1)


@pytest.mark.parametrize(
    "limits",
    [
        # Everybody at once, and everybody the same pause: what a server does that just closes.
        msgspec.structs.replace(LIMITS, returns_per_s=1e9),
        msgspec.structs.replace(LIMITS, returns_per_s=2 * LIMITS.returns_per_s),
    ],
    ids=["no spread", "twice the rate"],
)
def test_the_bound_sees_a_storm(limits: DrainLimits) -> None:
    _, returns = play(3000, limits=limits)
    assert most_in_a_window(returns) > share(LIMITS)


@pytest.mark.parametrize("members", [100, 20_000])
def test_goodbyes_are_spread_evenly_and_end_in_time(members: int) -> None:
    goodbyes, returns = play(members)
    assert goodbyes[-1] <= LIMITS.goodbyes_s_max * 1000
    per_step = members / (goodbyes[-1] / STEP_MS + 1)
    assert most_in_a_window(goodbyes, STEP_MS) <= per_step + 2
    assert len(set(returns)) > members * 0.9


def test_a_drain_lasts_as_long_as_its_members_need() -> None:
    durations = [
        DrainPlan(members, limits=LIMITS, started_ms=0).goodbyes_ms / 1000
        for members in (0, 280, 2800, 20_000)
    ]
    assert durations == pytest.approx([0, 1, 10, LIMITS.goodbyes_s_max])


def test_nobody_is_away_longer_than_needed_when_all_goodbyes_fit() -> None:
    goodbyes, returns = play(3000)
    away_ms = [back - out for out, back in zip(goodbyes, returns, strict=True)]
    assert max(away_ms) <= LIMITS.come_back_ms + STEP_MS
    assert min(away_ms) >= LIMITS.come_back_ms - STEP_MS


def test_a_newcomer_does_not_wait_behind_everybody() -> None:
    plan = DrainPlan(20_000, limits=LIMITS, started_ms=STARTED_MS)
    waits = [plan.newcomer_retry_ms(STARTED_MS) for _ in range(71)]
    assert waits[0] == LIMITS.come_back_ms
    assert waits == sorted(set(waits))
    assert waits[-1] <= LIMITS.come_back_ms + 1000
    assert plan.newcomer_retry_ms(STARTED_MS + 60_000) == LIMITS.come_back_ms
