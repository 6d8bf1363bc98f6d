"""Run an ASGI application of a contender under uvicorn, on a free port, until stdin ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import uvicorn

from tests.bench.fanout.publisher import Publisher, say


async def serve_app(app: Any, publisher: Publisher) -> None:
    """Serve with uvicorn's sans-I/O WebSocket protocol, without compression."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        lifespan="off",
        log_level="critical",  # Whoever is cut off at the end is of no interest.
        access_log=False,
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    say("listening", port=listener.getsockname()[1])
    await publisher.run()
    server.force_exit = True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            await server.shutdown(sockets=[listener])
