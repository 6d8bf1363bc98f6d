"""Add up likes per room and flush the sum twice a second.

The cost grows with processes and rooms, not with taps. A sum that cannot be stored is kept.
"""

from __future__ import annotations

import asyncio
import logging

from realtime.brokers.ports import BrokerUnavailableError
from realtime.rooms.hub import Hub
from realtime.rooms.ports import LikeStore
from realtime.rooms.publisher import RoomPublisher

log = logging.getLogger(__name__)

FLUSH_S = 0.5
# The store belongs to PostgreSQL; an addition that takes longer than this is a failed one.
STORE_TIMEOUT_S = 5.0


class LikeService:
    """Likes of all rooms of one process."""

    def __init__(self, *, hub: Hub, publisher: RoomPublisher, store: LikeStore) -> None:
        self._hub = hub
        self._publisher = publisher
        self._store = store
        self._counts: dict[str, int] = {}

    def add(self, room_id: str, count: int) -> None:
        """Add likes to a room's next flush."""
        self._counts[room_id] = self._counts.get(room_id, 0) + count
        self._hub.counters.likes += count

    async def run(self) -> None:
        """Flush until cancelled, then once more."""
        try:
            while True:
                await asyncio.sleep(FLUSH_S)
                await self._flush()
        finally:
            await self._flush()

    async def _flush(self) -> None:
        counts, self._counts = self._counts, {}
        for room_id, count in counts.items():
            try:
                async with asyncio.timeout(STORE_TIMEOUT_S):
                    total = await self._store.add(room_id, count)
            except Exception as error:  # Whatever the store raises, the likes are kept and retried.
                self._hub.counters.like_flush_failures += 1
                log.warning("Storing %d likes failed: %s", count, error)
                self._counts[room_id] = self._counts.get(room_id, 0) + count
                continue
            try:
                await self._publisher.likes(room_id, total)
            except BrokerUnavailableError:
                self._hub.counters.bus_publish_failures += 1
                self._hub.set_state(room_id, "likes", total)
