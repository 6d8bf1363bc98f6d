"""Lines that lose: datagrams of a client are dropped where they meet its socket."""

from __future__ import annotations

import random
from typing import Any

from aiortc import RTCPeerConnection


class LossyLine:
    """Loss in both directions of one client's connection, once its descriptions are set."""

    def __init__(self, pc: RTCPeerConnection, share: float, *, seed: int = 7) -> None:
        self.share = share
        self.lost = 0
        self._random = random.Random(seed)
        connection: Any = pc.getTransceivers()[0].receiver.transport.transport._connection
        for protocol in connection._protocols:
            self._wrap(protocol)

    def _wrap(self, protocol: Any) -> None:
        receive, send = protocol.datagram_received, protocol.transport.sendto

        def lossy_receive(data: bytes, addr: Any) -> None:
            if not self._loses(data):
                receive(data, addr)

        def lossy_send(data: bytes, addr: Any = None) -> None:
            if not self._loses(data):
                send(data, addr)

        protocol.datagram_received = lossy_receive
        protocol.transport.sendto = lossy_send

    def _loses(self, data: bytes) -> bool:
        # DTLS and ICE repair themselves, slowly; this is about media and its feedback.
        is_media = len(data) > 0 and 127 < data[0] < 192
        if (is_media or self.share >= 1) and self._random.random() < self.share:
            self.lost += 1
            return True
        return False
