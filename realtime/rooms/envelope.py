"""Define what gateway processes and workers say to each other on a room's channel.

One tagged msgpack array a message; a process ignores what it cannot decode, and counts it.
"""

from __future__ import annotations

import msgspec

from realtime.protocol.messages import ChatLine, LogEntry


class SaleEnvelope(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="S"):
    """Events just committed, ascending and contiguous."""

    entries: tuple[LogEntry, ...]


class HintEnvelope(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="H"):
    """State keys whose values changed."""

    keys: tuple[str, ...]


class DirectEnvelope(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="D"):
    """A message for one user of the room; `payload` is raw JSON."""

    user: str
    type: str
    payload: bytes


class LinesEnvelope(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="L"):
    """Chat lines for everyone, how many were left out, and who spoke without being shown."""

    lines: tuple[ChatLine, ...]
    dropped: int
    unheard: tuple[tuple[str, int], ...] = ()


class LikesEnvelope(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag="K"):
    """The room's new durable total of likes."""

    total: int


Envelope = SaleEnvelope | HintEnvelope | DirectEnvelope | LinesEnvelope | LikesEnvelope

_decoder: msgspec.msgpack.Decoder[Envelope] = msgspec.msgpack.Decoder(Envelope)


def encode_envelope(envelope: Envelope) -> bytes:
    """Encode for the channel."""
    return msgspec.msgpack.encode(envelope)


def decode_envelope(data: bytes) -> Envelope:
    """Decode from the channel; raises ValueError for anything malformed."""
    return _decoder.decode(data)


def room_channel(prefix: str, room_id: str) -> str:
    """Name the one channel of a room."""
    return f"{prefix}room:{room_id}"
