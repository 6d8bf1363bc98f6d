"""Serve the crowd with python-socketio: one emit to everybody, over uvicorn and uvloop."""

from __future__ import annotations

import sys

import socketio
import uvloop

from tests.bench.fanout.contenders.asgi import serve_app
from tests.bench.fanout.publisher import PAYLOAD_BYTES, Publisher, stamped_text

# What Engine.IO and Socket.IO put around the text: `42["chat","…"]`.
ENVELOPE_BYTES = len('42["chat",""]')


async def contend(progress_path: str, clients: int) -> None:
    """Serve until stdin ends."""
    server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")

    async def publish(stamp_ns: int) -> None:
        await server.emit("chat", stamped_text(stamp_ns, PAYLOAD_BYTES - ENVELOPE_BYTES))

    await serve_app(socketio.ASGIApp(server), Publisher(progress_path, clients, publish))


if __name__ == "__main__":
    uvloop.run(contend(sys.argv[1], int(sys.argv[2])))
