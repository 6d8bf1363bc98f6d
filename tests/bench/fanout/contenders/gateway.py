"""Serve the crowd with our own gateway: the product's protocol class under uvicorn and uvloop.

The room's log, snapshots and tokens come from memory, because PostgreSQL is not on the fan-out's
path; Redis is the real one. At saturation a pass is what a tick does, back to back: lines are put
into the room, composed and framed once, and written to every member in slices. At a pace, a sale
event goes the whole way: publish, Redis, link, room, sockets.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque

import uvloop

from realtime.gateway.gateway import Gateway
from realtime.gateway.limits import GatewayLimits
from realtime.protocol.messages import ChatLine, LogEntry, build_chat, build_sale, build_sale_event
from realtime.rooms.ladder import LadderLimits
from realtime.rooms.limits import RoomLimits
from realtime.rooms.ticker import Pass
from server.ops import collector
from tests.bench.fanout.publisher import PAYLOAD_BYTES, Publisher, say, stamped_text
from tests.integration.realtime.house import House, eventually, now_ms, serve

ROOM_ID = "r1"
# The ladder would do its work on a process that is saturated on purpose: tick more rarely, and send
# the crowd away, which has no tokens. What is measured here is what there is to give up.
LIMITS = GatewayLimits(rooms=RoomLimits(ladder=LadderLimits(look_ms=10**9)))


async def write_chat_pass(gateway: Gateway, lines: list[ChatLine]) -> None:
    """Do what a tick does for one room; the only place that knows how a tick is made."""
    hub = gateway.hub
    active = hub._active.get(ROOM_ID)
    if active is None:
        return
    active.room.say(lines, dropped=0)
    blob, count = active.room.compose_tick()
    active.is_in_pass = True  # The room's own tick waits meanwhile, as it does for its own pass.
    loop = asyncio.get_running_loop()
    walk = Pass(active.room.pass_order(), blob, count, loop.time())
    passes = deque([(active, walk)])
    while passes:
        await hub._ticker._advance(passes, loop)


def chat_line(number: int, text: str) -> ChatLine:
    """Make a line as a viewer would have written it."""
    return ChatLine(f"l{number:07}", f"guest-{number % 1000:04}", "Ann", text, (), now_ms())


class GatewayContender:
    """What the publisher's commands do to the gateway."""

    def __init__(self, gateway: Gateway, house: House) -> None:
        self._gateway = gateway
        self._house = house
        self._lines = 1
        self._count = 0
        # So much text makes a frame of one line as long as everybody's.
        spare = PAYLOAD_BYTES - len(build_chat(0, [chat_line(0, "")], 0))
        self._chat_chars = spare
        event = LogEntry(100, "announcement", b'{"text":""}', now_ms())
        self._sale_chars = PAYLOAD_BYTES - len(build_sale(100, [build_sale_event(event)]))

    def lines(self, words: list[str]) -> None:
        """Put so many lines into each frame from now on."""
        self._lines = int(words[0])

    async def saturate(self, stamp_ns: int) -> None:
        """Write one pass of chat."""
        self._count += 1
        text = stamped_text(stamp_ns, self._chat_chars)
        lines = [chat_line(self._count, text) for _ in range(self._lines)]
        await write_chat_pass(self._gateway, lines)

    async def announce(self, stamp_ns: int) -> None:
        """Publish one sale event through Redis."""
        text = stamped_text(stamp_ns, self._sale_chars)
        entry = self._house.commit("announcement", {"text": text})
        await self._gateway.publisher.sale(ROOM_ID, [entry])

    async def chat(self, stamp_ns: int) -> None:
        """Publish one chat line through Redis; it leaves with the room's next tick."""
        self._count += 1
        line = chat_line(self._count, stamped_text(stamp_ns, self._chat_chars))
        await self._gateway.publisher.lines(ROOM_ID, [line], dropped=0)


async def contend(redis_url: str, prefix: str, progress_path: str, clients: int) -> None:
    """Serve until stdin ends."""
    house = House()
    async with serve(house, redis_url, prefix, limits=LIMITS) as served:
        await eventually(lambda: served.gateway.link_ok)
        contender = GatewayContender(served.gateway, house)
        publisher = Publisher(progress_path, clients, contender.saturate)
        publisher.paced_by(contender.announce, beside=contender.chat)
        counters = served.gateway.counters
        publisher.on("heard", lambda _: say("heard", messages=counters.bus_messages_in))
        publisher.on("offset", lambda _: say("offset", offset=house.offset))
        publisher.on("lines", contender.lines)
        collector.take_over()  # As the real program does once it listens.
        say("listening", port=served.port)
        await publisher.run()


if __name__ == "__main__":
    uvloop.run(contend(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
