"""Serve the crowd with Starlette: an endpoint a connection, and a loop that sends to each."""

from __future__ import annotations

import sys

import uvloop
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.bench.fanout.contenders.asgi import serve_app
from tests.bench.fanout.publisher import PAYLOAD_BYTES, Publisher, stamped_text


async def contend(progress_path: str, clients: int) -> None:
    """Serve until stdin ends."""
    members: set[WebSocket] = set()

    async def join(socket: WebSocket) -> None:
        await socket.accept()
        members.add(socket)
        try:
            await socket.receive()
        except WebSocketDisconnect:
            pass
        finally:
            members.discard(socket)

    async def publish(stamp_ns: int) -> None:
        text = stamped_text(stamp_ns, PAYLOAD_BYTES)
        for socket in list(members):
            await socket.send_text(text)

    app = Starlette(routes=[WebSocketRoute("/ws/demo", join)])
    await serve_app(app, Publisher(progress_path, clients, publish))


if __name__ == "__main__":
    uvloop.run(contend(sys.argv[1], int(sys.argv[2])))
