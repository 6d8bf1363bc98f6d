"""Keep a track's newest packets, once for all viewers: for repairs and for those who join."""

from __future__ import annotations

from collections.abc import Iterator

from realtime.video.media import MediaPacket

# 12 s of a 1.5 Mb/s picture (160 packets/s): more than the longest group of pictures kept.
RING_PACKETS_MAX = 2048


class PacketRing:
    """The packets with the highest indexes; holes are packets that were lost."""

    def __init__(self, packets_max: int = RING_PACKETS_MAX) -> None:
        assert packets_max & (packets_max - 1) == 0, "the size must be a power of two"
        self._mask = packets_max - 1
        self._slots: list[MediaPacket | None] = [None] * packets_max

    def put(self, packet: MediaPacket) -> bool:
        """Store a packet; return False for one that is there, or that a newer one replaced."""
        slot = packet.index & self._mask
        held = self._slots[slot]
        if held is not None and held.index >= packet.index:
            return False
        self._slots[slot] = packet
        return True

    def get(self, index: int) -> MediaPacket | None:
        """Return the packet of an index, if it is still there."""
        held = self._slots[index & self._mask]
        return held if held is not None and held.index == index else None

    def between(self, first: int, end: int) -> Iterator[MediaPacket]:
        """Yield what is there of the indexes `first` … `end - 1`, ascending."""
        for index in range(max(first, end - self._mask - 1), end):
            packet = self.get(index)
            if packet is not None:
                yield packet
