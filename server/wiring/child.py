"""Be one of the children that `serve` keeps, from the link with the parent to the exit code.

Invariant: a child that ends because its work failed says why in its log, never on stderr.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec
import uvloop

from server.ops.errors import EXIT_FAILED, OperationalError
from server.ops.gateway_process import run_gateway
from server.ops.listeners import inherit_listener
from server.ops.logging import configure_logging
from server.ops.media_process import run_media
from server.ops.parent_link import ParentLink
from server.ops.worker_process import run_worker
from server.settings import Settings

# Each kind builds its own parts, so that none loads what only another needs.
# ruff: noqa: PLC0415

log = logging.getLogger(__name__)


class Child(msgspec.Struct, frozen=True):
    """What the parent told: kind, name, and the descriptors of its link and of the listener."""

    role: str
    name: str
    parent: int
    listener: int | None


def serve_as_child(child: Child, settings: Settings) -> int:
    """Do a child's work until it is told to stop; return the exit code."""
    link = ParentLink(child.parent)
    link.watch()
    configure_logging(settings.log, child.name)
    run = {"gateway": _run_gateway, "media": _run_media}.get(child.role, _run_worker)
    try:
        run(child, settings, link.tell_ready)
    except OperationalError:
        raise
    except (Exception, BaseExceptionGroup):
        log.exception("this process ends because its work failed")
        return EXIT_FAILED
    return 0


def _run_gateway(child: Child, settings: Settings, on_ready: Callable[[], None]) -> None:
    from server.wiring.gateway import build_gateway

    assert child.listener is not None, "the parent opens a gateway's listener"
    with inherit_listener(child.listener) as listener:
        work = run_gateway(
            settings, child.name, listener=listener, build=build_gateway, on_ready=on_ready
        )
        uvloop.run(work)


def _run_worker(child: Child, settings: Settings, on_ready: Callable[[], None]) -> None:
    from server.wiring.worker import build_worker

    uvloop.run(run_worker(settings, child.name, build=build_worker, on_ready=on_ready))


def _run_media(child: Child, settings: Settings, on_ready: Callable[[], None]) -> None:
    """Run on asyncio's own loop: uvloop drains a burst of packets without giving others a turn."""
    from server.wiring.recorded_media import build_recorded_media

    assert child.listener is not None, "the parent opens the media process's listener"
    with inherit_listener(child.listener) as listener:
        work = run_media(
            settings, child.name, listener=listener, build=build_recorded_media, on_ready=on_ready
        )
        asyncio.run(work)
