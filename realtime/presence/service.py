"""Report this process's viewers of each room and read the others'.

Counts are eventually right: within one report of a join, within `FRESH_MS` of a crash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from realtime.brokers.ports import Broker, BrokerUnavailableError
from realtime.presence.rules import Report, encode_report, fresh_reports
from realtime.rooms.hub import Hub
from realtime.rooms.ports import Process

# A room's hash outlives a pause of its processes, not the end of its show.
HASH_TTL_S = 60


def viewers_key(prefix: str, room_id: str) -> str:
    """Name the hash with a room's counts per process."""
    return f"{prefix}viewers:{room_id}"


async def count_viewers(broker: Broker, room_id: str, *, now_ms: int) -> int:
    """Return how many viewers a room has in all processes.

    Raises `BrokerUnavailableError`.
    """
    fields = await broker.read_fields(viewers_key(broker.prefix, room_id))
    return sum(fresh_reports(fields, now_ms=now_ms).values())


class PresenceService:
    """Keeps `Room.elsewhere` true for all rooms of one process."""

    def __init__(
        self,
        process: Process,
        *,
        hub: Hub,
        broker: Broker,
        on_processes: Callable[[str, int | None], None],
        every_s: float,
    ) -> None:
        self._process = process
        self._hub = hub
        self._broker = broker
        self._on_processes = on_processes
        self._every_s = every_s
        self._reported: set[str] = set()

    async def run(self) -> None:
        """Report and read until cancelled, then take this process's reports back."""
        try:
            while True:
                await self._report_all()
                await asyncio.sleep(self._every_s)
        finally:
            for room_id in self._reported:
                await self._withdraw(room_id)

    async def _report_all(self) -> None:
        active = set(self._hub.active_rooms)
        for room_id in active:
            await self._report(room_id)
        for room_id in self._reported - active:
            self._on_processes(room_id, None)
            await self._withdraw(room_id)
        self._reported = active

    async def _report(self, room_id: str) -> None:
        room = self._hub.room(room_id)
        if room is None or not self._hub.link_ok:
            return
        key = viewers_key(self._broker.prefix, room_id)
        name = self._process.name
        report = encode_report(Report(room.watching, self._process.now_ms()))
        try:
            await self._broker.put_field(key, name, report, ttl_s=HASH_TTL_S)
            fields = await self._broker.read_fields(key)
        except BrokerUnavailableError:
            # The last known counts of the others stay: better an old number than a jump.
            self._hub.counters.presence_failures += 1
            return
        counts = fresh_reports(fields, now_ms=self._process.now_ms())
        room.elsewhere = sum(count for process, count in counts.items() if process != name)
        self._on_processes(room_id, max(1, len(counts)))

    async def _withdraw(self, room_id: str) -> None:
        try:
            await self._broker.drop_field(
                viewers_key(self._broker.prefix, room_id), self._process.name
            )
        except BrokerUnavailableError:
            self._hub.counters.presence_failures += 1
