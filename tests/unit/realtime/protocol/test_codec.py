"""Frames are what RFC 6455 says, for every length encoding."""

from __future__ import annotations

import pytest
from websockets.frames import Opcode
from websockets.protocol import CLIENT, Protocol

from realtime.protocol.codec import frame_ping, frame_text


@pytest.mark.parametrize("size_bytes", [0, 1, 125, 126, 65535, 65536, 70000])
def test_a_client_reads_a_text_frame_of_any_length(size_bytes: int) -> None:
    client = Protocol(CLIENT)
    client.receive_data(frame_text(b"x" * size_bytes))
    (frame,) = client.events_received()
    assert (frame.opcode, frame.fin, frame.data) == (Opcode.TEXT, True, b"x" * size_bytes)


def test_a_client_answers_a_ping() -> None:
    client = Protocol(CLIENT)
    client.receive_data(frame_ping())
    assert client.data_to_send()
