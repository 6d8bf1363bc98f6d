"""A world with its own clock and order of events, which a seed decides alone.

Invariant: nothing happens but events of one queue, in the order of their times; the same seed on
the pure core is the same story to the last event. Faults come until `HEAL_MS`; then the network is
whole, every process runs, and what is owed has to be paid.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import accumulate, count
from typing import TypeVar

import msgspec

from commerce.kernel.errors import CommerceError
from tests.simulation.core import Core

START_MS = 1_800_000_000_000
# Faults go on for a quarter of an hour: as long as a hold can last.
HEAL_MS = 900_000
# Holds end 15 min after their press at the latest, the sale after 30; retries follow within 5 min.
END_MS = 3_000_000
TRACE_MAX = 40
# How late a message may be: other messages, and whole retries, overtake it.
SLOW_MS = 20_000
QUICK_MS = 40
# When something happened, and what.
Event = tuple[int, str]
Told = TypeVar("Told")
Thing = TypeVar("Thing")


class LostConnectionError(Exception):
    """The connection broke; whether the work was committed nobody knows."""


class Killed(BaseException):
    """The process is gone in this moment."""


class Storm(msgspec.Struct, frozen=True):
    """How often each fault strikes, in parts of one."""

    drop: float
    duplicate: float
    delay: float
    lost_before: float
    lost_after: float
    late_commit: float
    kill_before: float
    kill_after: float
    provider_away: float
    provider_answer_lost: float
    kill_in_call: float

    def in_commit(self) -> list[float]:
        """Return the rates of what may break in one commit, summed up one by one."""
        rates = (
            self.kill_before,
            self.lost_before,
            self.late_commit,
            self.kill_after,
            self.lost_after,
        )
        return list(accumulate(rates))


CALM = Storm(*(0.0,) * len(Storm.__struct_fields__))


def draw_storm(dice: random.Random) -> Storm:
    """Draw a storm: every seed is hard on other things."""

    def rate(limit: float) -> float:
        return dice.choice([0.0, limit / 4, limit])

    return Storm(
        drop=rate(0.2),
        duplicate=rate(0.2),
        delay=rate(0.3),
        lost_before=rate(0.1),
        lost_after=rate(0.1),
        late_commit=rate(0.1),
        kill_before=rate(0.04),
        kill_after=rate(0.04),
        provider_away=rate(0.2),
        provider_answer_lost=rate(0.2),
        kill_in_call=rate(0.05),
    )


# Their places in `Storm.in_commit`; from the fourth on the work is done first.
KILLS_BEFORE, COMES_LATE, KILLS_AFTER = 0, 2, 3
BREAKS_AFTER = KILLS_AFTER


class Process:
    """Something that can be killed, and comes back empty-handed."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.life = 1
        self.is_up = True

    def die(self) -> None:
        """Lose everything that is not committed; a supervisor starts it again."""
        if not self.is_up:
            return
        self.is_up = False
        self.life += 1
        self.world.note(f"{self.name} is killed")
        self.world.after(self.world.between(500, 5_000), self.start)

    def start(self) -> None:
        """Begin with nothing."""
        self.is_up = True

    def soon(self, delay_ms: int, act: Callable[[], None]) -> None:
        """Do something later, unless this life is over by then."""
        life = self.life
        self.world.after(delay_ms, lambda: act() if self.life == life else None)


class World:
    """The clock, the events, the network, and the faults."""

    core: Core

    def __init__(self, seed: int) -> None:
        dice = random.Random(seed)
        self.roll = dice.random
        self._brew(draw_storm(dice))
        self.start_ms = self.now_ms = START_MS
        self._trace: deque[Event] = deque(maxlen=TRACE_MAX)
        self.faults = 0
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._next_number = count().__next__

    def note(self, text: str) -> None:
        """Remember what happened, for whoever has to find out why."""
        self._trace.append((self.now_ms, text))

    @property
    def trace(self) -> list[Event]:
        """The last events."""
        return list(self._trace)

    @property
    def is_healed(self) -> bool:
        """Whether nothing breaks any more."""
        return self.storm is CALM

    def heal(self) -> None:
        """Let nothing break from now on."""
        self._brew(CALM)

    def end(self) -> None:
        """Let go of everything: without cycles the memory of a sale is free at once."""
        self._queue.clear()
        del self.core

    def _brew(self, storm: Storm) -> None:
        self.storm = storm
        self._in_commit = storm.in_commit()
        self._calm_send = (1 - storm.drop) * (1 - storm.duplicate) * (1 - storm.delay)

    def between(self, lowest: int, highest: int) -> int:
        """Draw a whole number, both ends included; the library's way takes five times as long."""
        return lowest + int(self.roll() * (highest - lowest + 1))

    def pick(self, things: Sequence[Thing]) -> Thing:
        """Draw one of a few."""
        return things[int(self.roll() * len(things))]

    def after(self, delay_ms: int, act: Callable[[], None]) -> None:
        """Put an event into the queue."""
        heappush(self._queue, (self.now_ms + delay_ms, self._next_number(), act))

    def run_until(self, end_ms: int) -> None:
        """Let events happen until so long after the start."""
        until_ms = self.start_ms + end_ms
        queue, core = self._queue, self.core
        while queue and queue[0][0] <= until_ms:
            core.now_ms, _, act = heappop(queue)
            self.now_ms = core.now_ms
            act()
        self.now_ms = core.now_ms = until_ms

    def strikes(self, rate: float) -> bool:
        """Say whether a fault of this rate happens now."""
        if rate == 0 or self.roll() >= rate:
            return False
        self.faults += 1
        return True

    def send(self, act: Callable[[], None]) -> None:
        """Send a message: it may be lost, come twice, or overtake others."""
        calm, roll = self._calm_send, self.roll()
        if roll < calm:
            # Where in the calm part the roll fell says how long it takes: most messages are here,
            # so the calls that `after` and `between` would be are spared.
            at_ms = self.now_ms + 1 + int(roll / calm * QUICK_MS)
            heappush(self._queue, (at_ms, self._next_number(), act))
            return
        # At least one of the three strikes, each as often as by itself.
        storm, draw = self.storm, self.roll
        is_lost = is_twice = is_slow = False
        while not (is_lost or is_twice or is_slow):
            is_lost = draw() < storm.drop
            is_twice = draw() < storm.duplicate
            is_slow = draw() < storm.delay
        self.faults += 1
        if is_lost:
            self.note("a message is lost")
            return
        self.after(self.between(1, SLOW_MS if is_slow else QUICK_MS), act)
        if is_twice:
            self.after(self.between(1, SLOW_MS if self.strikes(storm.delay) else QUICK_MS), act)

    def commit(self, process: Process, work: Callable[[], Told]) -> Told:
        """Do work in the database for a process.

        Raises LostConnectionError with the work done, not done, or done some time later; raises
        Killed for the process, before or after. The caller lets Killed pass to `guarded`.
        """
        rates = self._in_commit
        roll = self.roll() if rates[-1] else 1.0
        if roll >= rates[-1]:
            return work()
        return self._break(process, work, bisect_right(rates, roll))

    def _break(self, process: Process, work: Callable[[], Told], fault: int) -> Told:
        """Let a commit meet a fault: the number of its rate in `Storm.in_commit`."""
        if fault < BREAKS_AFTER:
            self.faults += 1
            if fault == KILLS_BEFORE:
                raise Killed
            if fault == COMES_LATE:
                self.note(f"a commit of {process.name} comes late")
                self.after(self.between(1, 8_000), lambda: alone(work))
            raise LostConnectionError
        work()  # A refusal is told to its asker: nothing was committed, nothing breaks.
        self.faults += 1
        if fault == KILLS_AFTER:
            raise Killed
        self.note(f"the answer to a commit of {process.name} is lost")
        raise LostConnectionError

    def guarded(self, process: Process, act: Callable[[], None]) -> None:
        """Run a part of a process, and bury the process when it is killed in it."""
        try:
            act()
        except Killed:
            process.die()


def alone(work: Callable[[], object]) -> None:
    """Do work whose asker is gone: a refusal, too, is told to nobody."""
    try:
        work()
    except (CommerceError, Killed):
        return
