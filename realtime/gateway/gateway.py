"""Put one gateway process together: rooms and what happens in them, commands, the timing wheel.

`run` owns every task of the process's real-time side; when one dies, all end, and so does `run`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from realtime.brokers.ports import Broker, Link
from realtime.chat.service import ChatService
from realtime.delivery.service import DeliveryService
from realtime.gateway.commands import CommandDesk
from realtime.gateway.inbox import Inbox
from realtime.gateway.limits import GatewayLimits
from realtime.gateway.wheel import TimingWheel
from realtime.likes.service import LikeService
from realtime.presence.service import PresenceService
from realtime.protocol.counters import Counters
from realtime.rooms.hub import Hub
from realtime.rooms.ports import (
    Authenticator,
    ChatStore,
    CommandHandler,
    DeliveryStore,
    LikeStore,
    Process,
    RoomSource,
)
from realtime.rooms.publisher import RoomPublisher

WHEEL_TURN_S = 1.0


# From the peer's address and its `X-Forwarded-For`, if any, to the client's address.
AddressOf = Callable[[str, str | None], str]


def peer_address(peer: str, _forwarded: str | None) -> str:
    """Return the peer's own address: no proxy is believed."""
    return peer


class GatewayPorts(msgspec.Struct, frozen=True):
    """What the server brings."""

    source: RoomSource
    authenticator: Authenticator
    commands: CommandHandler
    chats: ChatStore
    likes: LikeStore
    deliveries: DeliveryStore
    address_of: AddressOf = peer_address


class Gateway:
    """One gateway process. Build it inside the running loop, `run` it, then accept connections."""

    def __init__(
        self,
        process: Process,
        *,
        ports: GatewayPorts,
        broker: Broker,
        link: Link,
        limits: GatewayLimits | None = None,
    ) -> None:
        self.process = process
        self.limits = limits or GatewayLimits()
        self.authenticator = ports.authenticator
        self.address_of = ports.address_of
        self.publisher = RoomPublisher(broker)
        self.hub = Hub(
            process,
            source=ports.source,
            link=link,
            prefix=broker.prefix,
            limits=self.limits.rooms,
        )
        self.chat = ChatService(
            process,
            hub=self.hub,
            publisher=self.publisher,
            store=ports.chats,
            limits=self.limits.chat,
        )
        self.chat.load_share = lambda: self.hub.load.chat_share
        self.likes = LikeService(hub=self.hub, publisher=self.publisher, store=ports.likes)
        self.deliveries = DeliveryService(
            process,
            counters=self.hub.counters,
            store=ports.deliveries,
            limits=self.limits.delivery,
        )
        self.presence = PresenceService(
            process,
            hub=self.hub,
            broker=broker,
            on_processes=self.chat.share_room,
            every_s=self.limits.presence_every_s,
        )
        self.desk = CommandDesk(
            ports.commands,
            counters=self.hub.counters,
            in_flight_max=self.limits.commands_in_process_max,
        )
        self._loop = asyncio.get_running_loop()
        self.inbox = Inbox(self._loop)
        self.wheel: TimingWheel[Callable[[int], None]] = TimingWheel(self.uptime_ms() // 1000)
        self._tasks: asyncio.TaskGroup | None = None
        self._connections = 0

    @property
    def counters(self) -> Counters:
        """What happened since the start, as plain integers."""
        return self.hub.counters

    @property
    def link_ok(self) -> bool:
        """Whether messages between processes are known to arrive; readiness hangs on it."""
        return self.hub.link_ok

    @property
    def is_running(self) -> bool:
        """Whether `run` is serving."""
        return self._tasks is not None

    async def run(self) -> None:
        """Serve until cancelled. A failure of any part is raised, and ends the process."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self.hub.run(), name="gateway-hub")
                tasks.create_task(self.chat.run(), name="gateway-chat")
                tasks.create_task(self.likes.run(), name="gateway-likes")
                tasks.create_task(self.deliveries.run(), name="gateway-deliveries")
                tasks.create_task(self.presence.run(), name="gateway-presence")
                tasks.create_task(self._turn_forever(), name="gateway-wheel")
        finally:
            self._tasks = None

    async def drain(self) -> None:
        """Refuse newcomers and say goodbye to everybody else, each in a slot of its own."""
        await self.hub.drain()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Start a task that ends with the gateway; None when the gateway is ending already."""
        if self._tasks is not None:
            try:
                return self._tasks.create_task(work)
            except RuntimeError:
                pass  # The group is shutting down.
        work.close()
        return None

    def uptime_ms(self) -> int:
        """Return a clock that never jumps, for paces and time limits."""
        return int(self._loop.time() * 1000)

    def next_connection_id(self) -> str:
        """Name a connection; the name begins with the process's."""
        self._connections += 1
        return f"{self.process.name}-{self._connections}"

    async def _turn_forever(self) -> None:
        while True:
            await asyncio.sleep(WHEEL_TURN_S)
            uptime_ms = self.uptime_ms()
            for look_after in self.wheel.turn(uptime_ms // 1000):
                look_after(uptime_ms)
