"""Do what is due, one row apart from another, round by round.

Invariant: what breaks in one row costs no other row its turn, in this round or in the next.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from commerce.kernel.ports import Connection, Database
from commerce.records.rounds.store import HELD_UP, LOST_CONNECTION

log = logging.getLogger(__name__)

Row = TypeVar("Row")
# What broke off is tried again after so many rounds: some seconds at the worker's pace.
REST_ROUNDS = 40


class Rounds:
    """The rounds of one job; without a name, one round of its own, after which nothing rests."""

    def __init__(self, name: str = "") -> None:
        self._name = name
        # Keys of rows that broke off, and for how many rounds they rest. Each round adds at most
        # its limit, so that there are never more than so many times `REST_ROUNDS`.
        self._resting: dict[str, int] = {}

    async def run(
        self,
        database: Database,
        select: Callable[[Connection, int], Awaitable[Sequence[Row]]],
        do: Callable[[Row], Awaitable[int | None]],
        *,
        limit: int,
        key: Callable[[Row], str] = str,
    ) -> int:
        """Do one round over at most `limit` rows that are due; return the sum of the answers.

        `do` has a transaction of its own for each row. A row that breaks off is logged, rests for
        some rounds and is tried again; one that is in other hands has its turn in the next round.
        A lost connection is everybody's, and raised. As many rows more as rest are asked for, so
        that those are in nobody's way.
        """
        self._resting = {row: left - 1 for row, left in self._resting.items() if left > 1}
        async with database.reading() as connection:
            found = await select(connection, limit + len(self._resting))
        due = [row for row in found if key(row) not in self._resting][:limit]
        return sum([await self._do_apart(key(row), row, do) for row in due])

    async def _do_apart(
        self, name: str, row: Row, do: Callable[[Row], Awaitable[int | None]]
    ) -> int:
        try:
            return await do(row) or 0
        except LOST_CONNECTION:
            raise
        except HELD_UP as error:
            log.warning("job %s: %s waits: %s", self._name, name, type(error).__name__)
        except Exception:
            log.exception("job %s: %s broke off", self._name, name)
            self._resting[name] = REST_ROUNDS
        return 0
