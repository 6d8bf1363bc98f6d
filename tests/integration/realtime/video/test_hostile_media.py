"""What an agreed-on publisher or viewer can put into its packets: nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
from typing import Any

import msgspec
import pylibsrtp
import pytest

from realtime.video.config import Mode
from tests.integration.realtime.video.people import (
    LOOPBACK,
    ROOM,
    Publisher,
    Viewer,
    forwarding,
    until,
)

PACKETS = 1_500


def dtls_of(person: Publisher | Viewer) -> Any:
    """The line of a client, past what the library would build."""
    return person.pc.getTransceivers()[0].receiver.transport


def source_and_type(host: Publisher) -> tuple[int, int]:
    """What the host's picture is numbered under, and sent as."""
    transceiver = host.pc.getTransceivers()[0]
    return transceiver.sender._ssrc, int(transceiver._codecs[0].payloadType)


def strange_packet(draw: random.Random, ssrc: int, payload_type: int, sequence: int) -> bytes:
    """A packet whose header says anything, with any payload, for the most part of the picture."""
    first = 0x80 | draw.choice((0, 0, 0, 0, 0, 0x20, 0x10, 0x30, 0x0F, 0x3F))
    kind = payload_type if draw.random() < 0.8 else draw.randrange(128)
    marker = draw.choice((0, 0x80))
    jump = 0 if draw.random() < 0.7 else draw.randrange(-900, 20)
    timestamp = draw.choice((draw.randrange(1 << 32), sequence * 3000 & 0xFFFF_FFFF))
    start = draw.choice((b"", b"\x10", b"\x10\x00", b"\x90\xf0\x80", b"\x78\x00", b"\x7c\x85"))
    size = draw.choice((0, 0, 1, 2, 3, 7, 8, 9, 400, 1199, 1399, 1400, 1401, 1455))
    body = start + draw.randbytes(size)
    return (
        struct.pack("!BBHII", first, kind | marker, (sequence + jump) & 0xFFFF, timestamp, ssrc)
        + body
    )


async def send(dtls: Any, protect: Any, data: bytes) -> None:
    """Encrypt as the session does; what its own SRTP refuses is not sent."""
    with contextlib.suppress(pylibsrtp.Error, ValueError):
        await dtls.transport._send(protect(data))


@pytest.mark.parametrize("mode", ["fast", "plain"])
async def test_a_hostile_publisher_costs_no_other_room_its_picture(
    mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Odd lengths, padding, extensions, wrong types, jumps of number and time, empty payloads."""
    monkeypatch.setattr("aiortc.rtcrtpsender.random_sequence_number", lambda: 5_000)
    draw = random.Random(11)
    async with forwarding(msgspec.structs.replace(LOOPBACK, mode=mode)) as forwarder:
        rude, host = Publisher(sound=False), Publisher(sound=False)
        victim, viewer = Viewer(sound=False), Viewer(sound=False)
        await rude.publish(forwarder, "rude")
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live and forwarder.state("rude").live)
        await victim.play(forwarder, "rude")
        await viewer.play(forwarder)
        await until(lambda: victim.frames and viewer.frames)
        dtls, (ssrc, payload_type) = dtls_of(rude), source_and_type(rude)
        before = forwarder.counters.packets_in
        sequence = 5_000
        for count in range(PACKETS):
            sequence += draw.choice((*[1] * 20, 500, 2_000))
            packet = strange_packet(draw, ssrc, payload_type, sequence)
            await send(dtls, dtls._tx_srtp.protect, packet)
            if count % 20 == 0:
                await asyncio.sleep(0.002)
        await until(lambda: forwarder.counters.packets_in > before + PACKETS // 5)
        seen = len(viewer.frames)
        await until(lambda: len(viewer.frames) > seen + 30)
        assert forwarder.counters.viewers == 2, "who watches it stays, for a better one"
        for person in (victim, viewer):
            await person.close()
        for person in (rude, host):
            await person.vanish()


def strange_report(draw: random.Random, ssrc: int) -> bytes:
    """Feedback of any kind about the picture, of any length and content."""
    kind = draw.choice((200, 201, 202, 203, 204, 205, 206, 207))
    words = draw.choice((0, 1, 2, 3, 6, 40, 300))
    about = struct.pack("!II", draw.choice((1, ssrc)), draw.choice((ssrc, 0)))
    body = (about + draw.randbytes(4 * words))[: 4 * max(words, 1)]
    told = draw.choice((len(body) // 4, draw.randrange(400)))
    return struct.pack("!BBH", 0x80 | draw.randrange(64), kind, told) + body


async def test_a_hostile_viewer_costs_nobody_else_a_picture() -> None:
    """Its own session may end of it."""
    draw = random.Random(12)
    async with forwarding() as forwarder:
        host, rude, stays = Publisher(sound=False), Viewer(sound=False), Viewer(sound=False)
        await host.publish(forwarder)
        await until(lambda: forwarder.state(ROOM).live)
        await rude.play(forwarder)
        await stays.play(forwarder)
        await until(lambda: rude.frames and stays.frames)
        dtls, ssrc = dtls_of(rude), rude.headers["video"][0].ssrc
        for number in range(400):
            await send(dtls, dtls._tx_srtp.protect_rtcp, strange_report(draw, ssrc))
            if number % 10 == 0:
                await asyncio.sleep(0.01)
        seen = len(stays.frames)
        await until(lambda: len(stays.frames) > seen + 30)
        for person in (rude, stays):
            await person.close()
        await host.vanish()
