"""Carry out the commands of clients, a bounded number at a time, and answer every one.

An expected refusal becomes its code; anything else becomes `internal` and one line in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Protocol

from realtime.protocol.codec import frame_text
from realtime.protocol.counters import Counters
from realtime.protocol.errors import CommandError, refuse
from realtime.protocol.messages import ClientId, Command, build_error, build_result
from realtime.rooms.ports import Caller, CommandHandler, Reply

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
        """Start a command, with `spawn` if it takes a task, unless there are enough."""
        self._counters.commands += 1
        reply = partial(self._reply, asker, command.id)
        if self._handler.take(caller, command.command, command.args, command.key, reply):
            return
        task = None
        if len(self._tasks) < self._in_flight_max:
            task = spawn(self._carry_out(caller, command, reply))
        if task is None:
            reply(refuse("overloaded", retry_ms=1000))
            return
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def left(self, conn: str) -> None:
        """Tell the handler of a connection that has gone."""
        self._handler.left(conn)

    def sent_away(self, conn: str) -> None:
        """Tell the handler of a connection that is to come back."""
        self._handler.sent_away(conn)

    async def _carry_out(self, caller: Caller, command: Command, reply: Reply) -> None:
        try:
            reply(await self._handler(caller, command.command, command.args, command.key))
        except CommandError as error:
            reply(error)
        except Exception:  # A bug in the handler costs its caller an answer, nobody else anything.
            self._counters.commands_failed += 1
            log.exception(
                "Command %s failed: user=%s conn=%s",
                command.command,
                caller.identity.user_id,
                caller.conn,
            )
            reply(refuse("internal"))

    def _reply(self, asker: Asker, id: ClientId, outcome: bytes | CommandError) -> None:
        if isinstance(outcome, CommandError):
            self._counters.commands_refused += 1
            asker.answer(frame_text(build_error(id, outcome)))
        else:
            asker.answer(frame_text(build_result(id, outcome)))
