"""What a room's picture is doing, carried over Redis from whoever knows it to every gateway.

Invariant: what is told dies by itself soon after whoever tells it: a media process that was
killed leaves no room live.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec

from realtime.brokers.ports import Broker, BrokerUnavailableError
from realtime.rooms.hub import Hub

log = logging.getLogger(__name__)

# The media process tells four times within that.
TOLD_TTL_S = 2
# An engine that tells nothing itself: as long as a show may last.
ENGINE_TTL_S = 12 * 3600
FIELD = "now"
KEY = "video"

# How often news of a room is read, and how often each active room is, news or not.
NEWS_EVERY_S = 0.1
REFRESH_EVERY_S = 1.0


class Picture(msgspec.Struct, frozen=True, omit_defaults=False):
    """A room that somebody publishes into; not live is a picture that stands still."""

    live: bool
    since_ms: int | None = None
    viewers: int | None = None  # None: only the engine knows.
    codec: str | None = None
    bits_per_s: int = 0
    stalls: int = 0
    gives_way: bool = False

    def shown(self) -> dict[str, Any]:
        """Return what everybody in the room sees; the rest changes too often and is staff's."""
        told: dict[str, Any] = {
            "live": self.live,
            "since_ms": self.since_ms,
            "viewers": self.viewers,
            "codec": self.codec,
        }
        return told | {"gives_way": True} if self.gives_way else told


def picture_key(prefix: str, room_id: str) -> str:
    """Name the hash with a room's picture."""
    return f"{prefix}video:{room_id}"


async def tell_picture(
    broker: Broker, room_id: str, picture: Picture, ttl_s: int = TOLD_TTL_S
) -> None:
    """Tell what a room's picture is doing; raises BrokerUnavailableError."""
    key = picture_key(broker.prefix, room_id)
    await broker.put_field(key, FIELD, msgspec.json.encode(picture), ttl_s=ttl_s)


async def forget_picture(broker: Broker, room_id: str) -> None:
    """Tell that nobody publishes; raises BrokerUnavailableError."""
    await broker.drop_field(picture_key(broker.prefix, room_id), FIELD)


async def read_picture(broker: Broker, room_id: str) -> Picture | None:
    """Return a room's picture, or None when nobody publishes; raises BrokerUnavailableError."""
    fields = await broker.read_fields(picture_key(broker.prefix, room_id))
    if FIELD not in fields:
        return None
    try:
        return msgspec.json.decode(fields[FIELD], type=Picture)
    except ValueError:  # Another release's; it tells anew, or dies.
        return None


class PictureBoard:
    """Sets the `video` key of this process's rooms."""

    def __init__(self, broker: Broker, hub: Hub) -> None:
        self._broker = broker
        self._hub = hub
        self._dirty: set[str] = set()

    def hint(self, room_id: str, keys: set[str]) -> None:
        """Note that a room's picture has changed."""
        if KEY in keys or "*" in keys:
            self._dirty.add(room_id)

    async def run(self) -> None:
        """Read what is dirty, for ever."""
        waited_s = 0.0
        while True:
            await asyncio.sleep(NEWS_EVERY_S)
            waited_s += NEWS_EVERY_S
            if waited_s >= REFRESH_EVERY_S:
                waited_s = 0.0
                self._dirty.update(self._hub.active_rooms)
            if self._dirty:
                await self.read()

    async def read(self) -> None:
        """Read the rooms that have news. While Redis is away the last picture stands."""
        rooms, self._dirty = self._dirty, set()
        for room_id in rooms:
            try:
                picture = await read_picture(self._broker, room_id)
            except BrokerUnavailableError:
                return
            self._hub.set_state(room_id, "video", picture.shown() if picture else None)
