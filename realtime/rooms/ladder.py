"""Decide what a process gives up first when it has more to do than it can.

Pure. The ladder goes up one rung at a time while the process is hot, and down, more slowly, once it
is calm. What is sold is on no rung: sale events, commands and holds go on at every one.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec


class Rung(IntEnum):
    """What is given up, each rung with everything below it."""

    CALM = 0
    """Nothing."""
    CHAT = 1
    """Of the chat a quarter of the budget is carried."""
    STATE = 2
    """Numbers and chat leave half a second apart or more."""
    DOORS = 3
    """Visitors without a token are sent away with 4113; who is signed in comes in."""


class LadderLimits(msgspec.Struct, frozen=True):
    """When a process counts as hot and as calm."""

    look_ms: int = 1000
    """How often the load is looked at: long enough to average over a burst of presses."""
    hot_busy: float = 0.85
    """Share of one core; the event loop uses one, and needs the rest for peaks."""
    hot_lag_ms: int = 100
    """The loop wakes up this late: a press already waits as long as a shortest tick."""
    doors_lag_ms: int = 500
    """The same before people are refused: a machine that is busy with something else makes the loop
    late too, and fewer viewers would not help it much."""
    calm_busy: float = 0.60
    """Low enough that the rung below does not make the process hot at once."""
    calm_lag_ms: int = 50
    """A loop that is this punctual keeps up."""
    hot_looks: int = 3
    """Hot looks in a row before the next rung up."""
    calm_looks: int = 5
    """Calm looks in a row before the next rung down; viewers dislike a rhythm."""
    chat_share: float = 0.25
    """What is left of the chat budget from rung CHAT on."""
    state_tick_ms: int = 500
    """The shortest tick from rung STATE on."""


class Load(msgspec.Struct, frozen=True):
    """How hard a process worked since the last look."""

    busy: float
    """Processor time over time, of one core."""
    lag_ms: float
    """The most that a wake-up of the event loop was late."""


class Ladder(msgspec.Struct, frozen=True):
    """Where a process stands, and what points to the next rung."""

    rung: Rung = Rung.CALM
    hot: int = 0
    calm: int = 0


def next_ladder(ladder: Ladder, load: Load, limits: LadderLimits) -> Ladder:
    """Take one look into account; return where the process stands now."""
    hot_lag_ms = limits.hot_lag_ms if ladder.rung < Rung.STATE else limits.doors_lag_ms
    if load.busy >= limits.hot_busy or load.lag_ms >= hot_lag_ms:
        hot = ladder.hot + 1
        if hot >= limits.hot_looks and ladder.rung < Rung.DOORS:
            return Ladder(Rung(ladder.rung + 1))
        return Ladder(ladder.rung, hot=min(hot, limits.hot_looks))
    if load.busy <= limits.calm_busy and load.lag_ms <= limits.calm_lag_ms:
        calm = ladder.calm + 1
        if calm >= limits.calm_looks and ladder.rung > Rung.CALM:
            return Ladder(Rung(ladder.rung - 1))
        return Ladder(ladder.rung, calm=min(calm, limits.calm_looks))
    return Ladder(ladder.rung)


def chat_share(rung: Rung, limits: LadderLimits) -> float:
    """Return which share of a room's chat budget is carried."""
    return limits.chat_share if rung >= Rung.CHAT else 1.0


def shortest_tick_ms(rung: Rung, tick_min_ms: int, limits: LadderLimits) -> int:
    """Return how far apart two ticks of a room are at the least."""
    return max(tick_min_ms, limits.state_tick_ms) if rung >= Rung.STATE else tick_min_ms
