"""What the recorder of shows counts, as metrics of the media process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from realtime.video.recording.model import EndReason
from server.recording.keeper import RecordingKeeper

# A reason that never came is zero, so that the first one is seen as a rise.
REASONS = ("complete", *get_args(EndReason))


class RecordingCollector(Collector):
    """Reads a keeper's figures when somebody asks."""

    def __init__(self, keeper: RecordingKeeper, process_name: str) -> None:
        self._keeper = keeper
        self._process_name = process_name

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of this moment, under `hubbub_recording_`."""
        keeper, label = self._keeper, [self._process_name]
        written = keeper.counters
        counted = {
            "begun": ("Times that a show's recording was begun or taken up again.", keeper.begun),
            "bytes": ("Bytes of recordings that reached the disk.", written.bytes_written),
            "segments": ("Segments of playlists that were begun.", written.segments),
            "frames_dropped": ("Frames that the disk did not take.", written.frames_dropped),
            "rounds_failed": ("Rounds without the database.", keeper.rounds_failed),
        }
        for name, (help_text, value) in counted.items():
            counter = CounterMetricFamily(f"hubbub_recording_{name}", help_text, labels=["process"])
            counter.add_metric(label, value)
            yield counter
        ended = CounterMetricFamily(
            "hubbub_recording_ended",
            "Recordings that ended, by reason.",
            labels=["process", "reason"],
        )
        for reason in REASONS:
            ended.add_metric([*label, reason], written.ended.get(reason, 0))
        yield ended
        shows = GaugeMetricFamily(
            "hubbub_recording_shows", "Shows that are being recorded.", labels=["process"]
        )
        shows.add_metric(label, keeper.running)
        yield shows
