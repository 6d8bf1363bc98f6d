"""Frames are what RFC 6455 says, for every length encoding."""

from __future__ import annotations

import pytest
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Opcode
from websockets.protocol import CLIENT, Protocol

from realtime.protocol.codec import PACK_BYTES_MIN, Blob, frame_packed, frame_ping, frame_text


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


def unpacking_client() -> Protocol:
    client = Protocol(CLIENT)
    client.extensions = [
        PerMessageDeflate(
            remote_no_context_takeover=True,
            local_no_context_takeover=True,
            remote_max_window_bits=15,
            local_max_window_bits=15,
        )
    ]
    return client


@pytest.mark.parametrize("size_bytes", [0, 1, 300, 70_000])
def test_a_client_unpacks_each_packed_frame_by_itself(size_bytes: int) -> None:
    client = unpacking_client()
    payload = b"abcd" * (size_bytes // 4) + b"x" * (size_bytes % 4)
    client.receive_data(frame_packed(payload) + frame_packed(payload))
    first, second = client.events_received()
    assert first.data == second.data == payload


def test_a_blob_packs_the_large_payloads_only() -> None:
    small, large = b"[1]", b'["L",' + b"0," * PACK_BYTES_MIN + b"0]"
    blob = Blob(small, large)
    assert blob.plain == frame_text(small) + frame_text(large)
    assert blob.packed == frame_text(small) + frame_packed(large)
    assert len(blob.packed) < len(blob.plain) / 3


def test_a_blob_is_packed_once() -> None:
    blob = Blob(b"x" * 1000)
    assert blob.packed is blob.packed


def test_a_blob_of_nothing_is_empty() -> None:
    assert not Blob()
    assert Blob(b"")
