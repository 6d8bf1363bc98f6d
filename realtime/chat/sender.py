"""Carry lines to a room's processes within its budget, in batches, whatever happens.

Viewers' lines and the house's (paid orders) share one budget, so that neither a talkative room
nor a sale of a thousand in one second makes more than a bounded rate of messages. A worker uses
this class as it is; a gateway's `ChatService` adds the people who are here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from realtime.brokers.ports import BrokerUnavailableError
from realtime.chat.rules import Budget, ChatLimits, Selection, next_budget, room_share, select_lines
from realtime.protocol.counters import Counters
from realtime.protocol.messages import ChatLine
from realtime.rooms.publisher import RoomPublisher


class Waiting:
    """What one room has yet to send."""

    def __init__(self) -> None:
        self.lines: list[ChatLine] = []
        self.budget: Budget | None = None
        self.overflow = 0


class LineSender:
    """Sends the lines of all rooms of one process; `flush` is called at the pace of the limits."""

    def __init__(
        self,
        now_ms: Callable[[], int],
        *,
        publisher: RoomPublisher,
        limits: ChatLimits,
        counters: Counters,
    ) -> None:
        self.processes: dict[str, int] = {}
        """Room id → how many processes share its budget, as presence last read it."""
        self.load_share: Callable[[], float] = lambda: 1.0
        """What a hot process carries of its share of every room, from 0 to 1."""
        self._now_ms = now_ms
        self._publisher = publisher
        self._limits = limits
        self._counters = counters
        self._waiting: dict[str, Waiting] = {}

    def share_room(self, room_id: str, processes: int | None) -> None:
        """Note how many processes share a room's budget; None when this one has left the room."""
        if processes is None:
            self.processes.pop(room_id, None)
        else:
            self.processes[room_id] = processes

    def carry(self, room_id: str, line: ChatLine) -> bool:
        """Take a line for the next flush; False when it is left out because too many wait."""
        waiting = self._waiting.setdefault(room_id, Waiting())
        if len(waiting.lines) < self._limits.waiting_lines_max:
            waiting.lines.append(line)
            return True
        waiting.overflow += 1
        return False

    async def flush(self) -> None:
        """Send what waits, of each room as much as its budget allows."""
        for room_id, waiting in list(self._waiting.items()):
            if waiting.lines:
                await self._send(room_id, waiting)
            elif self._is_idle(room_id, waiting):
                del self._waiting[room_id]

    def _is_idle(self, room_id: str, waiting: Waiting) -> bool:
        """Say whether a room may be forgotten: its budget is full again by then."""
        budget = waiting.budget
        return budget is None or self._now_ms() - budget.at_ms > 1000

    async def _send(self, room_id: str, waiting: Waiting) -> None:
        lines, waiting.lines = waiting.lines, []
        overflow, waiting.overflow = waiting.overflow, 0
        share = room_share(
            self._limits, processes=self.processes.get(room_id), load_share=self.load_share()
        )
        budget = next_budget(waiting.budget, now_ms=self._now_ms(), share=share)
        chosen = select_lines(lines, allowance=int(budget.lines))
        left = max(0.0, budget.lines - len(chosen.carried))
        waiting.budget = msgspec.structs.replace(budget, lines=left)
        dropped = chosen.dropped + overflow
        self._counters.chat_sampled_out += dropped
        self._counters.chat_collapsed += chosen.collapsed
        unheard = self._left_out(room_id, chosen)
        try:
            self._require_link()
            await self._publisher.lines(room_id, chosen.carried, dropped=dropped, unheard=unheard)
        except BrokerUnavailableError:
            self._counters.bus_publish_failures += 1
            self._show_here(room_id, chosen.carried, dropped=dropped)

    # What a gateway adds: the people who are here.

    def _left_out(self, room_id: str, chosen: Selection) -> Sequence[tuple[str, int]]:
        """Return who spoke unheard, where the room's other processes must know."""
        return ()

    def _require_link(self) -> None:
        """Raise `BrokerUnavailableError` when nothing published would come back."""

    def _show_here(self, room_id: str, lines: Sequence[ChatLine], *, dropped: int) -> None:
        """Show lines to those who are here, when the other processes miss them."""
