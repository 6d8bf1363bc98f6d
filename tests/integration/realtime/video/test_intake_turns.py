"""What has come of a publisher is taken at one turn of the loop, however long turns are."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace

import pytest

from realtime.video.config import VideoCounters
from realtime.video.ice import READ_AT_ONCE, READ_BYTES, GuardedStun
from realtime.video.intake import Intake


def connection_of(peer: socket.socket, came: list[bytes]) -> SimpleNamespace:
    """A library's connection whose peer sends from this socket."""
    peer.bind(("127.0.0.1", 0))
    host, port = peer.getsockname()
    return SimpleNamespace(
        _nominated={},
        _remote_candidates=[SimpleNamespace(_network_host=host, port=port)],
        data_received=lambda data, component: came.append(data),
        protocol_lost=lambda protocol: None,
    )


@pytest.mark.parametrize(
    ("intake", "sent", "turns"),
    [
        (Intake(20_000), 10, [10]),
        (Intake(20_000), READ_AT_ONCE + 3, [READ_AT_ONCE, 3]),
        (Intake(), 3, [1, 1, 1]),  # A viewer's reports come one by one.
    ],
)
async def test_what_is_there_is_read(intake: Intake, sent: int, turns: list[int]) -> None:
    """In the order in which it came, and by turns of a bounded length."""
    came: list[bytes] = []
    lengths: list[int] = []
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver = connection_of(peer, came)

    class Noting(GuardedStun):
        def datagram_received(self, data: bytes | str, addr: tuple[object, ...]) -> None:
            before = len(came)
            super().datagram_received(data, addr)
            lengths.append(len(came) - before)

    counters = VideoCounters()
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Noting(receiver, counters, intake), local_addr=("127.0.0.1", 0)
    )
    protocol.local_candidate = SimpleNamespace(component=1)  # type: ignore[assignment]
    told = [bytes([128, 96, number]) + bytes(9) for number in range(sent)]
    with peer:
        for data in told:
            peer.sendto(data, transport.get_extra_info("sockname"))
        async with asyncio.timeout(60):
            while len(came) < sent:
                await asyncio.sleep(0)
    assert (came, lengths, counters.dropped_in) == (told, turns, 0)
    await protocol.close()
    assert protocol._own is None


async def test_who_sends_too_much_is_not_read_any_further_than_it_may() -> None:
    """Each datagram is weighed, and one that is too long stays too long."""
    came: list[bytes] = []
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver = connection_of(peer, came)
    intake, counters = Intake(20_000), VideoCounters()
    burst = 0
    while intake.admits(1, is_check=False, is_peer=False, now_s=0.0):
        burst += 1
    intake = Intake(20_000)
    for _ in range(burst - 1):  # One more of a stranger is let in at this moment.
        assert intake.admits(1, is_check=False, is_peer=False, now_s=0.0)
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: GuardedStun(receiver, counters, intake), local_addr=("127.0.0.1", 0)
    )
    protocol._now_s = lambda: 0.0
    protocol.local_candidate = SimpleNamespace(component=1)  # type: ignore[assignment]
    with peer:
        for size in (READ_BYTES + 7, 10, 10):
            peer.sendto(b"\x80" * size, transport.get_extra_info("sockname"))
        async with asyncio.timeout(60):
            while counters.dropped_in < 2:
                await asyncio.sleep(0)
    assert [len(data) for data in came] == [READ_BYTES + 7]
    await protocol.close()
