"""What passes through a forwarder: one packet as every viewer of a room shares it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

Kind = Literal["audio", "video"]

# RFC 7587 fixes Opus to 48 kHz, RFC 6184 and RFC 7741 fix video to 90 kHz.
CLOCK_RATES: dict[Kind, int] = {"audio": 48_000, "video": 90_000}


class MediaPacket(msgspec.Struct, frozen=True, gc=False):
    """A packet of a room's track, without its header: that is written anew for each viewer.

    `index` and `timestamp` (clock units) count on over wraps and changes of publisher.
    """

    index: int
    timestamp: int
    marker: bool
    payload: bytes


class Batch(list[MediaPacket]):
    """Packets of a track that are handed to all viewers; it does not change afterwards."""

    __slots__ = ("head", "layouts", "least", "size_bytes")

    def __init__(self, packets: Iterable[MediaPacket]) -> None:
        super().__init__(packets)
        self.size_bytes = sum(len(packet.payload) for packet in self)  # Of payloads.
        # As packets come, which is not always the order in which they were sent.
        self.least = min((packet.index for packet in self), default=0)
        self.head = max((packet.index for packet in self), default=-1)
        # What a way of sending has worked out of it, by what it depends on; nobody else's.
        self.layouts: dict[Any, Any] = {}


class CodecTypes(msgspec.Struct, frozen=True):
    """The payload types that one offer gave a codec; `rtx` is None without RFC 4588."""

    media: int
    rtx: int | None = None


class AgreedTrack(msgspec.Struct, frozen=True):
    """What an answer agreed on for a publisher's track: `codec` is `H264`, `VP8` or `opus`."""

    codec: str
    types: CodecTypes
    repairs: bool  # Whether the publisher sends lost packets again.
