"""Let everybody who asks the same in one moment share one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

Answer = TypeVar("Answer")


class SharedQuestions(Generic[Answer]):
    """Questions under way, by what they are about; answers are remembered by nobody here."""

    def __init__(self) -> None:
        self._asking: dict[str, asyncio.Task[Answer]] = {}

    async def ask(self, about: str, question: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
        """Return the answer to the question under way, or ask it; raises what it raises.

        Whoever is cancelled leaves alone: the others still get the answer.
        """
        asking = self._asking.get(about)
        if asking is None:
            asking = self._asking[about] = asyncio.create_task(question())
            asking.add_done_callback(lambda _: self._asking.pop(about))
        return await asyncio.shield(asking)
