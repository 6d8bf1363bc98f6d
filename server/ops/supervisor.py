"""Run all of Hubbub on one machine: servers, migrations, gateways, worker and media process.

Invariant: the parent runs no uvicorn and holds no business; when it ends, nothing of it is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec

from server.ops.accounts import Say
from server.ops.children import Children, DeathCount, Role
from server.ops.embedded import Embedded, prepare_data_folder
from server.ops.errors import EXIT_USAGE, OperationalError
from server.ops.listeners import open_listener, reserve_port
from server.ops.restart import SIGNAL as RESTART_SIGNAL
from server.ops.restart import ServeNotice
from server.settings import Settings, to_environment

WATCH_S = 0.5  # How soon a dead embedded server is noticed.
ROLES = ("all", "gateway", "worker", "media")
LOOPBACK = "127.0.0.1"

log = logging.getLogger(__name__)


class Steps(msgspec.Struct, frozen=True):
    """What the outermost layer lends the supervisor: each talks to the database."""

    check: Callable[[Settings], Awaitable[object]]  # Raises OperationalError when out of reach.
    migrate: Callable[[Settings], Awaitable[None]]
    seed: Callable[[Settings], Awaitable[None]]
    has_demo_logins: Callable[[Settings], Awaitable[bool]]
    greeting: Callable[[Settings], str]


class Supervisor:
    """One `hubbub serve`, from the taken port to the last stopped server."""

    def __init__(self, settings: Settings, *, role: str, steps: Steps, say: Say) -> None:
        self._settings = settings
        self._role = role
        self._steps = steps
        self._say = say
        self._stop = asyncio.Event()
        self._deaths = DeathCount()
        self._children: Children | None = None
        self._restart_asked: asyncio.Event | None = None
        self._media_at: tuple[str, int] | None = None  # Where our own media process listens.

    async def run(self) -> None:
        """Serve until SIGTERM, SIGINT or SIGHUP. Raises OperationalError with one clear line."""
        self._catch_signals()
        settings = self._settings
        with contextlib.ExitStack() as held:
            if self._role in {"all", "gateway"}:
                reserved, port = reserve_port(settings.host, settings.port)
                held.enter_context(reserved)
                settings = msgspec.structs.replace(settings, port=port)
            settings = self._place_media(settings, held)
            embedded = self._prepare_embedded(settings)
            if embedded is not None:
                held.callback(embedded.stop)
                await asyncio.to_thread(embedded.start, self._say)
                settings = msgspec.structs.replace(
                    settings,
                    database_url=settings.database_url or embedded.database_url,
                    redis_url=settings.redis_url or embedded.redis_url,
                )
            if await self._until_stopped(self._prepare(settings)):
                await self._serve(settings, embedded)

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._ask_to_stop)
        loop.add_signal_handler(RESTART_SIGNAL, self._ask_to_restart)

    def _ask_to_restart(self) -> None:
        if self._restart_asked is None:
            log.warning("not serving yet: this order to restart is ignored")
        elif self._restart_asked.is_set():
            log.warning("a restart is under way: this order for another is ignored")
        else:
            self._restart_asked.set()

    def _ask_to_stop(self) -> None:
        if self._stop.is_set() and self._children is not None:
            self._children.kill()
        self._stop.set()

    def _place_media(self, settings: Settings, held: contextlib.ExitStack) -> Settings:
        """Return the settings with the media process's address, on a loopback port of our own.

        With an address given, the process with `--role media` is there, and only it is us.
        """
        if settings.media_backend != "builtin":
            if self._role == "media":
                raise OperationalError(
                    "--role media needs HUBBUB_MEDIA_BACKEND=builtin.", exit_code=EXIT_USAGE
                )
            return settings
        if settings.media_url is not None:
            if self._role == "media":
                self._media_at = (settings.host, media_port(settings))
                held.enter_context(reserve_port(*self._media_at)[0])
            return settings
        if self._role != "all":
            raise OperationalError(
                f"--role {self._role} needs HUBBUB_MEDIA_URL, the address of the media process.",
                exit_code=EXIT_USAGE,
            )
        reserved, port = reserve_port(LOOPBACK, 0)
        held.enter_context(reserved)
        self._media_at = (LOOPBACK, port)
        return msgspec.structs.replace(settings, media_url=f"http://{LOOPBACK}:{port}")

    def _prepare_embedded(self, settings: Settings) -> Embedded | None:
        with_database, with_redis = settings.database_url is None, settings.redis_url is None
        if not (with_database or with_redis):
            return None
        if self._role != "all":
            raise OperationalError(
                f"--role {self._role} needs HUBBUB_DATABASE_URL and HUBBUB_REDIS_URL, "
                "so that all machines share them.",
                exit_code=EXIT_USAGE,
            )
        return Embedded(settings.data, with_database=with_database, with_redis=with_redis)

    async def _prepare(self, settings: Settings) -> None:
        await self._steps.check(settings)
        await self._steps.migrate(settings)
        if settings.demo:
            await self._steps.seed(settings)
        elif await self._steps.has_demo_logins(settings):
            raise OperationalError(
                "this database has the demo logins, whose passwords are published; "
                "serve it with --demo, or use another database.",
                exit_code=EXIT_USAGE,
            )

    async def _serve(self, settings: Settings, embedded: Embedded | None) -> None:
        listeners = {"gateway": partial(open_listener, settings.host, settings.port)}
        if self._media_at is not None:
            listeners["media"] = partial(open_listener, *self._media_at)
        children = self._children = Children(
            to_environment(settings),
            self._deaths,
            listeners=listeners,
        )
        roles = plan(self._role, settings.gateways, has_media=self._media_at is not None)
        ready = [asyncio.Event() for _ in roles]
        notice = ServeNotice(prepare_data_folder(settings.data))
        try:
            async with asyncio.TaskGroup() as tasks:
                kept = [
                    tasks.create_task(children.keep(role, event), name=f"keep-{role.name}")
                    for role, event in zip(roles, ready, strict=True)
                ]
                if embedded is not None:
                    kept.append(tasks.create_task(self._watch(embedded), name="watch-embedded"))
                if await self._until_stopped(_all_set(ready)):
                    asked = self._restart_asked = asyncio.Event()
                    notice.publish()
                    restarts = self._restart_when_asked(children, asked, notice)
                    kept.append(tasks.create_task(restarts, name="restarts"))
                    self._say(self._steps.greeting(settings))
                await self._stop.wait()
                await children.stop()
                for task in kept:
                    task.cancel()
        except BaseExceptionGroup as failures:
            # One clear line is what the operator gets; whatever fell with it goes to the log.
            operational, others = failures.split(OperationalError)
            if operational is None:
                raise
            if others is not None:
                log.error("more failed while the program ended", exc_info=others)
            raise _first(operational) from None
        finally:
            await asyncio.shield(children.stop())
            notice.remove()

    async def _restart_when_asked(
        self, children: Children, asked: asyncio.Event, notice: ServeNotice
    ) -> None:
        """Replace all children whenever somebody asks; a restart that fails ends nothing else."""
        while True:
            await asked.wait()
            log.info("restarting")
            try:
                notice.begin()
                await children.restart(notice.add)
            except OperationalError as error:
                log.error("the restart failed: %s", error)
                notice.end("failed", str(error))
            except OSError:  # No notice could be written: the data folder is full, or gone.
                log.exception("the restart failed")
            else:
                log.info("restarted")
                notice.end("restarted", "all processes are replaced")
            asked.clear()

    async def _watch(self, embedded: Embedded) -> None:
        """Start an embedded server again when it died; recovery is its own."""
        while True:
            await asyncio.sleep(WATCH_S)
            for server in embedded.dead():
                log.error("server died", extra={"child": server.name, "pid": server.pid})
                await asyncio.sleep(self._deaths.add(server.name, time.monotonic()))
                await asyncio.to_thread(server.start, self._say)

    async def _until_stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do the work, or leave it when a signal comes first; return whether it was done."""
        doing = asyncio.ensure_future(work)
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({doing, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                doing.result()
            return doing.done() and not self._stop.is_set()
        finally:
            for task in (doing, stopped):
                task.cancel()
            await asyncio.gather(doing, stopped, return_exceptions=True)


def plan(role: str, gateways: int, *, has_media: bool = False) -> list[Role]:
    """Return the children of a role. Names carry a random part: machines share one Redis."""
    run = uuid4().hex[:4]
    names = []
    if role in {"all", "gateway"}:
        names += [Role("gateway", f"g{number}-{run}") for number in range(1, gateways + 1)]
    if role in {"all", "worker"}:
        names.append(Role("worker", f"w1-{run}"))
    if has_media:
        names.append(Role("media", f"m1-{run}"))
    return names


def media_port(settings: Settings) -> int:
    """Return the port in the media process's address."""
    parts = urlsplit(settings.media_url or "")
    return parts.port or (443 if parts.scheme == "https" else 80)


async def _all_set(events: list[asyncio.Event]) -> None:
    for event in events:
        await event.wait()


def _first(failures: BaseExceptionGroup[OperationalError]) -> OperationalError:
    found: BaseException = failures
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, OperationalError)
    return found
