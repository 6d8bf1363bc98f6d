"""What processes say to each other survives the channel, and nonsense is an error."""

from __future__ import annotations

import pytest

from realtime.protocol.messages import ChatLine, LogEntry
from realtime.rooms.envelope import (
    DirectEnvelope,
    Envelope,
    HintEnvelope,
    LikesEnvelope,
    LinesEnvelope,
    SaleEnvelope,
    decode_envelope,
    encode_envelope,
    room_channel,
)


@pytest.mark.parametrize(
    "envelope",
    [
        SaleEnvelope((LogEntry(1, "t", b'{"a":1}', 2),)),
        HintEnvelope(("stock:s",)),
        DirectEnvelope("u", "order.paid", b"{}"),
        LinesEnvelope((ChatLine("l", "u", "n", "x", ("host",), 1),), 3),
        LikesEnvelope(9),
    ],
)
def test_every_envelope_survives_the_channel(envelope: Envelope) -> None:
    assert decode_envelope(encode_envelope(envelope)) == envelope


@pytest.mark.parametrize("data", [b"", b"\xff", b"\x93\x01\x02\x03", b"hello"])
def test_nonsense_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        decode_envelope(data)


def test_a_room_has_one_channel() -> None:
    assert room_channel("p:", "r1") == "p:room:r1"
