"""Say how the last minute's sale events reached the viewers, for the console."""

from __future__ import annotations

from typing import Any

import msgspec

from commerce.insight.deliveries import store
from commerce.insight.deliveries.model import EventDelivery
from commerce.insight.deliveries.rules import WINDOW_S, WITHIN_MS, add_up, summarise
from commerce.kernel.ports import Connection

# Lines of the sheet behind the light.
EVENTS_SHOWN = 20


async def read_delivery(connection: Connection, room_id: str) -> dict[str, Any]:
    """Return the share of the last minute, and the newest events one by one.

    `viewers` is how many reported the event that most reported; `share` is null when nobody was
    asked.
    """
    events = await store.select_newest(connection, room_id)
    recent = [event for event in events if event.is_recent]
    asked = sum(event.asked for event in recent)
    total = summarise(add_up(event.bins for event in recent), asked)
    return {
        "share": total.within_400 / asked if asked else None,
        "within_ms": WITHIN_MS,
        "window_s": WINDOW_S,
        "p50_ms": total.p50_ms,
        "p99_ms": total.p99_ms,
        "asked": total.asked,
        "reports": total.acked,
        "within_400": total.within_400,
        "viewers": max((sum(event.bins) for event in recent), default=0),
        "recent_events": len(recent),
        "events": [_line(event) for event in events[:EVENTS_SHOWN]],
    }


def _line(event: EventDelivery) -> dict[str, Any]:
    figures: dict[str, Any] = msgspec.to_builtins(summarise(event.bins, event.asked))
    return {"offset": event.offset, "type": event.type, "at_ms": event.at_ms, **figures}
