"""WebRTC connections that carry encoded packets past all codecs; the door to aiortc's inner parts.

aiortc decodes what it receives and encodes what it sends, once per viewer. Here its transceivers
get a receiver and a sender of ours instead, before the answer is made, so no decoder, thread or
queue exists. The names this takes are private: docs/decisions/0024 says why, and the contract
tests of this module fail when a release changes one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.rtp import (
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSdesPacket,
    RtcpSourceInfo,
    RtcpSrPacket,
    RtpPacket,
)
from aiortc.sdp import SessionDescription, candidate_from_sdp

from realtime.video.codecs import (
    choose_codecs,
    codec_order,
    kind_of,
    random_start,
    rtx_of,
    types_of,
)
from realtime.video.config import VideoCounters
from realtime.video.ice import PortsExhaustedError, Surroundings, confine
from realtime.video.intake import Intake
from realtime.video.links import PublisherEvents, ViewerEvents
from realtime.video.media import AgreedTrack, Batch, CodecTypes, Kind, MediaPacket
from realtime.video.offer_checks import check_offer
from realtime.video.offers import Candidates, parse_fragment, without_costly_candidates
from realtime.video.outlets import Outlet, OutletStart
from realtime.video.ports import VideoError
from realtime.video.reports import ReceptionReport, pack_sender_report
from realtime.video.wire import PlainWire, Wire, open_wire

log = logging.getLogger(__name__)

SDES_CNAME = 1


class PublisherReceiver:
    """Stands in for aiortc's receiver: hands packets on as they come."""

    def __init__(self, kind: Kind, transport: Any, events: PublisherEvents, faults: VideoCounters):
        self.kind = kind
        self.transport = transport
        self.track, self._enabled = None, True
        self._events = events
        self._counters = faults

    def setTransport(self, transport: Any) -> None:  # noqa: N802 - The library's name.
        """Follow the library's bundling."""
        self.transport = transport

    async def receive(self, parameters: Any) -> None:
        """Have the transport route this track's packets here."""
        self.transport._register_rtp_receiver(self, parameters)

    async def stop(self) -> None:
        """Take no more packets."""
        self.transport._unregister_rtp_receiver(self)

    def _handle_disconnect(self) -> None:
        """The connection's state tells it, too."""

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        try:
            self._events.packet(
                self.kind, packet.payload_type, packet.ssrc, packet.sequence_number,
                packet.timestamp, bool(packet.marker), packet.payload,
            )  # fmt: skip
        except Exception:  # An error here would end the library's receiving task without a word.
            self._counters.faults += 1
            log.exception("A publisher's packet was not handled")

    async def _handle_rtcp_packet(self, packet: Any) -> None:
        if isinstance(packet, RtcpSrPacket):
            info = packet.sender_info
            self._events.sender_report(self.kind, info.ntp_timestamp, info.rtp_timestamp)


class ViewerSender:
    """Stands in for aiortc's sender: the packets bypass it, the viewer's feedback comes here."""

    def __init__(self, kind: Kind, replaced: Any, start: OutletStart, events: ViewerEvents):
        self.kind = kind
        self.transport = replaced.transport
        self.track = None
        self._ssrc = start.ssrc
        self._rtx_ssrc = start.rtx_ssrc
        self._stream_id: str = replaced._stream_id
        self._track_id: str = replaced._track_id
        self._enabled = True
        self._events = events

    def setTransport(self, transport: Any) -> None:  # noqa: N802 - The library's name.
        """Follow the library's bundling."""
        self.transport = transport

    async def send(self, parameters: Any) -> None:
        """Have the transport route this track's feedback here."""
        self.transport._register_rtp_sender(self, parameters)

    async def stop(self) -> None:
        """Take no more feedback."""
        self.transport._unregister_rtp_sender(self)

    async def _handle_rtcp_packet(self, packet: Any) -> None:
        if isinstance(packet, RtcpRrPacket | RtcpSrPacket):
            for report in packet.reports:
                if report.ssrc == self._ssrc:
                    self._events.received(self.kind, report.lsr, report.dlsr)
        elif isinstance(packet, RtcpRtpfbPacket) and packet.fmt == RTCP_RTPFB_NACK:
            self._events.lost(self.kind, packet.lost)
        elif isinstance(packet, RtcpPsfbPacket) and packet.fmt in {RTCP_PSFB_PLI, RTCP_PSFB_FIR}:
            self._events.keyframe_wanted()


class BasePeer:
    """What the connections of publishers and viewers have in common."""

    def __init__(self, around: Surroundings, ended: Callable[[], None], intake: Intake) -> None:
        self.answer = ""
        self.intake = intake
        self._around = around
        self._pc = RTCPeerConnection(
            # Without servers the library would ask one of its own choice for our address.
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        self._ended, self._is_over = ended, False
        self._remote_user = ""
        self._candidates = Candidates(around.reach)
        self._pc.on("connectionstatechange", self._state_changed)

    async def trickle(self, fragment: str) -> None:
        """Take candidates. Raises VideoError (`bad_offer`, `restart_unsupported`)."""
        read = parse_fragment(fragment, self._candidates)
        if read.user is not None and read.user != self._remote_user:
            raise VideoError("restart_unsupported", "ICE restarts are not served: offer anew.")
        mid = self._pc.getTransceivers()[0].mid
        for line in read.candidates:
            candidate = candidate_from_sdp(line)
            candidate.sdpMid = mid
            await self._pc.addIceCandidate(candidate)

    async def close(self) -> None:
        """End the connection and give back its port."""
        self._is_over = True
        await self._pc.close()

    async def _remote(self, offer: str) -> list[RTCRtpTransceiver]:
        """Check and apply an offer. Raises VideoError."""
        return await self._apply(self._take_offer(offer))

    def _take_offer(self, offer: str) -> str:
        """Return what may be applied of an offer. Raises VideoError."""
        text = without_costly_candidates(offer, self._candidates)
        self._remote_user = check_offer(text)
        return text

    async def _apply(self, text: str) -> list[RTCRtpTransceiver]:
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(sdp=text, type="offer"))
        except Exception as error:  # Its parser raises whatever a stranger's text leads it to.
            log.debug("an offer is not served: %s", error)
            raise VideoError("offer_unsupported", "The offer cannot be served.") from None
        return self._pc.getTransceivers()

    async def _local(self) -> None:
        """Make the answer, with all candidates. Raises VideoError (`video_full`)."""
        self._confine()
        try:
            await self._pc.setLocalDescription(await self._pc.createAnswer())
        except PortsExhaustedError as error:
            raise VideoError("video_full", "No UDP port is free.", retry_after_s=30) from error
        self.answer = self._pc.localDescription.sdp

    def _confine(self) -> None:
        """Bind as configured, and let in what a peer may send."""
        confine(self._dtls.transport, self._around, self.intake)

    @property
    def _dtls(self) -> Any:
        """The one transport of a bundled connection."""
        return self._pc.getTransceivers()[0].receiver.transport

    def _state_changed(self) -> None:
        if self._is_over:
            return
        if self._pc.connectionState == "connected":
            self._connected()
        elif self._pc.connectionState in {"failed", "closed"}:
            self._is_over = True
            self._ended()

    def _connected(self) -> None:
        raise NotImplementedError


class AiortcPublisher(BasePeer):
    """A publisher's connection; `tracks` says what was agreed on."""

    def __init__(self, around: Surroundings, events: PublisherEvents) -> None:
        super().__init__(around, events.ended, Intake(around.config.publish_kbit_per_s_max))
        self.tracks: dict[Kind, AgreedTrack] = {}
        self._events = events
        self._wire: Wire | None = None
        self._rtcp_ssrc = 0

    async def accept(self, offer: str, *, preferred: str | None) -> None:
        """Answer an offer; `preferred` is the codec that viewers have. Raises VideoError."""
        for transceiver in await self._remote(offer):
            kind = kind_of(transceiver)
            if transceiver._offerDirection not in {"recvonly", "sendrecv"}:
                raise VideoError("offer_unsupported", "A publisher's tracks are sendonly.")
            codecs = choose_codecs(transceiver._codecs, codec_order(kind, preferred))
            codec = next(iter(codecs), None)
            if codec is None:
                raise VideoError("offer_unsupported", f"No {kind} codec of the offer is served.")
            rtx = rtx_of(transceiver._codecs, codec)
            _agree(transceiver, [codec, rtx] if rtx else [codec])
            if kind == "video":
                # The library's estimates start browsers at a fifth of this and hold them there.
                start = self._around.config.start_kbit_per_s
                codec.parameters["x-google-start-bitrate"] = str(start)
            self._rtcp_ssrc = transceiver.sender._ssrc
            receiver = PublisherReceiver(
                kind, transceiver.receiver.transport, self._events, self._around.counters
            )
            transceiver._RTCRtpTransceiver__receiver = receiver  # type: ignore[attr-defined]
            self.tracks[kind] = AgreedTrack(
                codec=codec.name,
                types=types_of(codec, rtx),
                repairs=any(f.type == "nack" and not f.parameter for f in codec.rtcpFeedback),
            )
        await self._local()

    def ask_again(self, ssrc: int, sequences: Sequence[int]) -> None:
        """Ask for lost packets."""
        packet = RtcpRtpfbPacket(
            RTCP_RTPFB_NACK, ssrc=self._rtcp_ssrc, media_ssrc=ssrc, lost=sorted(sequences)
        )
        self._control(bytes(packet))

    def ask_keyframe(self, ssrc: int) -> None:
        """Ask for a keyframe."""
        request = RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=self._rtcp_ssrc, media_ssrc=ssrc)
        self._control(bytes(request))

    def report(self, reports: Sequence[tuple[int, ReceptionReport]]) -> None:
        """Report what was received, by source."""
        blocks = [
            RtcpReceiverInfo(
                ssrc=ssrc,
                fraction_lost=block.fraction_lost,
                packets_lost=block.packets_lost,
                highest_sequence=block.highest_sequence,
                jitter=min(block.jitter, 0xFFFF_FFFF),
                lsr=block.lsr,
                dlsr=block.dlsr,
            )
            for ssrc, block in reports
        ]
        self._control(bytes(RtcpRrPacket(ssrc=self._rtcp_ssrc, reports=blocks)))

    async def close(self) -> None:
        """End the connection and give back its port."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None
        await super().close()

    def _control(self, data: bytes) -> None:
        if self._wire is not None:
            self._wire.control(data)

    def _connected(self) -> None:
        dtls = self._dtls
        self._wire = PlainWire(dtls.transport._connection, dtls._tx_srtp, self._around.counters)
        self._events.connected()


class AiortcViewer(BasePeer):
    """A viewer's connection; `starts` and `types` say what its outlets begin with."""

    def __init__(self, around: Surroundings, events: ViewerEvents) -> None:
        super().__init__(around, events.ended, Intake())
        self.starts: dict[Kind, OutletStart] = {}
        self.types: dict[Kind, dict[str, CodecTypes]] = {}
        self._events = events
        self._wire: Wire | None = None
        self._names: dict[int, bytes] = {}  # What goes with the reports of a source.

    async def accept(self, offer: str, *, published: str | None) -> None:
        """Answer an offer; it must have the codec that is `published`. Raises VideoError."""
        for transceiver in await self._remote(offer):
            kind = kind_of(transceiver)
            if transceiver._offerDirection not in {"sendonly", "sendrecv"}:
                raise VideoError("offer_unsupported", "A viewer's tracks are recvonly.")
            codecs = choose_codecs(transceiver._codecs, codec_order(kind, published))
            if not codecs or (kind == "video" and published not in {None, codecs[0].name}):
                raise VideoError("offer_unsupported", f"The {kind} codec is not in the offer.")
            with_rtx: list[Any] = []
            self.types[kind] = {}
            for codec in codecs:
                rtx = rtx_of(transceiver._codecs, codec)
                with_rtx += [codec] if rtx is None else [codec, rtx]
                self.types[kind][codec.name] = types_of(codec, rtx)
            _agree(transceiver, with_rtx)
            self.starts[kind] = start = random_start()
            transceiver.direction = "sendonly"
            sender = ViewerSender(kind, transceiver.sender, start, self._events)
            transceiver._RTCRtpTransceiver__sender = sender  # type: ignore[attr-defined]
        await self._local()
        cname = str(SessionDescription.parse(self.answer).media[0].ssrc[0].cname)
        for start in self.starts.values():
            source = RtcpSourceInfo(ssrc=start.ssrc, items=[(SDES_CNAME, cname.encode())])
            self._names[start.ssrc] = bytes(RtcpSdesPacket(chunks=[source]))

    async def close(self) -> None:
        """End the connection and give back its port."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None
        await super().close()

    def send(self, packets: Sequence[MediaPacket], outlet: Outlet) -> None:
        """Send packets as the outlet numbers them; dropped while there is no line."""
        if self._wire is not None:
            self._wire.send(packets, outlet)

    def send_together(self, picture: Batch, sound: Batch, outlets: tuple[Outlet, Outlet]) -> None:
        """Send a picture and the sound that waited for it."""
        if self._wire is not None:
            self._wire.send_together(picture, sound, outlets)

    def repair(self, packet: MediaPacket, outlet: Outlet) -> None:
        """Send a packet again."""
        if self._wire is not None:
            self._wire.repair(packet, outlet)

    def report(self, outlet: Outlet, *, ntp: int, timestamp: int) -> None:
        """Tell when a timestamp (as the viewer reads it) was captured."""
        if self._wire is None:
            return
        report = pack_sender_report(
            outlet.ssrc, ntp=ntp, timestamp=timestamp,
            packets=outlet.packets_sent, octets=outlet.octets_sent,
        )  # fmt: skip
        self._wire.control(report + self._names[outlet.ssrc])

    def _connected(self) -> None:
        dtls, around = self._dtls, self._around
        self._wire = open_wire(
            around.config.mode, dtls.transport._connection, dtls._tx_srtp, around.counters
        )
        self._events.connected()


def _agree(transceiver: Any, codecs: list[Any]) -> None:
    """Answer with these codecs, without bandwidth estimates and header extensions."""
    for codec in codecs:
        codec.rtcpFeedback = [f for f in codec.rtcpFeedback if f.type != "goog-remb"]
    transceiver._codecs = codecs
    transceiver._headerExtensions = []
