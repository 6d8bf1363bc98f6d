"""Run one gateway: uvicorn on its own listener, drained before uvicorn closes its sockets.

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
from server.ops.listeners import BACKLOG_CONNECTIONS
from server.settings import Settings

# The last goodbye is planned for 30 s (`DrainLimits.goodbyes_s_max`); the rest is slack.
DRAIN_S_MAX = 35.0
# The drain's first turn marks the process, one accepts, one more serves what was accepted.
ACCEPT_TURNS = 3
GRACEFUL_S = 3  # For answers under way once everybody was told to leave.


class GatewayParts(Protocol):
    """What the wiring builds for one gateway process."""

    @property
    def app(self) -> Any:
        """The ASGI application."""

    @property
    def ws_class(self) -> type[asyncio.Protocol]:
        """The protocol class for WebSocket upgrades, as uvicorn's `ws=` takes it."""

    def count_frames(self) -> int:
        """Return how many frames were written to viewers so far."""

    async def run(self) -> None:
        """Do the long-lived work until cancelled; returning or raising ends the process."""

    async def drain(self) -> None:
        """Turn readiness red and give every viewer a moment to come back elsewhere."""

    async def shutdown(self) -> None:
        """Let go of connections."""


BuildGateway = Callable[[Settings, str], Awaitable[GatewayParts]]


async def run_gateway(
    settings: Settings,
    name: str,
    *,
    listener: socket.socket,
    build: BuildGateway,
    on_ready: Callable[[], None],
) -> None:
    """Serve until SIGTERM or SIGINT, then drain; return when nothing is left.

    Raises what a long-lived task raised.
    """
    parts = await build(settings, name)
    try:
        server = _DrainingServer(_uvicorn_config(settings, parts), parts, on_ready)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.ask_to_exit)
        async with asyncio.TaskGroup() as tasks:
            collecting = tasks.create_task(collector.run(parts.count_frames), name="collector")
            work = tasks.create_task(_run_for_ever(parts), name="gateway-work")
            await server.serve(sockets=[listener])
            end_within()
            work.cancel()
            collecting.cancel()
    finally:
        await parts.shutdown()


async def _run_for_ever(parts: GatewayParts) -> None:
    await parts.run()
    raise RuntimeError("the gateway's long-lived work ended by itself")


def _uvicorn_config(settings: Settings, parts: GatewayParts) -> uvicorn.Config:
    return uvicorn.Config(
        parts.app,
        ws=parts.ws_class,
        http=BoundedHttp,
        lifespan="off",  # Start-up and shutdown are ours: they belong outside the server's loop.
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        backlog=BACKLOG_CONNECTIONS,
        timeout_graceful_shutdown=GRACEFUL_S,
    )


class _DrainingServer(uvicorn.Server):
    """A uvicorn server whose signals are ours and which drains before it closes sockets."""

    def __init__(
        self, config: uvicorn.Config, parts: GatewayParts, on_ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._parts = parts
        self._on_ready = on_ready

    def ask_to_exit(self) -> None:
        """Stop at the next turn of the main loop; a second time, without waiting."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve without uvicorn's signal handlers, which raise the signal again afterwards."""
        await self._serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, then take the collector over."""
        await super().startup(sockets=sockets)
        collector.take_over()
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connections, let the viewers go, then close what is left."""
        drain = asyncio.create_task(self._drain(), name="gateway-drain")
        # What waits to be accepted is taken first: closing a listener would reset it. From here on
        # newcomers are told to come back, and in a restart the successor has the same listener.
        for _ in range(ACCEPT_TURNS):
            await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        await drain
        await super().shutdown(sockets=sockets)

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(DRAIN_S_MAX):
                await self._parts.drain()
        except TimeoutError:
            self.force_exit = True
