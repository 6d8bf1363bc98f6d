"""Build what records shows, what plays them, and what forgets them."""

from __future__ import annotations

from pathlib import Path

from commerce.kernel.ports import Database
from realtime.video.config import VideoCounters
from realtime.video.ports import Forwarder
from realtime.video.recording.recorder import Limits
from server.recording.keeper import RecordingKeeper, remove_expired
from server.recording.shelf import RecordingShelf
from server.settings import Settings
from server.wiring.sources import SystemClock, monotonic_ms

BYTES_PER_GB = 1_000_000_000


def recordings_root(settings: Settings) -> Path:
    """Return the folder of all recordings."""
    return settings.data / "recordings"


def build_keeper(
    settings: Settings,
    forwarder: Forwarder,
    database: Database,
    counters: VideoCounters | None = None,
) -> RecordingKeeper | None:
    """Return what records in the media process; None where the operator wants no recordings."""
    if not settings.recording:
        return None
    keeper = RecordingKeeper(
        forwarder,
        database,
        recordings_root(settings),
        limits=Limits(
            bytes_max=settings.recording_gb_max * BYTES_PER_GB,
            total_bytes_max=settings.recording_gb_total * BYTES_PER_GB or None,
        ),
        now_ms=SystemClock().now_ms,
    )
    keeper.refusals = counters or keeper.refusals
    return keeper


def build_shelf(settings: Settings, database: Database) -> RecordingShelf:
    """Return the recordings as a gateway serves them."""
    return RecordingShelf(database, recordings_root(settings), monotonic_ms)


async def forget_recordings(settings: Settings, database: Database) -> int:
    """Remove what is older than the operator wants it kept."""
    return await remove_expired(database, recordings_root(settings), settings.recording_days)
