"""What a peer tells the forwarder, and what the forwarder asks of a peer.

The library's objects stay behind these: whoever implements them can be tested without a socket.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from realtime.video.config import VideoCounters
from realtime.video.intake import Intake
from realtime.video.media import Batch, Kind, MediaPacket
from realtime.video.outlets import Outlet
from realtime.video.reports import ReceptionReport
from realtime.video.tracks import Track


class Clock(NamedTuple):
    """A monotonic clock in seconds and the wall clock in milliseconds."""

    now_s: Callable[[], float]
    wall_ms: Callable[[], int]


class SharedRoom(Protocol):
    """What every session sees of its room."""

    @property
    def clock(self) -> Clock:
        """The clocks of the forwarder."""
        ...

    @property
    def counters(self) -> VideoCounters:
        """The counters of the forwarder."""
        ...

    @property
    def tracks(self) -> Mapping[Kind, Track]:
        """The room's sound and picture."""
        ...


class PublishersRoom(SharedRoom, Protocol):
    """What a publisher's session asks of its room."""

    @property
    def publisher(self) -> object | None:
        """The session that the room listens to."""
        ...

    def restart(self, kind: Kind, codec: str) -> None:
        """Go on with a new source of a track."""
        ...

    def accept(  # noqa: PLR0913, PLR0917 - The fields of a header.
        self, kind: Kind, sequence: int, timestamp: int, marker: bool, payload: bytes, now_s: float
    ) -> None:
        """Put a packet on its track and hand on what is ready."""
        ...


class ViewersRoom(SharedRoom, Protocol):
    """What a viewer's session asks of its room."""

    def welcome(self, session_id: str) -> None:
        """Get a viewer its first picture."""
        ...

    def ask_keyframe(self) -> None:
        """Want a keyframe of whoever publishes."""
        ...

    def bits_per_s(self, kind: Kind) -> int:
        """Return the rate of a track; zero without a publisher."""
        ...


class PublisherEvents(Protocol):
    """What a publisher's connection tells. None of it may block."""

    def packet(  # noqa: PLR0913, PLR0917 - The fields of a header, once a packet.
        self, kind: Kind, payload_type: int, ssrc: int, sequence: int, timestamp: int,
        marker: bool, payload: bytes,
    ) -> None:  # fmt: skip
        """A decrypted packet has come."""
        ...

    def sender_report(self, kind: Kind, ntp: int, timestamp: int) -> None:
        """The publisher told when a timestamp was captured, on its own clock."""
        ...

    def connected(self) -> None:
        """Keys are agreed on: packets may follow."""
        ...

    def ended(self) -> None:
        """The connection is over, whoever ended it; told once."""
        ...


class ViewerEvents(Protocol):
    """What a viewer's connection tells. None of it may block."""

    def connected(self) -> None:
        """Keys are agreed on: packets may be sent."""
        ...

    def lost(self, kind: Kind, sequences: Sequence[int]) -> None:
        """The viewer asks for packets again, by sequence number (16 bits)."""
        ...

    def keyframe_wanted(self) -> None:
        """The viewer cannot decode on."""
        ...

    def received(self, kind: Kind, lsr: int, dlsr: int) -> None:
        """The viewer reported what it received (RFC 3550 §6.4.2)."""
        ...

    def ended(self) -> None:
        """The connection is over, whoever ended it; told once."""
        ...


class Peer(Protocol):
    """A connection of either side."""

    @property
    def answer(self) -> str:
        """The SDP answer."""
        ...

    @property
    def intake(self) -> Intake:
        """What is let in of what it sends."""
        ...

    async def trickle(self, fragment: str) -> None:
        """Take candidates. Raises VideoError (`bad_offer`, `restart_unsupported`)."""
        ...

    async def close(self) -> None:
        """End the connection and give back its port."""
        ...


class ViewerPeer(Peer, Protocol):
    """A viewer's connection."""

    def send(self, packets: Sequence[MediaPacket], outlet: Outlet) -> None:
        """Send packets as the outlet numbers them; dropped while there is no line."""
        ...

    def send_together(self, picture: Batch, sound: Batch, outlets: tuple[Outlet, Outlet]) -> None:
        """Send a picture and the sound that waited for it."""
        ...

    def repair(self, packet: MediaPacket, outlet: Outlet) -> None:
        """Send a packet again."""
        ...

    def report(self, outlet: Outlet, *, ntp: int, timestamp: int) -> None:
        """Tell when a timestamp (as the viewer reads it) was captured."""
        ...


class PublisherPeer(Peer, Protocol):
    """A publisher's connection."""

    def ask_again(self, ssrc: int, sequences: Sequence[int]) -> None:
        """Ask for lost packets."""
        ...

    def ask_keyframe(self, ssrc: int) -> None:
        """Ask for a keyframe."""
        ...

    def report(self, reports: Sequence[tuple[int, ReceptionReport]]) -> None:
        """Report what was received, by source."""
        ...
