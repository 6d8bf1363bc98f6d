"""Decide whether a line may be said, and which lines are carried when there are too many.

Pure: the clock is an argument, and an author's record is a value that is replaced.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import msgspec

from realtime.protocol.messages import ChatLine


class ChatLimits(msgspec.Struct, frozen=True):
    """Limits of chat, each with its reason."""

    chars_max: int = 200
    """Two screens of a phone's chat column; longer lines push everybody else's away."""
    lines_per_s: float = 1.0
    """Nobody types faster and is still read."""
    burst: int = 3
    """A greeting in three short lines is normal."""
    duplicate_window_ms: int = 30_000
    """The same words again within this time are spam or a stuck key."""
    room_lines_per_s: int = 40
    """What a reader can still follow as a stream; shared by the processes of a room."""
    flush_ms: int = 100
    """Lines travel between processes in batches, at the pace of the shortest tick."""
    save_ms: int = 250
    """Lines are stored in batches, soon enough for the next snapshot."""
    unsaved_lines_max: int = 5000
    """While the store is down, this many lines of a room are kept for it."""
    authors_max: int = 20_000
    """Authors whose pace a process remembers; the longest silent is forgotten first."""


class Author(msgspec.Struct, frozen=True):
    """What is remembered of an author in one room: the bucket, and the last line."""

    tokens: float
    at_ms: int
    last_words: str = ""
    last_said_ms: int = 0


class Accepted(msgspec.Struct, frozen=True):
    """The line may be said as `text`; `author` replaces the remembered one."""

    text: str
    author: Author


class Refused(msgspec.Struct, frozen=True):
    """The line may not be said; `retry_ms` is when it may, where that is known."""

    code: str
    author: Author
    retry_ms: int | None = None


def clean_text(text: str) -> str:
    """Drop control and invisible characters and squeeze white space; emoji joiners stay."""
    kept = []
    for char in text:
        if char.isspace():
            kept.append(" ")
        elif char == "\u200d" or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn"}:
            kept.append(char)
    return " ".join("".join(kept).split()).strip("\u200d")


def decide_line(
    text: str,
    author: Author | None,
    *,
    now_ms: int,
    muted_until_ms: int,
    limits: ChatLimits,
) -> Accepted | Refused:
    """Decide about one line of an author who was last seen as `author`."""
    known = _refill(author, now_ms, limits)
    if muted_until_ms > now_ms:
        return Refused("muted", known, muted_until_ms - now_ms)
    if known.tokens < 1:
        return Refused("slow_down", known, int((1 - known.tokens) * 1000 / limits.lines_per_s) + 1)
    if len(text) > limits.chars_max:
        return Refused("too_long", known)
    line = clean_text(text)
    if not line:
        return Refused("empty_line", known)
    words = line.casefold()
    silent_ms = now_ms - known.last_said_ms
    if words == known.last_words and silent_ms < limits.duplicate_window_ms:
        return Refused("duplicate", known, limits.duplicate_window_ms - silent_ms)
    spent = Author(known.tokens - 1, now_ms, last_words=words, last_said_ms=now_ms)
    return Accepted(line, spent)


def _refill(author: Author | None, now_ms: int, limits: ChatLimits) -> Author:
    if author is None:
        return Author(float(limits.burst), now_ms)
    gained = max(0, now_ms - author.at_ms) * limits.lines_per_s / 1000
    tokens = min(float(limits.burst), author.tokens + gained)
    return msgspec.structs.replace(author, tokens=tokens, at_ms=now_ms)


def rank_line(line: ChatLine) -> int:
    """Return how much a room needs a line, most needed first: staff, orders, questions, others."""
    if "host" in line.flags or "mod" in line.flags:
        return 0
    if "order" in line.flags:
        return 1
    return 2 if line.text.endswith(("?", "？")) else 3


def select_lines(
    lines: Sequence[ChatLine], *, allowance: int
) -> tuple[list[ChatLine], list[ChatLine]]:
    """Split lines into those carried, in their order, and those left out.

    Staff are always carried; the others by rank, then by arrival, while `allowance` lasts.
    """
    if len(lines) <= allowance:
        return list(lines), []
    ranked = sorted(range(len(lines)), key=lambda index: (rank_line(lines[index]), index))
    staff = sum(rank_line(line) == 0 for line in lines)
    chosen = set(ranked[: max(allowance, staff)])
    carried = [line for index, line in enumerate(lines) if index in chosen]
    left_out = [line for index, line in enumerate(lines) if index not in chosen]
    return carried, left_out


class Budget(msgspec.Struct, frozen=True):
    """A process's share of a room's lines, saved up for at most one second."""

    lines: float
    at_ms: int


def next_budget(
    budget: Budget | None, *, now_ms: int, processes: int, limits: ChatLimits
) -> Budget:
    """Refill this process's share; `processes` is how many share the room."""
    share = limits.room_lines_per_s / max(1, processes)
    if budget is None:
        return Budget(share, now_ms)
    gained = max(0, now_ms - budget.at_ms) * share / 1000
    return Budget(min(share, budget.lines + gained), now_ms)
