"""The private names of aiortc, aioice and pylibsrtp that the forwarder takes (decision 0024).

A failure here means: do not raise the version before `peers`, `ice`, `lines` or `wire` were
looked at.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import runpy
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pylibsrtp
import pytest
from aioice import ice
from aioice.candidate import Candidate
from aiortc import RTCConfiguration, RTCPeerConnection, rtcpeerconnection
from aiortc.rtcdtlstransport import RTCDtlsTransport, RtpRouter
from aiortc.rtcicetransport import RTCIceTransport
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtcrtpsender import RTCRtpSender
from aiortc.rtp import is_rtcp
from pylibsrtp import _binding

from realtime.video.config import VideoCounters
from realtime.video.intake import source_of

ROOT = Path(__file__).resolve().parents[4]
PINS = {"aiortc": "1.16", "aioice": "0.13", "pylibsrtp": "1.0"}


@pytest.mark.parametrize(("package", "minor"), PINS.items())
def test_the_version_is_the_one_this_was_written_against(package: str, minor: str) -> None:
    """Installed, and pinned in what we ask for."""
    assert version(package).startswith(f"{minor}.")
    assert f"{package}=={minor}.*" in (ROOT / "requirements.in").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (RTCRtpReceiver._handle_rtp_packet, ["self", "packet", "arrival_time_ms"]),
        (RTCRtpReceiver._handle_rtcp_packet, ["self", "packet"]),
        (RTCRtpReceiver._handle_disconnect, ["self"]),
        (RTCRtpReceiver.receive, ["self", "parameters"]),
        (RTCRtpReceiver.setTransport, ["self", "transport"]),
        (RTCRtpReceiver.stop, ["self"]),
        (RTCRtpSender._handle_rtcp_packet, ["self", "packet"]),
        (RTCRtpSender.send, ["self", "parameters"]),
        (RTCRtpSender.setTransport, ["self", "transport"]),
        (RTCRtpSender.stop, ["self"]),
        (RTCDtlsTransport._register_rtp_receiver, ["self", "receiver", "parameters"]),
        (RTCDtlsTransport._unregister_rtp_receiver, ["self", "receiver"]),
        (RTCDtlsTransport._register_rtp_sender, ["self", "sender", "parameters"]),
        (RTCDtlsTransport._unregister_rtp_sender, ["self", "sender"]),
        (RtpRouter.register_sender, ["self", "sender", "ssrc"]),
        (ice.Connection.data_received, ["self", "data", "component"]),
        (ice.Connection.request_received, ["self", "message", "addr", "protocol"]),
        (ice.StunProtocol.datagram_received, ["self", "data", "addr"]),
        (ice.Connection.get_component_candidates, ["self", "component", "addresses", "timeout"]),
        (ice.StunProtocol.__init__, ["self", "receiver"]),
        (
            ice.StunProtocol.request,
            ["self", "request", "addr", "integrity_key", "retransmissions"],
        ),
    ],
)
def test_what_is_called_takes_the_same_arguments(
    function: Callable[..., Any], parameters: list[str]
) -> None:
    """A wrong keyword would end the library's receiving task without a word."""
    assert list(inspect.signature(function).parameters) == parameters


def test_private_names_of_others_are_taken_at_the_doors_alone() -> None:
    """So an upgrade is looked at in four files (decision 0024)."""
    doors = {"peers", "ice", "lines", "wire"}
    files = [path for path in (ROOT / "realtime" / "video").rglob("*.py") if path.stem not in doors]
    taken = [
        f"{path.name}: {ast.unparse(node)}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and re.match(r"_[^_]|_RTC", node.attr)
        if ast.unparse(node.value) not in {"self", "super()"}
    ]
    assert len(files) > 30
    assert taken == []


def test_the_library_calls_ours_by_the_names_we_have() -> None:
    """Read in its source, as no call can be seen from outside."""
    received = inspect.getsource(RTCDtlsTransport._handle_rtp_data)
    assert "receiver._handle_rtp_packet(packet, arrival_time_ms=arrival_time_ms)" in received
    assert "recipient._handle_rtcp_packet(packet)" in inspect.getsource(
        RTCDtlsTransport._handle_rtcp_data
    )
    described = inspect.getsource(rtcpeerconnection.create_media_description_for_transceiver)
    for name in ("_stream_id", "_track_id", "_ssrc", "_rtx_ssrc"):
        assert f"transceiver.sender.{name}" in described
    gathered = inspect.getsource(ice.Connection.gather_candidates)
    assert "self.get_component_candidates(component=component, addresses=addresses)" in gathered


def test_the_library_asks_a_found_peer_with_no_repetition_and_others_with_its_own() -> None:
    """By this the guard tells consent from the checks that it bounds."""
    assert "retransmissions=0" in inspect.getsource(ice.Connection.query_consent)
    assert "retransmissions" not in inspect.getsource(ice.Connection.check_start)
    assert isinstance(inspect.getattr_static(ice.CandidatePair, "remote_addr"), property)


def test_reports_are_told_from_media_as_the_library_does() -> None:
    """Else the source that is counted would not be the one that is kept."""
    for second in range(256):
        data = bytes([128, second, 0, 0]) + b"abcd" + b"efgh"
        assert source_of(data) == (b"abcd" if is_rtcp(data) else b"efgh")


async def test_the_objects_have_the_attributes_we_read() -> None:
    """On a connection with both tracks."""
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        transceiver = pc.addTransceiver("video", direction="recvonly")
        for name in (
            "_RTCRtpTransceiver__receiver",
            "_RTCRtpTransceiver__sender",
            "_codecs",
            "_headerExtensions",
            "_offerDirection",
        ):
            assert hasattr(transceiver, name), name
        dtls = transceiver.receiver.transport
        assert dtls._tx_srtp is None  # Set once keys are agreed on.
        assert isinstance(dtls.transport, RTCIceTransport)
        connection = dtls.transport._connection
        assert isinstance(connection._queue, asyncio.Queue)
        assert connection._nominated == {}
        assert connection._protocols == []
        assert len(connection.local_username) >= 4
        assert ice.StunProtocol(connection).transactions == {}
        assert connection._remote_candidates == []
        named = Candidate("1", 1, "udp", 1, "2001:DB8:0::1", 5000, "host")
        await connection.add_remote_candidate(named)
        assert [one._network_host for one in connection._remote_candidates] == ["2001:db8::1"]
        sender = transceiver.sender
        assert isinstance(sender._stream_id, str)
        assert isinstance(sender._track_id, str)
        assert isinstance(sender._ssrc, int)
    finally:
        await pc.close()


def test_plain_does_without_the_private_names_of_the_encryption(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On the day on which they are gone it has to start (decision 0024)."""
    monkeypatch.delattr(pylibsrtp, "_binding")
    monkeypatch.setitem(sys.modules, "pylibsrtp._binding", None)
    open_wire = runpy.run_path(str(ROOT / "realtime" / "video" / "wire.py"))["open_wire"]
    connection = SimpleNamespace(_nominated={})
    open_wire("plain", connection, object(), VideoCounters()).close()
    with pytest.raises(ImportError):
        open_wire("fast", connection, object(), VideoCounters())


def test_the_raw_function_writes_what_the_public_method_writes() -> None:
    """One packet, two sessions of one key."""
    key = bytes(range(30))
    packet = b"\x80\x60\x00\x01" + bytes(8) + b"payload"

    def session() -> pylibsrtp.Session:
        policy = pylibsrtp.Policy(key=key, ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        return pylibsrtp.Session(policy)

    expected = session().protect(packet)
    raw = session()
    cells, length = _binding.ffi.new("char[]", 2048), _binding.ffi.new("int *")
    _binding.ffi.buffer(cells)[0 : len(packet)] = packet
    length[0] = len(packet)
    assert _binding.lib.srtp_protect(raw._srtp[0], cells, length) == 0
    assert _binding.ffi.buffer(cells)[0 : length[0]] == expected
