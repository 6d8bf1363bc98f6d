"""The short way for whole text frames reads what the library reads, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from realtime.gateway.wire import Request, Wire

BYTES_MAX = 4096
UPGRADE = (
    b"GET /ws/demo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def make_wire() -> Wire:
    wire = Wire(frame_bytes_max=BYTES_MAX, is_packing_offered=True)
    wire.receive_data(UPGRADE)
    (request,) = wire.events_received()
    assert isinstance(request, Request)
    wire.send_response(wire.accept(request))
    wire.data_to_send()
    return wire


def text(payload: bytes, *, fin: bool = True) -> bytes:
    return Frame(Opcode.TEXT, payload, fin).serialize(mask=True)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 300, BYTES_MAX])
def test_a_whole_text_frame_is_read_at_once(size: int) -> None:
    payload = b"x" * size
    assert make_wire().read_whole_text(text(payload)) == payload


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x81",
        text(b"hi")[:-1],
        text(b"hi") + text(b"ho"),
        text(b"hi", fin=False),
        text(b"x" * (BYTES_MAX + 1)),
        Frame(Opcode.BINARY, b"hi").serialize(mask=True),
        Frame(Opcode.PING, b"hi").serialize(mask=True),
        b"\xc1" + text(b"hi")[1:],
        Frame(Opcode.TEXT, b"hi").serialize(mask=False),
        Frame(Opcode.TEXT, b"x" * 200).serialize(mask=False),
        text(b"x" * 70_000),
    ],
    ids=[
        "nothing",
        "one byte",
        "a byte short",
        "two",
        "a piece",
        "too long",
        "binary",
        "ping",
        "packed",
        "short, not masked",
        "not masked",
        "eight bytes of length",
    ],
)
def test_everything_else_is_left_to_the_library(data: bytes) -> None:
    assert make_wire().read_whole_text(data) is None


def test_no_frame_is_read_in_the_middle_of_another() -> None:
    whole = text(b"ho")
    wire = make_wire()
    wire.receive_data(text(b"hi")[:4])
    assert wire.read_whole_text(whole) is None
    wire = make_wire()
    wire.receive_data(text(b"hi", fin=False))
    assert wire.read_whole_text(whole) is None, "the library refuses this one"


def test_nothing_is_read_before_the_upgrade_and_after_a_close() -> None:
    fresh = Wire(frame_bytes_max=BYTES_MAX, is_packing_offered=False)
    assert fresh.read_whole_text(text(b"hi")) is None
    closed = make_wire()
    closed.send_close(1000)
    assert closed.read_whole_text(text(b"hi")) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.PING]), st.binary(max_size=200)
        ),
        max_size=6,
    ),
    st.lists(st.integers(1, 300), max_size=8),
)
def test_however_bytes_arrive_the_messages_are_the_same(
    frames: list[tuple[Opcode, bytes]], cuts: list[int]
) -> None:
    frames = [(code, data[:100] if code is Opcode.PING else data) for code, data in frames]
    stream = b"".join(Frame(code, data).serialize(mask=True) for code, data in frames)
    wire, read = make_wire(), []
    while stream:
        size = cuts.pop() if cuts else len(stream)
        piece, stream = stream[:size], stream[size:]
        message = wire.read_whole_text(piece)
        if message is not None:
            read.append((Opcode.TEXT, message))
            continue
        wire.receive_data(piece)
        for frame in wire.events_received():
            assert isinstance(frame, Frame)
            read.append((frame.opcode, bytes(frame.data)))
    assert read == frames
