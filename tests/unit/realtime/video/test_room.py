"""A room: what its viewers are told of when sound and picture were taken."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from realtime.video.config import VideoConfig, VideoCounters
from realtime.video.ingest import IngestTrack
from realtime.video.links import Clock
from realtime.video.media import CLOCK_RATES, CodecTypes, Kind
from realtime.video.outlets import Outlet, OutletStart
from realtime.video.publishers import PublisherSession
from realtime.video.reports import ntp_of, unix_of
from realtime.video.room import Room
from realtime.video.viewers import ViewerSession

WALL_S = 1_800_000_000.0
CODECS: dict[Kind, str] = {"video": "VP8", "audio": "opus"}
TYPES: dict[Kind, int] = {"video": 100, "audio": 111}
KEY = b"\x10\x00key"


class Peer:
    """A line that remembers the reports, by kind: (ntp, timestamp as the viewer reads it)."""

    def __init__(self) -> None:
        self.reports: dict[Kind, tuple[int, int]] = {}

    def send(self, *_: object) -> None:
        """Lose it."""

    def report(self, outlet: Outlet, *, ntp: int, timestamp: int) -> None:
        """Remember."""
        self.reports[outlet.kind] = (ntp, timestamp)


class Stage:
    """A room with one viewer, and publishers who film by clocks of their own."""

    def __init__(self) -> None:
        self.now_s = 50.0
        self._source = 0
        clock = Clock(lambda: self.now_s, lambda: round((WALL_S + self.now_s) * 1000))
        self.room = Room("r", VideoConfig(), VideoCounters(), clock)
        self.peer = Peer()
        self.viewer = ViewerSession("v", self.room, lambda _: None)
        self.viewer.peer = self._any(self.peer)
        self.room.viewers["v"] = self.viewer

    def begin(self, distance_s: float, stamps: dict[Kind, int]) -> None:
        """Have somebody publish whose clock is so far off, and who counts from these stamps."""
        publisher = PublisherSession("p", self.room, lambda _: None)
        publisher.peer = self._any(SimpleNamespace(ask_keyframe=id, report=id))
        for kind, codec in CODECS.items():
            types = CodecTypes(media=TYPES[kind])
            publisher.ingests[kind] = IngestTrack(kind, codec, types, repairs=False)
        self.room.publisher = publisher
        self._distance_s, self._stamps, self._began_s = distance_s, stamps, self.now_s
        self._source += 1

    def film(self, kind: Kind, *, took_s: float) -> None:
        """Send what was captured so long ago."""
        publisher = self.room.publisher
        assert publisher is not None
        stamp = self._stamp(kind, self.now_s - took_s)
        number = round(self.now_s * 50) & 0xFFFF
        publisher.packet(kind, TYPES[kind], self._source, number, stamp, True, KEY)

    def report(self, kind: Kind, *, took_s: float) -> None:
        """Send a report that was on its way for so long."""
        publisher = self.room.publisher
        assert publisher is not None
        sent_s = self.now_s - took_s
        theirs_s = WALL_S + sent_s + self._distance_s
        publisher.sender_report(kind, ntp_of(theirs_s), self._stamp(kind, sent_s))

    def watch(self) -> None:
        """Have the viewer begin with what comes next."""
        for kind, track in self.room.tracks.items():
            start = OutletStart(ssrc=1, rtx_ssrc=2, sequence=7, timestamp=4_000_000_000)
            types = {CODECS[kind]: CodecTypes(media=96)}
            self.viewer.outlets[kind] = Outlet(track, types, start, self.now_s)
        self.viewer.connected()

    async def captured_s(self, kind: Kind) -> float:
        """When the newest of a track was captured, as the viewer reckons by its last report."""
        self.peer.reports.clear()
        await self.room.report(self.now_s)
        ntp, stamp = self.peer.reports[kind]
        outlet, head = self.viewer.outlets[kind], self.room.tracks[kind].timestamps.head
        assert head is not None
        return unix_of(ntp) + (head + outlet.timestamp_shift - stamp) / CLOCK_RATES[kind] - WALL_S

    def _stamp(self, kind: Kind, at_s: float) -> int:
        passed = round((at_s - self._began_s) * CLOCK_RATES[kind])
        return (self._stamps[kind] + passed) & 0xFFFF_FFFF

    @staticmethod
    def _any(peer: Any) -> Any:
        return peer


async def test_sound_and_picture_stay_together_whoever_publishes() -> None:
    """Their clocks are off, their counters wrap, and picture is longer on the way than sound."""
    stage = Stage()
    stamps: list[dict[Kind, int]] = [{"video": 5, "audio": 9_000}, {"video": 2**32 - 9, "audio": 7}]
    for distance_s, counted in zip((3_600.0, -86_400.0), stamps, strict=True):
        stage.begin(distance_s, counted)
        if not stage.viewer.is_connected:
            stage.watch()
        for _ in range(100):
            stage.now_s += 0.02
            stage.film("video", took_s=0.3)
            stage.film("audio", took_s=0.05)
        stage.report("video", took_s=0.01)
        stage.now_s += 0.5
        stage.film("video", took_s=0.3)
        stage.film("audio", took_s=0.05)
        stage.report("audio", took_s=0.2)
        seen_s, heard_s = await stage.captured_s("video"), await stage.captured_s("audio")
        assert seen_s == pytest.approx(stage.now_s - 0.3, abs=0.02)
        assert heard_s == pytest.approx(stage.now_s - 0.05, abs=0.02)
        assert heard_s - seen_s == pytest.approx(0.25, abs=0.001)


async def test_a_viewer_is_told_nothing_that_would_be_a_guess() -> None:
    """Of a track before its first packet, and before the publisher has reported of it."""
    stage = Stage()
    stage.begin(0.0, {"video": 1, "audio": 1})
    stage.film("audio", took_s=0.0)
    stage.report("audio", took_s=0.0)
    stage.watch()
    stage.film("video", took_s=0.0)
    await stage.room.report(stage.now_s)
    assert stage.peer.reports == {}
    stage.now_s += 0.02
    stage.film("audio", took_s=0.0)
    await stage.room.report(stage.now_s)
    assert stage.peer.reports.keys() == {"audio"}
    stage.report("video", took_s=0.0)
    await stage.room.report(stage.now_s)
    assert stage.peer.reports.keys() == {"audio", "video"}
