"""What is not served is refused with its code, and changes nothing."""

from __future__ import annotations

import asyncio
import socket

import msgspec
import pytest
from aioice import stun

from realtime.video.forwarder import BuiltinForwarder
from realtime.video.ports import EncodedFrame, RefusalCode, VideoError
from tests.integration.realtime.video.people import (
    LOOPBACK,
    ROOM,
    Publisher,
    Viewer,
    connection,
    forwarding,
    prefer,
    until,
)


async def offer_of(*, direction: str = "sendonly", codec: str = "VP8") -> str:
    """A stock offer of one video."""
    pc = connection()
    pc.addTransceiver("video", direction=direction)
    prefer(pc, codec)
    await pc.setLocalDescription(await pc.createOffer())
    text = pc.localDescription.sdp
    await pc.close()
    return text


async def refusal(forwarder: BuiltinForwarder, offer: str) -> RefusalCode | None:
    """How an offer to publish is refused; None when it is not."""
    try:
        await forwarder.publish(ROOM, offer, take_over=False)
    except VideoError as error:
        return error.code
    return None


def _without(text: str, beginning: str) -> str:
    return "".join(
        line for line in text.splitlines(keepends=True) if not line.startswith(beginning)
    )


async def test_offers_that_are_none_are_refused() -> None:
    """Cut, empty, hostile; nothing stays behind."""
    good = await offer_of()
    cases: list[tuple[str, RefusalCode]] = [
        ("", "bad_offer"),
        ("hello", "bad_offer"),
        ("v=0\r\n", "bad_offer"),
        ("x" * 100_000, "bad_offer"),
        (_without(good, "a=fingerprint"), "bad_offer"),
        (_without(good, "a=ice-pwd"), "bad_offer"),
        (_without(good, "a=rtcp-mux"), "bad_offer"),
        (good.replace("m=video", "m=application"), "offer_unsupported"),
        (good.replace("VP8", "VP7"), "offer_unsupported"),
        (good.replace("a=sendonly", "a=recvonly"), "offer_unsupported"),
        (good + good[good.index("m=video") :], "offer_unsupported"),
        (good.replace("m=video ", "m=video nine"), "bad_offer"),
        (good.replace(" UDP/TLS/RTP/SAVPF ", " UDP/TLS/RTP/SAVPF 128 "), "bad_offer"),
    ]
    async with forwarding() as forwarder:
        for text, code in cases:
            assert await refusal(forwarder, text) == code, text[:300]
        assert forwarder.counters.refused == len(cases)
        assert not forwarder._rooms
        assert not forwarder._sessions


async def test_a_second_publisher_is_refused_unless_it_takes_over() -> None:
    """And a bad offer does not end the first one."""
    async with forwarding() as forwarder:
        host = Publisher()
        session = await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        with pytest.raises(VideoError) as refused:
            await forwarder.publish(ROOM, await offer_of(), take_over=False)
        assert refused.value.code == "publisher_present"
        with pytest.raises(VideoError):
            await forwarder.publish(ROOM, "hello", take_over=True)
        assert forwarder.state(ROOM).live
        await forwarder.end(session.id)
        with pytest.raises(VideoError) as unknown:
            await forwarder.end(session.id)
        assert unknown.value.code == "session_unknown"
        assert not forwarder._rooms
        await host.vanish()


async def test_viewers_are_refused_before_there_is_a_picture_and_beyond_the_cap() -> None:
    """With a time to come back, and a place again when one leaves."""
    config = msgspec.structs.replace(LOOPBACK, viewers_per_room_max=1)
    async with forwarding(config) as forwarder:
        host, viewer, second = Publisher(), Viewer(), Viewer()
        with pytest.raises(VideoError) as early:
            await second.play(forwarder)
        assert (early.value.code, early.value.retry_after_s) == ("not_live", 2)
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        session = await viewer.play(forwarder)
        with pytest.raises(VideoError) as full:
            await second.play(forwarder)
        assert (full.value.code, full.value.retry_after_s) == ("video_full", 10)
        await forwarder.end(session.id)
        await second.play(forwarder)
        with pytest.raises(VideoError) as other:
            await forwarder.play(ROOM, await offer_of(direction="recvonly", codec="H264"))
        assert other.value.code == "video_full"
        await forwarder.end_room(ROOM)
        assert forwarder.counters.viewers == forwarder.counters.publishers == 0
        for person in (viewer, second):
            await person.close()
        await host.vanish()


async def test_a_viewer_without_the_published_codec_is_refused() -> None:
    """It would see nothing."""
    async with forwarding() as forwarder:
        host = Publisher(codec="VP8")
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        with pytest.raises(VideoError) as refused:
            await forwarder.play(ROOM, await offer_of(direction="recvonly", codec="H264"))
        assert refused.value.code == "offer_unsupported"
        await host.vanish()


async def test_trickled_candidates_are_taken_and_restarts_are_refused() -> None:
    """A restart has another user name."""
    async with forwarding() as forwarder:
        offer = await offer_of()
        session = await forwarder.publish(ROOM, offer, take_over=False)
        user = next(line for line in offer.splitlines() if line.startswith("a=ice-ufrag:"))
        candidate = "a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host"
        await forwarder.trickle(session.id, f"{user}\r\nm=video 9 X 0\r\na=mid:0\r\n{candidate}")
        await forwarder.trickle(session.id, "a=candidate:nonsense\r\na=end-of-candidates")
        with pytest.raises(VideoError) as refused:
            await forwarder.trickle(session.id, f"a=ice-ufrag:other\r\n{candidate}")
        assert refused.value.code == "restart_unsupported"
        with pytest.raises(VideoError) as unknown:
            await forwarder.trickle("nobody", candidate)
        assert unknown.value.code == "session_unknown"


async def test_a_publisher_that_never_connects_is_let_go() -> None:
    """The library would wait for ever."""
    config = msgspec.structs.replace(LOOPBACK, connect_timeout_s=0.5)
    async with forwarding(config) as forwarder:
        await forwarder.publish(ROOM, await offer_of(), take_over=False)
        await until(lambda: forwarder.counters.connect_timeouts == 1)
        assert not forwarder._rooms


async def test_ports_and_addresses_are_the_operators() -> None:
    """One port: one session; the answer names the advertised address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = msgspec.structs.replace(
        LOOPBACK, udp_ports=(port, port), advertise_addresses=("203.0.113.7",)
    )
    async with forwarding(config) as forwarder:
        session = await forwarder.publish("one", await offer_of(), take_over=False)
        assert f" 203.0.113.7 {port} typ host" in session.answer
        assert "127.0.0.1" not in session.answer
        with pytest.raises(VideoError) as full:
            await forwarder.publish("two", await offer_of(), take_over=False)
        assert (full.value.code, full.value.retry_after_s) == ("video_full", 30)
        await forwarder.end(session.id)
        await until(lambda: not forwarder._closing)
        await forwarder.publish("two", await offer_of(), take_over=False)


async def test_the_answer_asks_browsers_for_a_full_picture() -> None:
    """A start rate, no estimate of ours that holds it back, constrained baseline where offered."""
    async with forwarding() as forwarder:
        session = await forwarder.publish(ROOM, await offer_of(codec="H264"), take_over=False)
        assert "x-google-start-bitrate=1500" in session.answer
        assert "goog-remb" not in session.answer
        assert "abs-send-time" not in session.answer
        assert "profile-level-id=42e01f" in session.answer
        assert "profile-level-id=42001f" not in session.answer
        assert "a=recvonly" in session.answer


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_a_recorder_gets_frames_that_all_decode(codec: str) -> None:
    """From a keyframe on, in order, over a change of publisher."""
    import av

    frames: list[EncodedFrame] = []
    async with forwarding() as forwarder:
        stop = forwarder.add_sink(ROOM, frames.append)
        for _ in range(2):
            host, before = Publisher(codec=codec), len(frames)
            await host.publish(forwarder)
            await until(lambda before=before: len(frames) > before + 150)  # type: ignore[misc]
            await host.vanish()
            await until(lambda: forwarder.counters.publishers == 0)
        stop()
        assert not forwarder._rooms
    video = [frame for frame in frames if frame.kind == "video"]
    sound = [frame for frame in frames if frame.kind == "audio"]
    assert video[0].keyframe
    for track in (video, sound):
        stamps = [frame.rtp_timestamp for frame in track]
        assert stamps == sorted(set(stamps))
    decoder = av.CodecContext.create(codec.lower(), "r")
    decoded = sum(len(decoder.decode(av.Packet(frame.data))) for frame in video)
    decoded += len(decoder.decode(None))
    assert decoded == len(video)
    assert len(sound) > 60


def port_of(answer: str) -> int:
    """Return the port of an answer's first candidate."""
    lines = answer.splitlines()
    return next(int(line.split()[5]) for line in lines if line.startswith("a=candidate:"))


async def test_strangers_checks_are_counted_and_leave_no_traceback() -> None:
    """The library's parser fails on an attribute that is cut short; one datagram, one traceback."""
    failed: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
    binding, cookie = b"\x00\x01", b"\x21\x12\xa4\x42"
    priority_cut_short = b"\x00\x24\x00\x02" + bytes(4)
    check = binding + len(priority_cut_short).to_bytes(2, "big") + cookie + bytes(12)
    async with forwarding() as forwarder:
        session = await forwarder.publish(ROOM, await offer_of(), take_over=False)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(check + priority_cut_short, ("127.0.0.1", port_of(session.answer)))
        await until(lambda: forwarder.counters.dropped_in or failed)
        assert (forwarder.counters.dropped_in, failed) == (1, [])


async def test_one_peer_cannot_have_any_number_of_addresses_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A check of its own from each of so many ports: the first are followed, the rest are not."""
    at_most = 30  # All at once, and still within the pace that checks may have.
    monkeypatch.setattr("realtime.video.ice.REMOTE_ADDRESSES_MAX", at_most)
    async with forwarding() as forwarder:
        offer = await offer_of()
        session = await forwarder.publish(ROOM, offer, take_over=False)
        peer = forwarder._session(session.id).peer
        connection = peer._dtls.transport._connection  # type: ignore[union-attr]
        await until(lambda: connection._early_checks_done)
        protocol = connection._protocols[0]
        check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        check.attributes["USERNAME"] = f"{connection.local_username}:{connection.remote_username}"
        check.attributes["PRIORITY"] = 1
        check.add_message_integrity(connection.local_password.encode())
        for port in range(20_000, 20_000 + 2 * at_most):
            protocol.datagram_received(bytes(check), ("127.0.0.1", port))
        assert len(connection._remote_candidates) == at_most
        dropped = forwarder.counters.dropped_in
        assert dropped >= at_most
        protocol.datagram_received(bytes(check), ("127.0.0.1", 20_000))
        assert forwarder.counters.dropped_in == dropped
