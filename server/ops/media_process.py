"""Run the media process: the forwarder of live video, and how gateways steer it by HTTP.

Invariant: a long-lived task that dies ends the process; the supervisor starts another. One that
does not stop keeps it for a bounded time.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import uvicorn

from server.ops import collector
from server.ops.ending import end_within
from server.ops.http_protocol import BoundedHttp
from server.settings import Settings

GRACEFUL_S = 3  # For answers under way; the sessions themselves end with the process.


class MediaParts(Protocol):
    """What the wiring builds for the media process."""

    @property
    def app(self) -> Any:
        """The ASGI application that gateways call."""

    async def run(self) -> None:
        """Do the long-lived work until cancelled; returning or raising ends the process."""

    async def shutdown(self) -> None:
        """End all sessions and let go of connections."""


BuildMedia = Callable[[Settings, str], Awaitable[MediaParts]]


async def run_media(
    settings: Settings,
    name: str,
    *,
    listener: socket.socket,
    build: BuildMedia,
    on_ready: Callable[[], None],
) -> None:
    """Serve until SIGTERM or SIGINT; return when nothing is left.

    Raises what a long-lived task raised.
    """
    parts = await build(settings, name)
    try:
        config = uvicorn.Config(
            parts.app,
            ws="none",
            http=BoundedHttp,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACEFUL_S,
        )
        server = _MediaServer(config, on_ready)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.ask_to_exit)
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(_run_for_ever(parts), name="media-work")
            await server.serve(sockets=[listener])
            end_within()
            work.cancel()
    finally:
        await parts.shutdown()


async def _run_for_ever(parts: MediaParts) -> None:
    await parts.run()
    raise RuntimeError("the media process's long-lived work ended by itself")


class _MediaServer(uvicorn.Server):
    """A uvicorn server whose signals are ours."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    def ask_to_exit(self) -> None:
        """Stop at the next turn of the main loop; a second time, without waiting."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve without uvicorn's signal handlers, which raise the signal again afterwards."""
        await self._serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, and say so."""
        await super().startup(sockets=sockets)
        collector.let_go()
        self._on_ready()
