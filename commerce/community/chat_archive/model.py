"""A line as those who keep order see it, deleted or not, and a page of such lines."""

from __future__ import annotations

import msgspec


class Deletion(msgspec.Struct, frozen=True):
    """When a line was deleted and by whom."""

    at_ms: int
    by: str
    name: str | None


class ArchivedLine(msgspec.Struct, frozen=True):
    """A stored line; `user` is None for lines of the house, `deleted` where nobody deleted it."""

    id: str
    user: str | None
    name: str
    text: str
    flags: list[str]
    at_ms: int
    deleted: Deletion | None


class ArchivePage(msgspec.Struct, frozen=True):
    """Lines found, newest first.

    `next` is where to go on, None at the beginning of the chat. A page that is not full may have
    a `next` as well: so far was searched, and nothing more was found.
    """

    lines: list[ArchivedLine]
    next: str | None


class Search(msgspec.Struct, frozen=True):
    """What to look for in a room; None stands for everything, `before` is a line's id."""

    text: str | None = None
    user_id: str | None = None
    before: str | None = None
    limit: int = 50
