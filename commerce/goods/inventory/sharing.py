"""Let everybody who asks the same in one moment share one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Generic, TypeVar

Answer = TypeVar("Answer")


class SharedQuestions(Generic[Answer]):
    """Questions under way, by what they are about; answers are remembered by nobody here."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[asyncio.Future[Answer]]] = {}
        self._asking: set[asyncio.Task[Answer]] = set()

    async def ask(self, about: str, question: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
        """Return the answer to the question under way, or ask it; raises what it raises.

        Whoever is cancelled leaves alone: the others still get the answer. A crowd waits here when
        a sale opens, so each of them costs one future: `asyncio.shield` made three times that.
        """
        waiting = self._waiting.get(about)
        if waiting is None:
            waiting = self._waiting[about] = []
            asking = asyncio.create_task(question())
            self._asking.add(asking)
            asking.add_done_callback(partial(self._tell, about))
        waiter: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        waiting.append(waiter)
        return await waiter

    def _tell(self, about: str, asked: asyncio.Task[Answer]) -> None:
        """Hand the answer to everybody who still waits for it."""
        self._asking.discard(asked)
        error = None if asked.cancelled() else asked.exception()
        for waiter in self._waiting.pop(about):
            if waiter.done():  # Whoever waited has left.
                continue
            if asked.cancelled():
                waiter.cancel()
            elif error is not None:
                waiter.set_exception(error)
            else:
                waiter.set_result(asked.result())
