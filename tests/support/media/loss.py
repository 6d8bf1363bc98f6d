"""Lose datagrams at a peer's sockets, both ways, by a seeded die."""

from __future__ import annotations

import random
from typing import Any

from aiortc import RTCPeerConnection


class Loss:
    """Counts what passed and what was lost, of RTP and RTCP; ICE and DTLS pass unharmed."""

    def __init__(self, share: float, seed: int = 1) -> None:
        self.share = share
        self.lost = self.passed = 0
        self._die = random.Random(seed)

    def strikes(self, data: bytes) -> bool:
        """Say whether this datagram is lost."""
        if not data or not 127 < data[0] < 192:
            return False
        lost = self._die.random() < self.share
        self.lost += lost
        self.passed += not lost
        return lost


class _LossyTransport:
    """A datagram transport that forgets to send."""

    def __init__(self, transport: Any, loss: Loss) -> None:
        self._transport, self._loss = transport, loss

    def sendto(self, data: bytes, address: Any) -> None:
        if not self._loss.strikes(data):
            self._transport.sendto(data, address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def lose(connection: RTCPeerConnection, share: float, *, seed: int = 1) -> tuple[Loss, Loss]:
    """Lose this share of what the connected peer sends, and of what it gets, from now on.

    Returns the two dice: of what it gets, of what it sends.
    """
    inwards, outwards = Loss(share, seed), Loss(share, seed + 1)
    ice = connection.getTransceivers()[0].receiver.transport.transport._connection
    for protocol in ice._protocols:
        receive = protocol.datagram_received

        def receive_some(data: bytes, address: Any, receive: Any = receive) -> None:
            if not inwards.strikes(data):
                receive(data, address)

        protocol.datagram_received = receive_some
        protocol.transport = _LossyTransport(protocol.transport, outwards)
    return inwards, outwards
