"""Viewers by the hundred: real connections that count what comes, and decrypt nothing of it.

A viewer does ICE and DTLS as any client does. Once connected it reads its socket by itself, many
packets at a time, and takes sequence, timestamp and marker from the plain RTP header, so that one
core can watch for hundreds. What is inside is proved by a `Verifier` beside them.

Sockets are looked at in rounds, and no packet wakes the process: on one machine the sender's
system call would pay for each waking, which no network card does to a server. For the same reason
they take what was sent by one call as it was sent (UDP GRO): else the sender's call would also cut
it, sum each datagram up and queue it on the receiver's side.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket
from aiortc.sdp import SessionDescription

CONNECT_TIMEOUT_S = 15.0
REPORT_EVERY_S = 1.0
PACKETS_PER_TURN = 64  # Then other sockets get their turn.
ROUND_S = 0.01
# Of linux/udp.h; what comes whole is 65,507 bytes at most, and its control message an int.
SOL_UDP, UDP_GRO = 17, 104
WHOLE_BYTES = 1 << 16
CONTROL_BYTES = socket.CMSG_SPACE(4)
Signal = Callable[[str], Awaitable[str]]


class Count(msgspec.Struct):
    """What one viewer saw of one kind of media."""

    packets: int = 0
    size_bytes: int = 0
    frames: int = 0  # Packets with the marker: for video the last of each picture.
    first_sequence: int | None = None
    highest: int | None = None  # Extended: goes on over wraps.
    ssrc: int = 0

    def note(self, sequence: int, marker: bool, size: int) -> None:
        """Count one packet."""
        self.packets += 1
        self.size_bytes += size
        self.frames += marker
        if self.highest is None:
            self.first_sequence = self.highest = sequence
            return
        ahead = (sequence - self.highest) & 0xFFFF
        if ahead < 0x8000:
            self.highest += ahead

    @property
    def missing(self) -> int:
        """Sequence numbers of the stretch that did not come, or came only as a retransmission."""
        if self.highest is None or self.first_sequence is None:
            return 0
        return max(0, self.highest - self.first_sequence + 1 - self.packets)


class Rounds:
    """Calls each reader every `ROUND_S`, while there is any."""

    def __init__(self) -> None:
        self._readers: dict[Callable[[], None], None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, reader: Callable[[], None]) -> None:
        """Call this one too."""
        self._readers[reader] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(ROUND_S, self._go_round)

    def remove(self, reader: Callable[[], None]) -> None:
        """Call this one no more."""
        self._readers.pop(reader, None)

    def _go_round(self) -> None:
        for reader in tuple(self._readers):
            reader()
        self._timer = None
        if self._readers:
            self._timer = asyncio.get_running_loop().call_later(ROUND_S, self._go_round)


class Viewer:
    """One viewer; `video` and `audio` say what it got. Many share their `rounds`."""

    def __init__(
        self, kinds: tuple[str, ...] = ("video", "audio"), *, rounds: Rounds | None = None
    ) -> None:
        self.connection = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        self._receivers = []
        for kind in kinds:
            receiver = self.connection.addTransceiver(kind, direction="recvonly").receiver
            receiver.receive = _leave_alone  # No thread, no decoder, no jitter buffer.
            self._receivers.append(receiver)
        self.video, self.audio, self.retransmitted = Count(), Count(), Count()
        self.first_packet = asyncio.Event()
        self._by_payload_type: dict[int, Count] = {}
        self._rounds = rounds or Rounds()
        self._sockets: list[tuple[socket.socket, Any]] = []
        self._reports: asyncio.Task[None] | None = None
        self._buffer = bytearray(WHOLE_BYTES)

    async def start(self, signal: Signal) -> None:
        """Offer, take the answer, wait for the connection, and count from then on."""
        connected = asyncio.Event()

        def note() -> None:
            if self.connection.connectionState in {"connected", "failed", "closed"}:
                connected.set()

        self.connection.add_listener("connectionstatechange", note)
        await self.connection.setLocalDescription(await self.connection.createOffer())
        answer = await signal(self.connection.localDescription.sdp)
        self._learn_payload_types(answer)
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await connected.wait()
        if self.connection.connectionState != "connected":
            raise ConnectionError(f"the viewer is {self.connection.connectionState}")
        self._take_sockets()
        self._reports = asyncio.create_task(self._report())

    async def close(self) -> None:
        """Leave, and say so by DTLS."""
        if self._reports is not None:
            self._reports.cancel()
            await asyncio.gather(self._reports, return_exceptions=True)
        self.vanish()
        await self.connection.close()

    def vanish(self) -> None:
        """Read no more and say nothing: what a viewer does whose network is gone."""
        if self._reports is not None:
            self._reports.cancel()
        self._rounds.remove(self._read)
        for own, _ in self._sockets:
            own.close()
        self._sockets.clear()

    def _learn_payload_types(self, answer: str) -> None:
        for media in SessionDescription.parse(answer).media:
            for codec in media.rtp.codecs:
                if codec.mimeType.lower().endswith("/rtx"):
                    count = self.retransmitted
                else:
                    count = self.video if media.kind == "video" else self.audio
                self._by_payload_type[codec.payloadType] = count

    def _take_sockets(self) -> None:
        """Read the connection's sockets ourselves; asyncio would be woken for each packet."""
        loop: Any = asyncio.get_running_loop()
        ice = self._receivers[0].transport.transport._connection
        for protocol in ice._protocols:
            shared = protocol.transport.get_extra_info("socket")
            own = socket.socket(fileno=os.dup(shared.fileno()))
            own.setblocking(False)
            with contextlib.suppress(OSError):  # Another system, or an old one: one by one.
                own.setsockopt(SOL_UDP, UDP_GRO, 1)
            loop._remove_reader(shared.fileno())
            self._sockets.append((own, protocol))
        self._rounds.add(self._read)

    def _read(self) -> None:
        for own, protocol in self._sockets:
            self._drain(own, protocol)

    def _drain(self, own: socket.socket, protocol: Any) -> None:
        buffer = self._buffer
        for _ in range(PACKETS_PER_TURN):
            try:
                whole, control, _, address = own.recvmsg_into([buffer], CONTROL_BYTES)
            except (BlockingIOError, ConnectionError):
                return
            size = int.from_bytes(control[0][2], sys.byteorder) if control else whole
            for start in range(0, whole, size):
                self._take(start, min(start + size, whole), protocol, address)

    def _take(self, start: int, end: int, protocol: Any, address: Any) -> None:
        """Count one datagram, or hand it to the connection."""
        buffer = self._buffer
        second = buffer[start + 1]
        if not 127 < buffer[start] < 192 or 192 <= second <= 208:
            protocol.datagram_received(bytes(buffer[start:end]), address)
            return
        count = self._by_payload_type.get(second & 0x7F)
        if count is not None:
            if count.highest is None:
                count.ssrc = int.from_bytes(buffer[start + 8 : start + 12], "big")
                self.first_packet.set()
            sequence = buffer[start + 2] << 8 | buffer[start + 3]
            count.note(sequence, second > 127, end - start)

    async def _report(self) -> None:
        """Send receiver reports as a browser does: a server ends viewers that say nothing."""
        ssrc = random.getrandbits(32)
        transport = self._receivers[0].transport
        while True:
            await asyncio.sleep(REPORT_EVERY_S * random.uniform(0.5, 1.5))
            reports = [
                RtcpReceiverInfo(
                    ssrc=count.ssrc,
                    fraction_lost=0,
                    packets_lost=min(count.missing, 0x7FFFFF),
                    highest_sequence=count.highest & 0xFFFFFFFF,
                    jitter=0,
                    lsr=0,
                    dlsr=0,
                )
                for count in (self.video, self.audio)
                if count.highest is not None
            ]
            with contextlib.suppress(ConnectionError):
                await transport._send_rtp(bytes(RtcpRrPacket(ssrc=ssrc, reports=reports)))


async def _leave_alone(parameters: object) -> None:
    """Stand in for a receiver's start."""
