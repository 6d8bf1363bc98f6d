"""Watch how hard one process works, and keep it on the right rung of its ladder."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from realtime.protocol.counters import Counters
from realtime.rooms.ladder import Ladder, LadderLimits, Load, Rung, chat_share, next_ladder
from realtime.rooms.ports import Process
from realtime.rooms.ticker import Ticker

log = logging.getLogger(__name__)


class LoadWatch:
    """Looks at processor time and at the loop's punctuality, and climbs or descends."""

    def __init__(
        self, process: Process, *, ticker: Ticker, counters: Counters, limits: LadderLimits
    ) -> None:
        self._process = process
        self._ticker = ticker
        self._counters = counters
        self._limits = limits
        self._ladder = Ladder()

    @property
    def rung(self) -> Rung:
        """What this process gives up at the moment."""
        return self._ladder.rung

    @property
    def chat_share(self) -> float:
        """Which share of a room's chat budget this process carries at the moment."""
        return chat_share(self._ladder.rung, self._limits)

    async def run(self, on_change: Callable[[], None]) -> None:
        """Look once a second until cancelled; `on_change()` is called at every new rung."""
        loop = asyncio.get_running_loop()
        at_s, cpu_s = loop.time(), self._process.cpu_s()
        while True:
            await asyncio.sleep(self._limits.look_ms / 1000)
            now_s, now_cpu_s = loop.time(), self._process.cpu_s()
            busy = (now_cpu_s - cpu_s) / (now_s - at_s)
            at_s, cpu_s = now_s, now_cpu_s
            if self.note(Load(busy, self._ticker.take_lag_ms())):
                on_change()

    def note(self, load: Load) -> bool:
        """Take one look into account; return whether the process stands on another rung now."""
        before = self._ladder.rung
        self._ladder = next_ladder(self._ladder, load, self._limits)
        rung = self._ladder.rung
        if rung == before:
            return False
        sizes = f"{load.busy:.0%} of a core, {load.lag_ms:.0f} ms late"
        log.warning("Load rung %d, was %d: %s.", rung, before, sizes)
        self._counters.load_steps_up += rung > before
        self._counters.load_rung = int(rung)
        self._ticker.rung = rung
        return True
