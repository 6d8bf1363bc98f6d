"""Decide which sessions are over: never connected, silent, or sending more than anybody honest."""

from __future__ import annotations

from typing import Literal

from realtime.video.config import VideoConfig
from realtime.video.publishers import PublisherSession
from realtime.video.viewers import ViewerSession

# Names of counters.
Reason = Literal["connect_timeouts", "silences", "floods"]


def reason_to_end(
    session: PublisherSession | ViewerSession, config: VideoConfig, now_s: float
) -> Reason | None:
    """Return why a session is over, or None while it goes on."""
    if session.peer is not None and session.peer.intake.is_flooded(now_s):
        return "floods"
    if not session.is_connected:
        return "connect_timeouts" if now_s - session.began_s > config.connect_timeout_s else None
    if isinstance(session, PublisherSession):
        is_silent = now_s - session.heard_s > config.silence_timeout_s
    else:
        is_silent = session.is_silent(now_s, config.silence_timeout_s)
    return "silences" if is_silent else None
