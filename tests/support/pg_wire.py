"""Read PostgreSQL's wire protocol as it passes, and say which statements a commit is about to keep.

Invariant: bytes are only looked at; `Conversation` never changes or orders them. Only what asyncpg
speaks is understood: named statements, one execution a sync, and simple queries without values.
Source: PostgreSQL manual, "Frontend/Backend Protocol", message formats.
"""

from __future__ import annotations

import asyncio
import struct

import msgspec

# Requests that come instead of the first message.
SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
# A statement or a row of ours is far shorter; more than this is no PostgreSQL.
MESSAGE_BYTES_MAX = 64 * 1024 * 1024
# Words that begin a simple query which keeps nothing by itself.
KEEPS_NOTHING = ("BEGIN", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET", "SHOW", "START")


class Executed(msgspec.Struct):
    """One statement as it was executed: its SQL, its values as they were sent, and its rows."""

    sql: str
    values: bytes = b""
    rows: int | None = None
    """Rows it returned or changed; None until the answer has passed."""


class Message(msgspec.Struct, frozen=True):
    """One message of either side; `raw` is all of it."""

    kind: bytes
    body: bytes
    raw: bytes


async def read_message(reader: asyncio.StreamReader) -> Message:
    """Read one message; raises IncompleteReadError at the end of the stream."""
    head = await reader.readexactly(5)
    (length,) = struct.unpack_from("!I", head, 1)
    assert 4 <= length <= MESSAGE_BYTES_MAX, length
    body = await reader.readexactly(length - 4)
    return Message(head[:1], body, head + body)


async def read_first(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read a connection's first message, which has no kind; returns its code and its bytes."""
    head = await reader.readexactly(8)
    length, code = struct.unpack("!II", head)
    assert 8 <= length <= MESSAGE_BYTES_MAX, length
    return code, head + await reader.readexactly(length - 8)


class Conversation:
    """One connection's statements since its transaction began."""

    def __init__(self) -> None:
        self.executed: list[Executed] = []
        self._named: dict[bytes, str] = {}
        self._is_open = False
        self._unanswered = 0

    def hear(self, message: Message) -> bool:
        """Take a message of the client; True when it asks the backend to commit."""
        match message.kind:
            case b"P":
                name, query, _ = message.body.split(b"\0", 2)
                self._named[name] = query.decode()
            case b"B":
                _, name, values = message.body.split(b"\0", 2)
                self.executed.append(Executed(self._named.get(name, ""), values))
            case b"Q":
                return self._hear_query(message.body.rstrip(b"\0").decode().strip())
            case b"S":
                return not self._is_open and bool(self.executed)
        return False

    def _hear_query(self, query: str) -> bool:
        word = query.split(" ", 1)[0].rstrip(";").upper()
        if word in ("COMMIT", "END"):
            return self._is_open
        if word in KEEPS_NOTHING:
            return False
        self.executed.append(Executed(query))
        return not self._is_open

    def answered(self, message: Message) -> bool:
        """Take a message of the backend; True when it is ready for the next request."""
        match message.kind:
            case b"D":
                self._count(1)
            case b"C" if self._open_statement() is not None:
                tag = message.body.rstrip(b"\0").decode().split(" ")
                if tag[0] != "SELECT" and tag[-1].isdigit():
                    self._count(int(tag[-1]))
                self._close_statement()
            case b"s" | b"I" | b"E":
                self._close_statement()
            case b"Z":
                self._is_open = message.body != b"I"
                if not self._is_open:
                    self.executed, self._unanswered = [], 0
                return True
        return False

    def _open_statement(self) -> Executed | None:
        return self.executed[self._unanswered] if self._unanswered < len(self.executed) else None

    def _count(self, rows: int) -> None:
        statement = self._open_statement()
        if statement is not None:
            statement.rows = (statement.rows or 0) + rows

    def _close_statement(self) -> None:
        statement = self._open_statement()
        if statement is not None:
            statement.rows = statement.rows or 0
            self._unanswered += 1
