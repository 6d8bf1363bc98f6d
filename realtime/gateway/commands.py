"""Carry out the commands of clients, a bounded number at a time, and answer every one.

An expected refusal becomes its code; anything else becomes `internal` and one line in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from realtime.protocol.codec import frame_text
from realtime.protocol.counters import Counters
from realtime.protocol.errors import CommandError, refuse
from realtime.protocol.messages import Command, build_error, build_result
from realtime.rooms.ports import Caller, CommandHandler

log = logging.getLogger(__name__)


class Asker(Protocol):
    """The connection that waits for an answer."""

    def answer(self, frame: bytes) -> None:
        """Write the answer, unless the connection has gone meanwhile."""


class CommandDesk:
    """Runs commands of all connections of one process."""

    def __init__(self, handler: CommandHandler, *, counters: Counters, in_flight_max: int) -> None:
        self._handler = handler
        self._counters = counters
        self._in_flight_max = in_flight_max
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(
        self,
        asker: Asker,
        caller: Caller,
        command: Command,
        *,
        spawn: Callable[..., asyncio.Task[None] | None],
    ) -> None:
        """Start a command with `spawn`, unless it is refused at once, or there are enough."""
        self._counters.commands += 1
        try:
            self._handler.refuse_at_once(caller, command.command, command.args, command.key)
        except CommandError as error:
            self._counters.commands_refused += 1
            asker.answer(frame_text(build_error(command.id, error)))
            return
        task = None
        if len(self._tasks) < self._in_flight_max:
            task = spawn(self._carry_out(asker, caller, command))
        if task is None:
            self._counters.commands_refused += 1
            asker.answer(frame_text(build_error(command.id, refuse("overloaded", retry_ms=1000))))
            return
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, asker: Asker, caller: Caller, command: Command) -> None:
        try:
            result = await self._handler(caller, command.command, command.args, command.key)
            payload = build_result(command.id, result)
        except CommandError as error:
            self._counters.commands_refused += 1
            payload = build_error(command.id, error)
        except Exception:  # A bug in the handler costs its caller an answer, nobody else anything.
            self._counters.commands_failed += 1
            log.exception(
                "Command %s failed: user=%s conn=%s",
                command.command,
                caller.identity.user_id,
                caller.conn,
            )
            payload = build_error(command.id, refuse("internal"))
        asker.answer(frame_text(payload))
