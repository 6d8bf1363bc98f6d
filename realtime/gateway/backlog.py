"""Decide what a connection with a given backlog still receives.

Pure; the sizes are those of `GatewayLimits`. The promise: memory per connection is bounded by
`close_bytes`, and whatever is withheld is made good by replay or snapshot.
"""

from __future__ import annotations

from enum import Enum

from realtime.gateway.limits import GatewayLimits


class SaleVerdict(Enum):
    """What happens to a live sale frame."""

    WRITE = "write"
    STOP = "stop"


class WriteVerdict(Enum):
    """What happens to a frame that must arrive."""

    WRITE = "write"
    CLOSE = "close"


def decide_sale(waiting_bytes: int, frame_bytes: int, limits: GatewayLimits) -> SaleVerdict:
    """Write a sale frame while it fits under `stop_sale_bytes`; otherwise stop the lane."""
    if waiting_bytes + frame_bytes > limits.stop_sale_bytes:
        return SaleVerdict.STOP
    return SaleVerdict.WRITE


def decide_write(waiting_bytes: int, frame_bytes: int, limits: GatewayLimits) -> WriteVerdict:
    """Write a must-arrive frame while it fits under `close_bytes`; otherwise close.

    A frame for a client with nothing waiting is always written, however large the room's state.
    """
    if waiting_bytes > 0 and waiting_bytes + frame_bytes > limits.close_bytes:
        return WriteVerdict.CLOSE
    return WriteVerdict.WRITE


def is_stuck(paused_since_ms: int | None, *, at_ms: int, limits: GatewayLimits) -> bool:
    """Tell whether a paused connection has had its time to catch up."""
    return paused_since_ms is not None and at_ms - paused_since_ms >= limits.paused_s_max * 1000
