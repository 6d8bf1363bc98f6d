"""What of a show is played again, and when."""

from __future__ import annotations

import msgspec

from commerce.community.replays.model import ReplayedEvent, ReplayedShow
from commerce.community.replays.rules import (
    OPEN_MS,
    PAGE_EVENTS,
    REPLAYED_TYPES,
    cut_page,
    span_of,
)


def make_show(ended_at_ms: int | None) -> ReplayedShow:
    return ReplayedShow("w", "m", "demo", "h", "Show", "ended", 1_000, ended_at_ms)


def test_a_show_is_played_from_its_start_to_its_end() -> None:
    assert span_of(make_show(9_000)) == (1_000, 9_000)
    assert span_of(make_show(None)) == (1_000, 1_000 + OPEN_MS)


def test_a_page_of_events_is_bounded_by_its_bytes_and_never_empty() -> None:
    def event(offset: int, size: int) -> ReplayedEvent:
        return ReplayedEvent(offset, "announcement", msgspec.Raw(b"x" * size), 0)

    assert cut_page([]) == []
    assert [one.offset for one in cut_page([event(1, 2_000_000), event(2, 1)])] == [1]
    assert len(cut_page([event(n, 10) for n in range(PAGE_EVENTS + 1)])) == PAGE_EVENTS


def test_how_the_chat_was_kept_in_order_is_not_played() -> None:
    assert not {"user.muted", "chat.modes", "chat.deleted"} & set(REPLAYED_TYPES)
