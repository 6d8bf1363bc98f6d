"""Decide whether a line may be said, and which lines are carried when there are too many.

Pure: the clock is an argument, and an author's record is a value that is replaced.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from realtime.chat.words import clean_text, fold, has_link, is_emoji_only, likeness
from realtime.protocol.messages import ChatLine
from realtime.rooms.ports import Modes


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
    processes_assumed: int = 4
    """Until presence has read how many processes share a room (at once where it has viewers, never
    in a worker), a process takes this part of its lines: what a busy shop has, and still ten a
    second of orders for a quiet one."""
    waiting_lines_max: int = 500
    """Lines of a room that wait for the next flush; more than any room is shown in a minute."""
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


class Standing(msgspec.Struct, frozen=True):
    """What the house says about one author in one room; for staff the modes are off."""

    muted_until_ms: int = 0
    modes: Modes = Modes()
    spoke_ms: int = 0
    """When another process last heard the author."""


def decide_line(
    text: str, author: Author | None, *, now_ms: int, standing: Standing, limits: ChatLimits
) -> Accepted | Refused:
    """Decide about one line of an author who was last seen as `author`."""
    known = _refill(author, now_ms, limits)
    if standing.muted_until_ms > now_ms:
        return Refused("muted", known, standing.muted_until_ms - now_ms)
    waits_ms = _slow_mode_ms(known, standing, now_ms)
    if waits_ms > 0:
        return Refused("slow_mode", known, waits_ms)
    if known.tokens < 1:
        return Refused("slow_down", known, int((1 - known.tokens) * 1000 / limits.lines_per_s) + 1)
    if len(text) > limits.chars_max:
        return Refused("too_long", known)
    line = clean_text(text)
    if (code := _check_words(line, standing.modes)) is not None:
        return Refused(code, known)
    words = fold(line)
    silent_ms = now_ms - known.last_said_ms
    if words == known.last_words and silent_ms < limits.duplicate_window_ms:
        return Refused("duplicate", known, limits.duplicate_window_ms - silent_ms)
    spent = Author(known.tokens - 1, now_ms, last_words=words, last_said_ms=now_ms)
    return Accepted(line, spent)


def _slow_mode_ms(author: Author, standing: Standing, now_ms: int) -> int:
    """Return how long slow mode still lets this author wait."""
    spoke_ms = max(author.last_said_ms, standing.spoke_ms) if standing.modes.slow_s else 0
    return spoke_ms + standing.modes.slow_s * 1000 - now_ms if spoke_ms else 0


def _check_words(line: str, modes: Modes) -> str | None:
    """Return the code of what is wrong with a cleaned line's words."""
    if not line:
        return "empty_line"
    if modes.emote_only and not is_emoji_only(line):
        return "emote_only"
    if modes.links_off and has_link(line):
        return "links_off"
    return None


def _refill(author: Author | None, now_ms: int, limits: ChatLimits) -> Author:
    if author is None:
        return Author(float(limits.burst), now_ms)
    gained = max(0, now_ms - author.at_ms) * limits.lines_per_s / 1000
    tokens = min(float(limits.burst), author.tokens + gained)
    return msgspec.structs.replace(author, tokens=tokens, at_ms=now_ms)


def rank_line(line: ChatLine) -> int:
    """Return how much a room needs a line, the most needed first.

    That is staff, then the house, then questions, then the others.
    """
    if "host" in line.flags or "mod" in line.flags:
        return 0
    if "order" in line.flags or "group" in line.flags:
        return 1
    return 2 if line.text.endswith(("?", "？")) else 3


class Selection(msgspec.Struct, frozen=True):
    """What becomes of a flush's lines.

    Invariant: whatever was said is in one of three: what `carried` lines stand for, which is
    themselves and the `collapsed`, and `dropped`.
    """

    carried: list[ChatLine]
    unseen: list[ChatLine]
    """Lines not carried themselves: their authors are to see them all the same."""
    collapsed: int
    """Lines that a carried one stands for."""
    dropped: int
    """Lines that nothing carried stands for."""


class _Group(msgspec.Struct):
    """Lines alike: where the first is, how much the room needs them, and how many they are."""

    index: int
    rank: int
    lines: int


def select_lines(lines: Sequence[ChatLine], *, allowance: int) -> Selection:
    """Choose the lines to carry, in their order; of lines alike the first, as `xN`.

    Nothing is collapsed while all fit. Staff are always carried; the others by rank, then by
    arrival, while `allowance` lasts. Lines of staff and orders stand for themselves alone.
    """
    if len(lines) <= allowance:
        return Selection(list(lines), [], 0, 0)
    groups = _group_alike(lines)
    ranked = sorted(groups, key=lambda group: (group.rank, group.index))
    staff = sum(group.rank == 0 for group in groups)
    chosen = {group.index: group.lines for group in ranked[: max(allowance, staff)]}
    carried = [_stand_for(lines[index], count) for index, count in sorted(chosen.items())]
    unseen = [line for index, line in enumerate(lines) if index not in chosen]
    collapsed = sum(chosen.values()) - len(chosen)
    return Selection(carried, unseen, collapsed, len(lines) - len(chosen) - collapsed)


def _group_alike(lines: Sequence[ChatLine]) -> list[_Group]:
    groups: list[_Group] = []
    alike: dict[str, _Group] = {}
    for index, line in enumerate(lines):
        rank = rank_line(line)
        key = likeness(line.text) if rank > 1 else None
        known = None if key is None else alike.get(key)
        if known is not None:
            known.lines += 1
            known.rank = min(known.rank, rank)
            continue
        group = _Group(index, rank, 1)
        groups.append(group)
        if key is not None:
            alike[key] = group
    return groups


def _stand_for(line: ChatLine, count: int) -> ChatLine:
    if count == 1:
        return line
    return msgspec.structs.replace(line, flags=(*line.flags, f"x{count}"))


class Budget(msgspec.Struct, frozen=True):
    """A process's share of a room's lines, saved up for at most one second."""

    lines: float
    at_ms: int


def room_share(limits: ChatLimits, *, processes: int | None, load_share: float) -> float:
    """Return how many lines a second this process may carry of a room.

    This is the one place where the room's budget becomes a process's. `processes` is how many
    share the room, None while that is not known; `load_share` is what a hot process carries of it.
    """
    known = limits.processes_assumed if processes is None else max(1, processes)
    return limits.room_lines_per_s / known * load_share


def next_budget(budget: Budget | None, *, now_ms: int, share: float) -> Budget:
    """Refill this process's budget at `share` lines a second."""
    if budget is None:
        return Budget(share, now_ms)
    gained = max(0, now_ms - budget.at_ms) * share / 1000
    # Whoever has less than a line a second saves up for one.
    return Budget(min(max(1.0, share), budget.lines + gained), now_ms)
