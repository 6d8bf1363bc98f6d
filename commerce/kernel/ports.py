"""What commerce needs from outside: a database, a clock, fresh ids.

A service that changes something opens one `Transaction`, passes it down, and tells it what to
announce; nothing leaves the house before COMMIT, and nothing committed stays unannounced.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec


class Connection(Protocol):
    """A connection to PostgreSQL inside a transaction; the calls are asyncpg's own."""

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        """Return all rows."""

    async def fetchrow(self, query: str, *args: Any) -> Any:
        """Return the first row, or None."""

    async def fetchval(self, query: str, *args: Any, timeout: float | None = None) -> Any:
        """Return the first column of the first row, or None.

        `timeout`, in seconds, is for one statement that may last longer than all others.
        """

    async def execute(self, query: str, *args: Any) -> str:
        """Run a statement and return its command tag."""

    async def executemany(self, query: str, args: Sequence[Sequence[Any]]) -> None:
        """Run a statement once for each row of arguments."""


class SystemLine(msgspec.Struct, frozen=True):
    """A chat line that the house itself writes, such as a paid order."""

    id: str
    name: str
    text: str
    flag: str
    at_ms: int


class Transaction(Connection, Protocol):
    """A connection that also collects what must be told once its COMMIT has happened."""

    def announce(self, room_id: str, type: str, payload: dict[str, Any]) -> None:
        """Append to the room's sale lane, in this transaction, just before COMMIT."""

    def tell(self, room_id: str, user_id: str, type: str, payload: dict[str, Any]) -> None:
        """Push to one user after COMMIT (a courtesy: the row is the truth)."""

    def touch(self, room_id: str, sale_id: str) -> None:
        """Mark the sale's stock figures as changed; processes re-read them after COMMIT."""

    def say(self, room_id: str, line: SystemLine) -> None:
        """Put a line of the house into the room's chat: stored with COMMIT, shown after it."""


class Database(Protocol):
    """Where transactions come from."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a READ COMMITTED transaction; COMMIT at the end, ROLLBACK on an exception."""

    def reading(self) -> AbstractAsyncContextManager[Connection]:
        """Open a REPEATABLE READ, READ ONLY transaction: one instant of the whole database."""


class Clock(Protocol):
    """The wall clock, for ids and limits; sale windows use the database's own clock."""

    def now_ms(self) -> int:
        """Return Unix time in milliseconds."""


class Ids(Protocol):
    """The source of new identifiers."""

    def new(self) -> str:
        """Return a fresh UUIDv7 as text."""
