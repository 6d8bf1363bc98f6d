"""Serve the crowd with `broadcast` of the websockets library, without compression, on uvloop."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast
from websockets.asyncio.server import serve as serve_websockets

from tests.bench.fanout.publisher import PAYLOAD_BYTES, Publisher, say, stamped_text


async def contend(progress_path: str, clients: int) -> None:
    """Serve until stdin ends."""
    members: set[ServerConnection] = set()

    async def join(connection: ServerConnection) -> None:
        members.add(connection)
        try:
            await connection.wait_closed()
        finally:
            members.discard(connection)

    async def publish(stamp_ns: int) -> None:
        broadcast(members, stamped_text(stamp_ns, PAYLOAD_BYTES))
        await asyncio.sleep(0)  # The transports write at the end of the loop's turn.

    async with serve_websockets(join, "127.0.0.1", 0, compression=None, backlog=2048) as server:
        say("listening", port=next(iter(server.sockets)).getsockname()[1])
        await Publisher(progress_path, clients, publish).run()


if __name__ == "__main__":
    uvloop.run(contend(sys.argv[1], int(sys.argv[2])))
