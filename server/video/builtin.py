"""Our own media process as an engine, over its HTTP address.

Invariant: every call carries the key that only processes of this installation have, is bounded in
time, and follows no redirect.
"""

from __future__ import annotations

from typing import Any

import httpx
import msgspec

from commerce.kernel.errors import CommerceError
from server.video.engine import Begun, Offer, VideoRoom, unavailable
from server.video.tickets import Act

# Answering an offer takes some 15 ms of the process; a crowd that joins at once waits in line.
CALL_TIMEOUT_S = 10.0
CONNECTIONS_MAX = 64
# What the media process derives its own key for: `derive_key(secret, CONTROL_PURPOSE)`.
CONTROL_PURPOSE = "media control"


class ErrorBody(msgspec.Struct, frozen=True):
    """An error in our own envelope."""

    code: str
    message: str
    retryable: bool = False
    retry_ms: int | None = None


class Envelope(msgspec.Struct, frozen=True):
    """What the media process answers when it refuses."""

    error: ErrorBody


def open_media_client(url: str, key: str) -> httpx.AsyncClient:
    """Return a client for the media process; no proxy of the environment stands in between."""
    return httpx.AsyncClient(
        base_url=url,
        headers={"Authorization": f"Bearer {key}"},
        timeout=CALL_TIMEOUT_S,
        limits=httpx.Limits(max_connections=CONNECTIONS_MAX, keepalive_expiry=2.0),
        trust_env=False,
        follow_redirects=False,
    )


class BuiltinEngine:
    """Asks the media process."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

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
        """Have an offer answered."""
        body = {
            "act": act,
            "offer": offer.sdp,
            "holder": holder,
            "take_over": take_over,
            "gives_way": gives_way,
            "address": offer.address,
        }
        answer = await self._call("POST", f"/media/rooms/{room.id}/sessions", body)
        return msgspec.convert(answer, Begun)

    async def trickle(self, ref: str, fragment: str) -> None:
        """Pass candidates on."""
        await self._call("PATCH", f"/media/sessions/{ref}", {"fragment": fragment})

    async def end(self, ref: str) -> None:
        """End a session."""
        await self._call("DELETE", f"/media/sessions/{ref}")

    async def end_room(self, room: VideoRoom, holder: str | None = None) -> None:
        """End the sessions of a room, or those of one holder in it."""
        await self._call("POST", f"/media/rooms/{room.id}/end", {"holder": holder})

    async def rooms(self) -> list[str]:
        """Return the rooms with a picture."""
        return list((await self._call("GET", "/media/rooms"))["rooms"])

    async def publishers(self) -> list[tuple[str, str]]:
        """Return (id of the room, holder) of who publishes."""
        answer = await self._call("GET", "/media/rooms")
        return [(room_id, holder) for room_id, holder in answer["publishers"]]

    async def redirect(self, act: Act, room: VideoRoom, token: str) -> str | None:
        """Send nobody to the media process: it is ours to call."""
        return None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _call(self, method: str, path: str, body: object = None) -> Any:
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            response = await self._client.request(method, path, content=content, headers=headers)
        except httpx.HTTPError:
            raise unavailable() from None
        if response.is_success:
            return msgspec.json.decode(response.content)
        raise _read_error(response)


def _read_error(response: httpx.Response) -> CommerceError:
    try:
        error = msgspec.json.decode(response.content, type=Envelope).error
    except ValueError:
        return unavailable()
    if error.code in {"invalid_token", "unauthenticated", "internal", "not_found"}:
        return unavailable()  # Between our own processes: a key or a release that differs.
    return CommerceError(
        error.code, error.message, retryable=error.retryable, retry_ms=error.retry_ms
    )
