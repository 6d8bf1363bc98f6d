"""What one peer, or whoever knows its address, sends: others do not pay for it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aioice import stun
from aioice.ice import StunProtocol
from aiortc import RTCSessionDescription
from aiortc.rtp import RTCP_PSFB_PLI, RtcpPsfbPacket, RtpPacket

from realtime.video import ice, intake
from realtime.video.config import VideoCounters
from realtime.video.ice import CHECK_RETRANSMISSIONS, CHECKS_BURST, GuardedStun
from realtime.video.intake import FLOOD_S, REPORTS_BURST, SOURCES_MAX
from realtime.video.peers import AiortcPublisher
from realtime.video.ports import VideoError
from tests.integration.realtime.video.people import (
    LOOPBACK,
    ROOM,
    Publisher,
    Viewer,
    forwarding,
    until,
)
from tests.integration.realtime.video.test_refusals import offer_of


async def test_a_viewers_flood_of_requests_is_dropped_and_ends_it() -> None:
    """Encrypted, well formed, as fast as it can; who watches beside it goes on."""
    async with forwarding() as forwarder:
        host, rude, stays = Publisher(sound=False), Viewer(sound=False), Viewer(sound=False)
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        await rude.play(forwarder)
        await stays.play(forwarder)
        await until(lambda: rude.frames and stays.frames)
        line = rude.pc.getTransceivers()[0].receiver.transport
        source = rude.headers["video"][0].ssrc
        request = bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=source))
        loop = asyncio.get_running_loop()
        began_s, sent = loop.time(), 0
        while not forwarder.counters.floods:
            assert loop.time() - began_s < FLOOD_S + 8
            for _ in range(10):
                await line._send_rtp(request)
            sent += 10
            await asyncio.sleep(0.005)
        assert sent > 2 * REPORTS_BURST
        assert forwarder.counters.dropped_in > sent - 3 * REPORTS_BURST
        assert forwarder.counters.viewers == 1
        # Its own joining, and a few of its wishes.
        assert forwarder.counters.keyframes_asked < 12
        seen = len(stays.frames)
        await until(lambda: len(stays.frames) > seen + 30)
        for person in (rude, stays):
            await person.close()
        await host.vanish()


async def test_a_publisher_that_sends_too_much_is_ended_and_told_why() -> None:
    """In its own room; after a while it may come back."""
    config = msgspec.structs.replace(LOOPBACK, publish_kbit_per_s_max=20)
    async with forwarding(config) as forwarder:
        host, other = Publisher(), Publisher()
        await host.publish(forwarder)
        await until(lambda: forwarder.counters.floods == 1)
        assert forwarder.counters.publishers == 0
        with pytest.raises(VideoError) as refused:
            await forwarder.publish(ROOM, await offer_of(), take_over=True)
        assert refused.value.code == "publisher_too_fast"
        assert 0 < (refused.value.retry_after_s or 0) <= 10
        await other.publish(forwarder, "room-2")
        forwarder._too_fast_s[ROOM] -= 10
        await forwarder.publish(ROOM, await offer_of(), take_over=False)
        for person in (host, other):
            await person.vanish()


@asynccontextmanager
async def inner_service() -> AsyncIterator[tuple[int, asyncio.Queue[bytes]]]:
    """A UDP service on loopback, as a stranger would like to find one: its port, what it hears."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    class Service(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            heard.put_nowait(data)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        Service, local_addr=("127.0.0.1", 0)
    )
    try:
        yield transport.get_extra_info("sockname")[1], heard
    finally:
        transport.close()


@pytest.mark.parametrize("is_public", [False, True])
async def test_an_offer_has_nothing_sent_into_a_network_that_is_not_the_servers(
    is_public: bool,
) -> None:
    """Where the server is told to be on the internet; on loopback itself it is (the control)."""
    more = {"advertise_addresses": ("203.0.113.7",)} if is_public else {}
    config = msgspec.structs.replace(LOOPBACK, connect_timeout_s=1.0, **more)
    async with inner_service() as (port, heard), forwarding(config) as forwarder:
        line = f"a=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host\r\n"
        offer = "".join(
            one
            for one in (await offer_of()).splitlines(keepends=True)
            if not one.startswith("a=candidate:")
        )
        session = await forwarder.publish(ROOM, offer + line, take_over=False)
        await forwarder.trickle(session.id, line.replace("a=candidate:1", "a=candidate:2"))
        await until(lambda: forwarder.counters.connect_timeouts == 1)
        assert heard.empty() is is_public


async def test_paths_are_checked_a_few_times_and_not_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Consent of a peer that was found is asked for whatever was checked before."""
    asked: list[int | None] = []

    async def request(*args: object) -> tuple[stun.Message, tuple[str, int]]:
        asked.append(args[-1])  # type: ignore[arg-type]
        return stun.Message(stun.Method.BINDING, stun.Class.RESPONSE), ("127.0.0.1", 1)

    monkeypatch.setattr(StunProtocol, "request", request)
    protocol = GuardedStun(None, VideoCounters(), None)
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    failed = 0
    for _ in range(CHECKS_BURST + 50):
        try:
            await protocol.request(message, ("127.0.0.1", 1))
        except stun.TransactionTimeout:
            failed += 1
    assert 40 <= failed <= 50
    assert set(asked) == {CHECK_RETRANSMISSIONS}
    await protocol.request(message, ("127.0.0.1", 1), None, 0)
    assert asked[-1] == 0


def test_a_server_without_addresses_set_is_in_the_networks_of_its_interfaces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And one that is told to be elsewhere is there."""
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda **_: ["192.168.1.2"])
    config = msgspec.structs.replace(LOOPBACK, bind_addresses=())
    assert ice.own_reach(config).may_check("192.168.1.3", 5_000)
    everywhere = msgspec.structs.replace(config, bind_addresses=("0.0.0.0",))
    assert ice.own_reach(everywhere).may_check("192.168.1.3", 5_000)
    elsewhere = msgspec.structs.replace(config, advertise_addresses=("203.0.113.7",))
    assert not ice.own_reach(elsewhere).may_check("192.168.1.2", 5_000)
    with_film = ice.own_reach(msgspec.structs.replace(elsewhere, publishes_itself=True))
    assert with_film.may_check("192.168.1.2", 5_000)
    assert not with_film.may_check("192.168.1.3", 5_000)


async def test_a_strangers_flood_does_not_reach_the_library() -> None:
    """Datagrams that look like media, from somewhere else; the picture goes on."""
    async with forwarding() as forwarder:
        host = Publisher(sound=False)
        session = await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        port = port_of(session.answer)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for _ in range(60):
                for _ in range(20):
                    stranger.sendto(b"\x80" + bytes(200), ("127.0.0.1", port))
                await asyncio.sleep(0.005)
        await until(lambda: forwarder.counters.dropped_in > 500)
        packets = forwarder.counters.packets_in
        await until(lambda: forwarder.counters.packets_in > packets + 60)
        assert forwarder.counters.floods == 0
        await host.vanish()


# Unencrypted, as DTLS has them before keys are agreed on (RFC 5246 §7.2): type, version, epoch and
# number, length, level, description.
CLOSE_NOTIFY = bytes.fromhex("15 fefd 0000000000000000 0002 01 00")
HANDSHAKE_FAILURE = bytes.fromhex("15 fefd 0000000000000000 0002 02 28")


@pytest.mark.parametrize("alert", [CLOSE_NOTIFY, HANDSHAKE_FAILURE])
async def test_a_strangers_alert_does_not_end_a_handshake(alert: bytes) -> None:
    """Nobody has to prove that one is the peer's; from the answer on, as fast as it may be."""
    async with forwarding() as forwarder:
        host = Publisher(sound=False)
        await host.pc.setLocalDescription(await host.pc.createOffer())
        session = await forwarder.publish(ROOM, host.pc.localDescription.sdp, take_over=False)
        is_over = False

        async def spray(port: int) -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                while not is_over:
                    stranger.sendto(alert, ("127.0.0.1", port))
                    await asyncio.sleep(0.002)

        spraying = asyncio.create_task(spray(port_of(session.answer)))
        await host.pc.setRemoteDescription(RTCSessionDescription(session.answer, "answer"))
        await until(lambda: forwarder.state(ROOM).live)
        is_over = True
        await spraying
        assert forwarder.counters.dropped_in > 0
        await host.vanish()


async def test_strangers_checks_do_not_crowd_out_those_of_a_peer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A peer whose address is hidden is known by none before its first check has come."""
    monkeypatch.setattr(intake, "STRANGE_PER_S", 0.001)
    monkeypatch.setattr(intake, "STRANGE_BURST", 0)  # As if they had taken it all.
    async with forwarding() as forwarder:
        host = Publisher(sound=False)
        await host.pc.setLocalDescription(await host.pc.createOffer())
        lines = host.pc.localDescription.sdp.splitlines(keepends=True)
        hidden = "".join(line for line in lines if not line.startswith("a=candidate:"))
        session = await forwarder.publish(ROOM, hidden, take_over=False)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            check = bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST))
            stranger.sendto(check, ("127.0.0.1", port_of(session.answer)))
            await until(lambda: forwarder.counters.dropped_in == 1)
        await host.pc.setRemoteDescription(RTCSessionDescription(session.answer, "answer"))
        await until(lambda: forwarder.state(ROOM).live)
        await host.vanish()


async def test_a_publishers_ever_new_sources_are_not_kept() -> None:
    """The library remembers each for ever, and looks through all of them for each packet."""
    async with forwarding() as forwarder:
        host = Publisher(sound=False)
        session = await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        line = host.pc.getTransceivers()[0].receiver.transport
        sent = 4 * SOURCES_MAX
        for ssrc in range(1, sent + 1):
            packet = RtpPacket(payload_type=payload_type_of(host), ssrc=ssrc, payload=b"x")
            await line._send_rtp(packet.serialize())
        await until(lambda: forwarder.counters.dropped_in > sent - SOURCES_MAX)
        peer = forwarder._session(session.id).peer
        assert isinstance(peer, AiortcPublisher)
        assert len(peer._dtls._rtp_router.ssrc_table) <= SOURCES_MAX
        packets = forwarder.counters.packets_in  # Of the source that came first.
        await until(lambda: forwarder.counters.packets_in > packets + 60)
        await host.vanish()


async def test_both_sides_lines_are_given_back_with_their_sessions() -> None:
    """A descriptor each, beside the library's: whoever comes and goes must not use them up."""
    async with forwarding() as forwarder:
        host, viewer = Publisher(sound=False), Viewer(sound=False)
        published = await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        played = await viewer.play(forwarder)
        peers: list[Any] = [forwarder._session(one.id).peer for one in (published, played)]
        await until(lambda: all(one._wire and one._wire._line._socket for one in peers))
        lines = [one._wire._line for one in peers]
        await viewer.close()
        await host.vanish()
    assert [line._socket for line in lines] == [None, None]


async def test_a_viewers_ever_new_sources_are_not_kept() -> None:
    """Its own goes on: its reports keep it, and the picture stays."""
    async with forwarding() as forwarder:
        host, viewer = Publisher(sound=False), Viewer(sound=False)
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        await viewer.play(forwarder)
        await until(lambda: viewer.frames)
        line = viewer.pc.getTransceivers()[0].receiver.transport
        sent = 4 * SOURCES_MAX
        for ssrc in range(1, sent + 1):
            await line._send_rtp(bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=ssrc, media_ssrc=2)))
        await until(lambda: forwarder.counters.dropped_in >= sent - SOURCES_MAX)
        seen = len(viewer.frames)
        await until(lambda: len(viewer.frames) > seen + 30)
        await viewer.close()
        await host.vanish()


def port_of(answer: str) -> int:
    """Where an answer says that its session listens."""
    lines = answer.splitlines()
    return next(int(line.split()[5]) for line in lines if line.startswith("a=candidate:"))


def payload_type_of(host: Publisher) -> int:
    """What the host's picture is sent as."""
    return int(host.pc.getTransceivers()[0]._codecs[0].payloadType)


async def test_a_room_that_ends_while_a_publisher_is_answered_stays_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The answer is held back until the room has ended."""
    answering, go = asyncio.Event(), asyncio.Event()
    accept = AiortcPublisher.accept

    async def accept_later(peer: AiortcPublisher, offer: str, *, preferred: str | None) -> None:
        await accept(peer, offer, preferred=preferred)
        answering.set()
        await go.wait()

    monkeypatch.setattr(AiortcPublisher, "accept", accept_later)
    async with forwarding() as forwarder:
        offer = await offer_of()
        begun = asyncio.create_task(forwarder.publish(ROOM, offer, take_over=False))
        await answering.wait()
        await forwarder.end_room(ROOM)
        go.set()
        with pytest.raises(VideoError) as refused:
            await begun
        assert refused.value.code == "session_unknown"
        assert not forwarder._rooms
        await forwarder.publish(ROOM, offer, take_over=False)


async def test_what_a_library_says_of_an_offer_is_not_answered() -> None:
    """Its words tell of its insides, and repeat what a stranger sent."""
    good = await offer_of()
    async with forwarding() as forwarder:
        for text in ("v=0\r\nm=secret-word", good.replace("m=video ", "m=video secret-word")):
            with pytest.raises(VideoError) as refused:
                await forwarder.publish(ROOM, text, take_over=False)
            assert str(refused.value) in {"The offer cannot be read.", "The offer has no media."}
