"""Ask the database on the reservation core's connections until there is an answer.

Invariant: an outcome nobody knows is asked again with the same ids, never guessed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from commerce.goods.inventory import store
from commerce.goods.inventory.batcher import unknown_outcome
from commerce.records.rounds.store import HELD_UP, LOST_CONNECTION

Told = TypeVar("Told")

# A lost connection, or a row in other hands, is asked again for this long; then the buyer asks
# again with the same key.
UNKNOWN_AFTER_MS = 5_000
RETRY_PAUSE_S = 0.05
ACQUIRE_TIMEOUT_S = 2.0


class Asker:
    """The connections of one process; `monotonic_ms` is a clock that never jumps."""

    def __init__(self, connections: store.Connections, monotonic_ms: Callable[[], int]) -> None:
        self._connections = connections
        self._monotonic_ms = monotonic_ms

    async def ask(self, question: Callable[[Any], Awaitable[Told]]) -> Told:
        """Ask again after a lost connection: the ids make a repeated batch meet its own rows.

        As well when the server ends the wait for a row, by its lock timeout or out of a deadlock:
        the whole question again.
        Raises `unknown_outcome` when there is no answer for `UNKNOWN_AFTER_MS`: of the last try it
        is known that nothing was committed, of one before it, or of an earlier press, it is not.
        """
        started_ms = self._monotonic_ms()
        while True:
            try:
                async with self._connections.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
                    return await store.ask_or_cut(connection, question)
            except (*LOST_CONNECTION, *HELD_UP):
                if self._monotonic_ms() - started_ms > UNKNOWN_AFTER_MS:
                    raise unknown_outcome() from None
                await asyncio.sleep(RETRY_PAUSE_S)
