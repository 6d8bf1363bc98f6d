"""Decide what of a show is played again, and when. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from commerce.community.replays.model import ReplayedEvent, ReplayedShow

PAGE_EVENTS = 200
# A picture of a room with a full bag has some 60 KB; a page ends behind the event that fills it.
PAGE_BYTES = 1_000_000
PAGE_LINES = 500
# What viewers saw on the screen. How a chat was kept in order, and who was muted, is over.
REPLAYED_TYPES = (
    "room.state", "show.pinned", "show.unpinned", "bag.changed", "announcement",
    "flash.armed", "flash.opened", "flash.sold_out", "flash.resumed", "flash.halted",
    "flash.unhalted", "flash.drawn", "flash.closed", "coupon.armed", "coupon.opened",
    "coupon.closed", "coupon.halted", "coupon.unhalted", "group_buy.opened", "group_buy.closed",
)  # fmt: skip
# A show that has no end goes on for this long in its replay's log.
OPEN_MS = 24 * 3_600_000
# Chat lines have the time of a gateway's clock, and reach the table a moment later.
SLACK_MS = 5_000


def cut_page(events: Sequence[ReplayedEvent]) -> list[ReplayedEvent]:
    """Return the events of a page: at least one, where there is any."""
    page: list[ReplayedEvent] = []
    size_bytes = 0
    for event in events[:PAGE_EVENTS]:
        page.append(event)
        size_bytes += len(bytes(event.payload))
        if size_bytes >= PAGE_BYTES:
            break
    return page


def span_of(show: ReplayedShow) -> tuple[int, int]:
    """Return the times of a show between which its log and its chat are played."""
    end_ms = show.ended_at_ms
    return show.started_at_ms, show.started_at_ms + OPEN_MS if end_ms is None else end_ms
