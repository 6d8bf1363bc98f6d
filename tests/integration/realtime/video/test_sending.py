"""What the kernel does not take is lost once, and never sent twice; on every kind of line."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from realtime.video.config import Mode
from realtime.video.lines import NO_SEGMENTS
from realtime.video.media import CodecTypes
from tests.integration.realtime.video.test_wire import PACKETS, line_to, outlet_of, read

TYPES = CodecTypes(media=100)
MODES: tuple[Mode, ...] = ("fast", "plain")


class Refusing:
    """A socket that refuses runs, or all, with one error."""

    def __init__(self, own: socket.socket, error: int, *, refuses_all: bool = False) -> None:
        self.runs = 0
        self._own, self._error, self._refuses_all = own, error, refuses_all

    def sendmsg(self, *_: object) -> int:
        self.runs += 1
        raise OSError(self._error, "refused")

    def sendto(self, data: bytes, address: Any) -> int:
        if self._refuses_all:
            raise OSError(self._error, "refused")
        return self._own.sendto(data, address)

    def close(self) -> None:
        self._own.close()


def payloads(datagrams: Sequence[bytes]) -> list[bytes]:
    """What a viewer reads of them."""
    return [packet.payload for packet in read(list(datagrams))]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("error", sorted(NO_SEGMENTS))
async def test_a_run_that_a_device_cannot_cut_is_sent_one_by_one(
    mode: Mode, error: int, ear: socket.socket
) -> None:
    """Each datagram once, and no run is tried again on this line."""
    async with line_to(mode, ear) as (line, _, counters):
        some: Any = line
        line.send(PACKETS[:1], outlet_of(TYPES))
        some._line._socket = refusing = Refusing(some._line._socket, error)
        line.send(PACKETS[1:], outlet_of(TYPES))
        runs = refusing.runs
        line.send(PACKETS[1:], outlet_of(TYPES))
        came = [ear.recv(2048) for _ in range(2 * len(PACKETS) - 1)]
        assert payloads(came[: len(PACKETS)]) == [packet.payload for packet in PACKETS]
        assert came[1 : len(PACKETS)] == came[len(PACKETS) :]
        assert (counters.packets_out, counters.dropped_out) == (len(came), 0)
        assert refusing.runs == runs > 0
        ear.setblocking(False)
        with pytest.raises(BlockingIOError):
            ear.recv(2048)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("error", [errno.EAGAIN, errno.ENOBUFS, errno.EPERM, errno.ENETUNREACH])
async def test_what_a_full_or_dead_line_refuses_is_dropped_and_counted(
    mode: Mode, error: int, ear: socket.socket
) -> None:
    """It is not tried again: a repair may be asked for. The next is."""
    async with line_to(mode, ear) as (line, _, counters):
        some: Any = line
        line.send(PACKETS[:1], outlet_of(TYPES))
        own = some._line._socket
        some._line._socket = Refusing(own, error, refuses_all=True)
        line.send(PACKETS[1:], outlet_of(TYPES))
        assert (counters.packets_out, counters.dropped_out) == (1, len(PACKETS) - 1)
        some._line._socket = own
        line.send(PACKETS[1:], outlet_of(TYPES))
        came = [ear.recv(2048) for _ in PACKETS]
        assert payloads(came) == [packet.payload for packet in PACKETS]
        assert (counters.packets_out, counters.dropped_out) == (len(PACKETS), len(PACKETS) - 1)


@pytest.mark.parametrize("mode", MODES)
async def test_another_system_is_handed_one_datagram_a_call(
    mode: Mode, ear: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only Linux cuts what it is handed."""
    monkeypatch.setattr(sys, "platform", "darwin")
    async with line_to(mode, ear) as (line, _, counters):
        some: Any = line
        line.send(PACKETS[:1], outlet_of(TYPES))
        some._line._socket = refusing = Refusing(some._line._socket, errno.EINVAL)
        line.send(PACKETS[1:], outlet_of(TYPES))
        came = [ear.recv(2048) for _ in PACKETS]
        assert payloads(came) == [packet.payload for packet in PACKETS]
        assert (refusing.runs, counters.dropped_out) == (0, 0)
