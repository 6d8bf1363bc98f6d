"""Patterns for searching, ids for moments, and cells that a spreadsheet does not run."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from uuid import UUID

from commerce.community.chat_archive.model import ArchivedLine, Search
from commerce.kernel.errors import invalid

PAGE_LINES_MAX = 100
# A search is for words, not for whole texts.
QUERY_CHARS_MAX = 100
# The largest time that an id of version 7 holds.
ID_TIME_MAX_MS = 2**48 - 1

CSV_HEAD = ["at", "at_ms", "line", "user", "name", "text", "flags", "deleted_at", "deleted_by"]
_LIKE_SIGNS = re.compile(r"([\\%_])")


def check_search(search: Search) -> None:
    """Raise `invalid_request` for a query that is too long or a page that is too large."""
    if search.text is not None and len(search.text) > QUERY_CHARS_MAX:
        raise invalid(f"q has at most {QUERY_CHARS_MAX} characters.", field="q")
    if not 1 <= search.limit <= PAGE_LINES_MAX:
        raise invalid(f"limit must be 1 to {PAGE_LINES_MAX}.", field="limit")


def check_span(since_ms: int, until_ms: int) -> None:
    """Raise `invalid_request` unless the times are in order."""
    if not since_ms < until_ms:
        raise invalid("until_ms must be later than since_ms.", field="until_ms")


def like_pattern(text: str) -> str:
    """Return the LIKE pattern of whatever contains `text`, in which no sign is a wildcard."""
    return "%" + _LIKE_SIGNS.sub(r"\\\1", text) + "%"


def first_id(at_ms: int) -> str:
    """Return an id that no line of `at_ms` or later comes before: ids begin with their time."""
    return str(UUID(int=min(max(at_ms, 0), ID_TIME_MAX_MS) << 80))


def csv_cells(line: ArchivedLine) -> list[str]:
    """Return a line's cells in the order of `CSV_HEAD`."""
    deleted = line.deleted
    return [
        utc_text(line.at_ms),
        str(line.at_ms),
        line.id,
        line.user or "",
        guard_cell(line.name),
        guard_cell(line.text),
        " ".join(line.flags),
        utc_text(deleted.at_ms) if deleted else "",
        guard_cell(deleted.name or deleted.by) if deleted else "",
    ]


def guard_cell(text: str) -> str:
    """Return text that a spreadsheet takes for text: what begins like a formula gets a quote."""
    # Some spreadsheets take the wide forms of the signs for the signs.
    first = unicodedata.normalize("NFKC", text[:1])
    return f"'{text}" if first in {"=", "+", "-", "@", "\t", "\r"} else text


def utc_text(at_ms: int) -> str:
    """Return a time in Unix ms as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
