"""What gateways ask of whatever carries the video: our media process, or somebody's WHIP engine.

Invariant: an engine is called only for what a ticket allows; it raises CommerceError with codes
of `server/routes/errors.py`, never an error of its transport.
"""

from __future__ import annotations

from typing import Protocol
from urllib.parse import quote

import msgspec

from commerce.kernel.errors import CommerceError
from server.video.tickets import Act

# An engine that is not there soon may be there soon: a restart takes a second or two.
UNAVAILABLE_RETRY_MS = 2_000
# A room that is not live yet: often enough that nobody waits long for the first picture.
NOT_LIVE_RETRY_MS = 2_000
FULL_RETRY_MS = 15_000


class VideoRoom(msgspec.Struct, frozen=True):
    """A room by both of its names."""

    id: str
    slug: str


class Offer(msgspec.Struct, frozen=True):
    """An offer and the address that it came from."""

    sdp: str
    address: str


class Begun(msgspec.Struct, frozen=True):
    """An answered offer: what the engine calls the session, the SDP, and its own `Link` headers."""

    ref: str
    answer: str
    links: tuple[str, ...] = ()


class Engine(Protocol):
    """Carries pictures of rooms. Every method raises CommerceError."""

    async def begin(  # noqa: PLR0913 - what a ticket says of one offer.
        self,
        act: Act,
        room: VideoRoom,
        offer: Offer,
        *,
        holder: str,
        take_over: bool = False,
        gives_way: bool = False,
    ) -> Begun:
        """Answer an offer; a publisher that gives way is replaced by any that does not."""

    async def trickle(self, ref: str, fragment: str) -> None:
        """Take candidates for a session."""

    async def end(self, ref: str) -> None:
        """End a session."""

    async def end_room(self, room: VideoRoom, holder: str | None = None) -> None:
        """End all sessions of a room, or those of one holder."""

    async def rooms(self) -> list[str]:
        """Return the ids of rooms that somebody publishes into, as far as the engine tells."""

    async def publishers(self) -> list[tuple[str, str]]:
        """Return (id of the room, holder) of who publishes, as far as the engine tells."""

    async def redirect(self, act: Act, room: VideoRoom, token: str) -> str | None:
        """Return where the client is to send its offer itself, or None when we pass it on."""

    async def close(self) -> None:
        """Let go of connections."""


class NoEngine:
    """Stands where no video is carried: everything is refused."""

    async def begin(  # noqa: PLR0913 - what a ticket says of one offer.
        self,
        act: Act,
        room: VideoRoom,
        offer: Offer,
        *,
        holder: str,
        take_over: bool = False,
        gives_way: bool = False,
    ) -> Begun:
        """Refuse."""
        raise video_off()

    async def trickle(self, ref: str, fragment: str) -> None:
        """Refuse."""
        raise video_off()

    async def end(self, ref: str) -> None:
        """Refuse."""
        raise video_off()

    async def end_room(self, room: VideoRoom, holder: str | None = None) -> None:
        """Have nothing to end."""

    async def rooms(self) -> list[str]:
        """Know of none."""
        return []

    async def publishers(self) -> list[tuple[str, str]]:
        """Know of none."""
        return []

    async def redirect(self, act: Act, room: VideoRoom, token: str) -> str | None:
        """Send nobody anywhere."""
        return None

    async def close(self) -> None:
        """Have nothing to close."""


def video_off() -> CommerceError:
    """Return the refusal of a shop without live video."""
    return CommerceError("video_off", "This shop carries no live video.")


def unavailable() -> CommerceError:
    """Return the error for an engine that does not answer."""
    return CommerceError(
        "media_unavailable",
        "What carries the video does not answer. Try again.",
        retryable=True,
        retry_ms=UNAVAILABLE_RETRY_MS,
    )


def session_unknown() -> CommerceError:
    """Return the error for a session that has ended, or never was."""
    return CommerceError("session_unknown", "There is no such session.")


def not_live() -> CommerceError:
    """Return the error for a room that nobody publishes into."""
    return CommerceError(
        "not_live",
        "Nobody publishes into this room yet.",
        retryable=True,
        retry_ms=NOT_LIVE_RETRY_MS,
    )


def video_full() -> CommerceError:
    """Return the error for a room or process with as many viewers as it may have."""
    return CommerceError(
        "video_full",
        "No more viewers of this video fit.",
        retryable=True,
        retry_ms=FULL_RETRY_MS,
    )


def fill_template(template: str, room: VideoRoom, token: str = "") -> str:
    """Return an engine's address for a room; what is filled in cannot leave its place."""
    filled = template.replace("{room}", quote(room.slug, safe=""))
    return filled.replace("{token}", quote(token, safe=""))
