"""What signalling asks of a forwarder, and what a recorder is given by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

RefusalCode = Literal[
    "bad_offer",  # The SDP cannot be parsed, or lacks what WebRTC demands.
    "offer_unsupported",  # It can be read, but no codec or m-section of it can be served.
    "publisher_present",  # The room has a publisher and no take-over was asked.
    "publisher_too_fast",  # Who published sent too much a moment ago, and was ended.
    "not_live",  # Nobody publishes into the room.
    "video_full",  # The cap of viewers of the room or of the process is reached.
    "video_busy",  # Too many answers are being made.
    "session_unknown",  # Ended, or never was.
    "restart_unsupported",  # ICE restarts: the client posts a new offer instead.
]


class VideoError(Exception):
    """A request that the forwarder does not serve; nothing was changed.

    `retry_after_s` is set where the same request may succeed later (`not_live`, `video_full`,
    `video_busy`).
    """

    def __init__(self, code: RefusalCode, message: str, *, retry_after_s: int | None = None):
        super().__init__(message)
        self.code = code
        self.retry_after_s = retry_after_s


class Session(msgspec.Struct, frozen=True):
    """One answered offer: `id` is unguessable (128 bits, URL-safe), `answer` is SDP."""

    id: str
    answer: str


class VideoState(msgspec.Struct, frozen=True):
    """What a room's picture is doing, for state events and the console."""

    live: bool = False  # Packets of the publisher arrived within the last seconds.
    since_ms: int | None = None  # Wall clock, when this publisher's first packet came.
    viewers: int = 0
    codec: str | None = None  # "H264" or "VP8".
    bits_per_s: int = 0  # Of the publisher's video, over the last seconds.


class EncodedFrame(msgspec.Struct, frozen=True):
    """One whole frame as the publisher encoded it, in order, after loss repair."""

    kind: Literal["audio", "video"]
    codec: str  # "H264" (Annex B), "VP8" or "opus".
    data: bytes
    rtp_timestamp: int  # Unwrapped: never falls, in `clock_rate` units.
    clock_rate: int  # 90000 for video, 48000 for Opus.
    wall_ms: int  # Capture time by the publisher's sender reports, else arrival time.
    keyframe: bool


# Called in the loop's thread for each frame; it must not block: queue, bounded, and return.
FrameSink = Callable[[EncodedFrame], None]


class Forwarder(Protocol):
    """Publishers in, viewers out, keyed by the room's id. All methods run in one loop."""

    async def publish(
        self,
        room_id: str,
        offer: str,
        *,
        take_over: bool,
        gives_way: bool = False,
        over: frozenset[str] = frozenset(),
    ) -> Session:
        """Answer a publisher's offer (recvonly). Raises VideoError.

        A present publisher is ended, and the viewers stay connected, with `take_over`, where it
        is a session of `over`, or where it gives way and the new one does not.
        """
        ...

    async def play(self, room_id: str, offer: str, *, crowd: str | None = None) -> Session:
        """Answer a viewer's offer (sendonly). Raises VideoError.

        `crowd` names whom the viewer is one of, for the places of those who have not connected.
        """
        ...

    async def trickle(self, session_id: str, fragment: str) -> None:
        """Take candidates of an `application/trickle-ice-sdpfrag` body. Raises VideoError."""
        ...

    async def end(self, session_id: str) -> None:
        """Close a session and free what it held. Raises VideoError (`session_unknown`)."""
        ...

    async def end_room(self, room_id: str) -> None:
        """Close the publisher and all viewers of a room; does nothing when there are none."""
        ...

    def state(self, room_id: str) -> VideoState:
        """What the room's picture is doing now."""
        ...

    def watch(self, changed: Callable[[str, VideoState], None]) -> None:
        """Have `changed(room_id, state)` called when `live`, `codec` or `viewers` changes."""
        ...

    def add_sink(self, room_id: str, sink: FrameSink) -> Callable[[], None]:
        """Hand the room's frames to `sink`, over changes of publisher; returns how to stop it."""
        ...

    def ask_keyframe(self, room_id: str) -> None:
        """Ask the publisher for a keyframe, throttled; does nothing when there is none."""
        ...

    async def close(self) -> None:
        """End everything within a few seconds."""
        ...
