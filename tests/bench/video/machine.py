"""How fast this machine is at the moment, in the forwarder's own kind of work."""

from __future__ import annotations

import time

import pylibsrtp

from realtime.video.layouts import Layout
from realtime.video.media import Batch, CodecTypes, MediaPacket
from realtime.video.outlets import Outlet, OutletStart
from realtime.video.tracks import Track

# What `packet_us` was on the machine that the budgets were set on, with nothing else running.
REFERENCE_PACKET_US = 4.5
ROUNDS, PICTURES = 7, 400


def packet_us() -> float:
    """Processor time to number and encrypt a packet of a picture: the least of some rounds."""
    policy = pylibsrtp.Policy(key=bytes(30), ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
    policy.allow_repeat_tx = True
    session = pylibsrtp.Session(policy)
    track = Track("video")
    track.restart("VP8")
    start = OutletStart(ssrc=1, rtx_ssrc=2, sequence=0, timestamp=0)
    outlet = Outlet(track, {"VP8": CodecTypes(media=100)}, start, 0.0)
    picture = Batch(
        MediaPacket(index=index, timestamp=0, marker=False, payload=bytes(1_100))
        for index in range(6)
    )
    layout = Layout(picture, 16)
    buffer = memoryview(bytearray(layout.sealed_bytes))
    rounds = []
    for _ in range(ROUNDS):
        began_s = time.process_time()
        for _ in range(PICTURES):
            layout.write(buffer, outlet)
            for offset, size in zip(layout.offsets, layout.sealed, strict=True):
                session.protect(bytes(buffer[offset : offset + size - 16]))
            outlet.sequence_shift += layout.count
        rounds.append(time.process_time() - began_s)
    return min(rounds) * 1e6 / (PICTURES * layout.count)


def slowness() -> float:
    """How many times as long as on the reference machine the same work takes now; at least one."""
    return max(1.0, packet_us() / REFERENCE_PACKET_US)
