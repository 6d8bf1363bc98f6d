"""Hand encrypted datagrams to the kernel, on the pair that ICE nominates; one line for each viewer.

Invariant: what the kernel does not take is dropped and counted, never queued and never sent twice.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Sequence
from typing import Any

from realtime.video.config import VideoCounters
from realtime.video.ways import Run

NO_SEGMENTS = {errno.EINVAL, errno.EIO, errno.EMSGSIZE, errno.ENOPROTOOPT, errno.EOPNOTSUPP}


class Line:
    """A non-blocking socket of the pair's own file, of which the transport keeps reading."""

    def __init__(self, connection: Any, counters: VideoCounters) -> None:
        self._has_segments = sys.platform == "linux"
        self._connection = connection
        self._counters = counters
        self._pair: Any = None
        self._address: Any = None
        self._socket: socket.socket | None = None

    def is_up(self) -> bool:
        """Whether there is a pair, which is mostly the one that there was."""
        pair = self._pair
        is_same = pair is not None and self._connection._nominated.get(1) is pair
        return is_same or self._follow_pair()

    def hand_over(self, runs: Sequence[Run]) -> None:
        """Hand over runs of datagrams, each at once where the kernel can; the line is up."""
        assert self._socket is not None, "a pair was followed"
        if not self._has_segments:
            runs = [one for run in runs for one in run.apart()]
        address, sock = self._address, self._socket
        sent = size_bytes = dropped = 0
        for run in runs:
            try:
                if run.control:
                    sock.sendmsg(run.bytes, run.control, 0, address)
                else:
                    sock.sendto(run.bytes[0], address)
            except BlockingIOError:  # Its buffer is full: a repair may follow.
                dropped += run.count
            except OSError as error:
                if run.control and error.errno in NO_SEGMENTS:
                    self._has_segments = False
                    self.hand_over(run.apart())
                else:  # The line is down.
                    dropped += run.count
            else:
                sent += run.count
                size_bytes += run.size_bytes
        counters = self._counters
        counters.packets_out += sent
        counters.bytes_out += size_bytes
        if dropped:
            counters.dropped_out += dropped

    def datagram(self, data: bytes | memoryview) -> None:
        """Hand over one datagram, or drop it while there is no pair."""
        if self.is_up():
            self.hand_over((Run([data], [len(data)]),))
        else:
            self._counters.dropped_out += 1

    def close(self) -> None:
        """Close this line's own handle of the socket; nothing is sent afterwards."""
        self._connection = None
        self._let_go()

    def _let_go(self) -> None:
        self._pair = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _follow_pair(self) -> bool:
        """Use the pair that ICE nominates now; False while there is none."""
        self._let_go()
        pair = self._connection._nominated.get(1) if self._connection is not None else None
        if pair is None or pair.protocol.transport.is_closing():
            return False
        handle = pair.protocol.transport.get_extra_info("socket").fileno()
        try:
            self._socket = socket.socket(fileno=os.dup(handle))
        except OSError:  # No descriptor is free just now.
            return False
        self._socket.setblocking(False)
        self._pair, self._address = pair, pair.remote_addr
        return True
