"""Any WHIP/WHEP engine, by the operator's two addresses and a token that no browser sees.

Invariant: only the origin of the operator's own address is ever called: a session's address that
leads elsewhere is refused, and no redirect is followed. So nobody relays through us.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from urllib.parse import urljoin, urlsplit

import httpx
import msgspec

from commerce.kernel.errors import CommerceError
from realtime.brokers.ports import Broker, BrokerUnavailableError
from realtime.rooms.publisher import RoomPublisher
from server.video.engine import (
    Begun,
    Offer,
    VideoRoom,
    fill_template,
    not_live,
    session_unknown,
    unavailable,
    video_full,
)
from server.video.picture import ENGINE_TTL_S, KEY, Picture, forget_picture, tell_picture
from server.video.tickets import Act

log = logging.getLogger(__name__)

CALL_TIMEOUT_S = 10.0
CONNECTIONS_MAX = 64
ANSWER_BYTES_MAX = 65_536
ADDRESS_CHARS_MAX = 512
# Viewers who vanish say nothing, and an engine tells nothing of them: so many sessions of a room
# are remembered, each for as long as a show may last. Looking for old ones costs a read of all.
REGISTERED_MAX = 1_000
PRUNE_EVERY = 64
ENDED_AT_ONCE = 16
TOKEN_MARK = "{token}"  # noqa: S105 - a place in a template.


class Ref(msgspec.Struct, frozen=True, array_like=True):
    """How the engine knows a session."""

    url: str
    etag: str
    room_id: str
    act: Act


class Registered(msgspec.Struct, frozen=True, array_like=True):
    """A session as it is kept to be ended with its room."""

    ref: str
    holder: str
    gives_way: bool = False
    at_ms: int = 0


def open_engine_client(token: str | None) -> httpx.AsyncClient:
    """Return a client for an engine, with the operator's token on every request."""
    return httpx.AsyncClient(
        headers={"Authorization": f"Bearer {token}"} if token else {},
        timeout=CALL_TIMEOUT_S,
        limits=httpx.Limits(max_connections=CONNECTIONS_MAX, keepalive_expiry=2.0),
        trust_env=False,
        follow_redirects=False,
    )


class WhipEngine:
    """Passes offers on to an engine, or tells clients where to send them."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        templates: Mapping[str, str],
        *,
        broker: Broker,
        now_ms: Callable[[], int],
    ) -> None:
        self._client = client
        self._templates = templates
        self._broker = broker
        self._publisher = RoomPublisher(broker)
        self._now_ms = now_ms
        self._noted = 0

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
        """Have the engine answer an offer."""
        if act == "publish":
            # Somebody's own session of before the line was lost; or all, when it is taken over.
            # What gives way ends nobody but itself, and is ended by whoever does not.
            def is_succeeded(one: Registered) -> bool:
                if gives_way:
                    return one.gives_way and one.holder == holder
                return take_over or one.gives_way or one.holder == holder

            await self._end_registered(room, is_succeeded, act)
        address = fill_template(self._templates[act], room)
        response = await self._call(
            "POST", address, offer.sdp.encode(), {"Content-Type": "application/sdp"}
        )
        if response.status_code != httpx.codes.CREATED:
            raise _refusal(act, response)
        ref = Ref(_session_url(address, response), response.headers.get("etag", ""), room.id, act)
        encoded = msgspec.json.encode(ref).decode()
        await self._note(room.id, act, Registered(encoded, holder, gives_way, self._now_ms()))
        return Begun(encoded, response.text, _ice_links(response))

    async def trickle(self, ref: str, fragment: str) -> None:
        """Pass candidates on; an engine that takes none finds the client by its own checks."""
        session = self._read(ref)
        headers = {"Content-Type": "application/trickle-ice-sdpfrag"}
        if session.etag:
            headers["If-Match"] = session.etag
        response = await self._call("PATCH", session.url, fragment.encode(), headers)
        if response.is_success or response.status_code in {405, 422, 501}:
            return
        raise _refusal_of_session(response)

    async def end(self, ref: str) -> None:
        """End a session."""
        session = self._read(ref)
        response = await self._call("DELETE", session.url)
        await self._forget(session, ref)
        if not response.is_success:
            raise _refusal_of_session(response)

    async def end_room(self, room: VideoRoom, holder: str | None = None) -> None:
        """End the sessions of a room that we began and still know of."""
        if holder is None:  # First, and also of whoever was sent on, of whom no session is known.
            await self._tell(room.id, None)
        await self._end_registered(room, lambda one: holder is None or one.holder == holder)

    async def rooms(self) -> list[str]:
        """Return none: WHIP has no way to ask. Sessions end when the show is ended by a call."""
        return []

    async def publishers(self) -> list[tuple[str, str]]:
        """Return none: WHIP has no way to ask."""
        return []

    async def redirect(self, act: Act, room: VideoRoom, token: str) -> str | None:
        """Return the engine's own address when the ticket has a place in it.

        Of who publishes there we hear nothing more, so the room is told now.
        """
        template = self._templates[act]
        if TOKEN_MARK not in template:
            return None
        if act == "publish":
            await self._tell(room.id, self._picture())
        return fill_template(template, room, token)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _call(
        self,
        method: str,
        url: str,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Make one call; what is larger than any answer is not read to its end."""
        try:
            async with self._client.stream(
                method, url, content=content, headers=headers
            ) as response:
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > ANSWER_BYTES_MAX:
                        raise engine_refused("Its answer is too long.")
                answer = httpx.Response(
                    response.status_code, headers=_plain(response.headers), content=bytes(body)
                )
        except httpx.HTTPError as error:
            log.warning("the video engine does not answer: %s", type(error).__name__)
            raise unavailable() from None
        return answer

    def _read(self, ref: str) -> Ref:
        return msgspec.json.decode(ref, type=Ref)

    async def _end_registered(
        self, room: VideoRoom, is_meant: Callable[[Registered], bool], act: Act | None = None
    ) -> None:
        try:
            fields = await self._broker.read_fields(self._key(room.id))
        except BrokerUnavailableError:
            return
        known = [msgspec.json.decode(value, type=Registered) for value in fields.values()]
        meant = [one for one in known if is_meant(one) and act in {None, self._read(one.ref).act}]
        # Publishers first: whoever waits for this waits a bounded time.
        meant.sort(key=lambda one: self._read(one.ref).act != "publish")
        for first in range(0, len(meant), ENDED_AT_ONCE):
            await asyncio.gather(
                *(self._end_quietly(one.ref) for one in meant[first : first + ENDED_AT_ONCE])
            )

    async def _end_quietly(self, ref: str) -> None:
        try:
            await self.end(ref)
        except CommerceError as error:
            log.info("a session of the video engine was gone: %s", error.code)

    async def _prune(self, room_id: str) -> None:
        """Forget sessions that are too old, and the oldest viewers of too many."""
        fields = await self._broker.read_fields(self._key(room_id))
        oldest_ms = self._now_ms() - ENGINE_TTL_S * 1000
        ages = sorted(
            (one.at_ms, field, self._read(one.ref).act)
            for field, value in fields.items()
            for one in [msgspec.json.decode(value, type=Registered)]
        )
        excess = len(ages) - REGISTERED_MAX
        for at_ms, field, act in ages:
            if at_ms < oldest_ms or (excess > 0 and act == "play"):
                await self._broker.drop_field(self._key(room_id), field)
                excess -= 1

    async def _note(self, room_id: str, act: Act, registered: Registered) -> None:
        """Keep a session, to end it with its room; without Redis the engine alone ends it."""
        try:
            await self._broker.put_field(
                self._key(room_id),
                _field(registered.ref),
                msgspec.json.encode(registered),
                ttl_s=ENGINE_TTL_S,
            )
            if self._noted % PRUNE_EVERY == 0:
                await self._prune(room_id)
            self._noted += 1
        except BrokerUnavailableError:
            log.warning("a session of the video engine could not be noted")
        if act == "publish":
            await self._tell(room_id, self._picture(gives_way=registered.gives_way))

    async def _forget(self, session: Ref, ref: str) -> None:
        try:
            await self._broker.drop_field(self._key(session.room_id), _field(ref))
        except BrokerUnavailableError:
            log.warning("a session of the video engine could not be forgotten")
        if session.act == "publish":
            await self._tell(session.room_id, None)

    def _picture(self, *, gives_way: bool = False) -> Picture:
        """What is known of somebody who publishes to an engine: that they do."""
        return Picture(live=True, since_ms=self._now_ms(), gives_way=gives_way)

    async def _tell(self, room_id: str, picture: Picture | None) -> None:
        """Tell a room that somebody publishes, or that nobody does any more."""
        try:
            if picture is None:
                await forget_picture(self._broker, room_id)
            else:
                await tell_picture(self._broker, room_id, picture, ENGINE_TTL_S)
            await self._publisher.hint(room_id, [KEY])
        except BrokerUnavailableError:
            log.warning("a room was not told of the video engine's picture")

    def _key(self, room_id: str) -> str:
        return f"{self._broker.prefix}video-sessions:{room_id}"


def engine_refused(why: str) -> CommerceError:
    """Return the error for an engine that will not, or cannot, do what it should."""
    return CommerceError("engine_refused", f"The video engine refused. {why}")


def _field(ref: str) -> str:
    return hashlib.sha256(ref.encode()).hexdigest()[:32]


def _plain(headers: httpx.Headers) -> list[tuple[str, str]]:
    """Return headers without those of the transfer, which was undone while reading."""
    gone = {"content-encoding", "content-length", "transfer-encoding"}
    return [(name, value) for name, value in headers.multi_items() if name.lower() not in gone]


def _session_url(address: str, response: httpx.Response) -> str:
    """Return a session's address; raises unless it has the origin of the operator's own one."""
    location = response.headers.get("location", "")
    url: str = urljoin(address, location)
    own, named = urlsplit(address), urlsplit(url)
    if not location or len(url) > ADDRESS_CHARS_MAX:
        raise engine_refused("It named no session.")
    if (own.scheme, own.netloc) != (named.scheme, named.netloc):
        raise engine_refused("Its session is on another host.")
    return url


def _ice_links(response: httpx.Response) -> tuple[str, ...]:
    """Return the engine's own ICE servers, one a header as it sent them."""
    links = response.headers.get_list("link")
    return tuple(link for link in links if "ice-server" in link and link.isascii())


def _refusal(act: Act, response: httpx.Response) -> CommerceError:
    status = response.status_code
    if status in {400, 406, 415}:
        return CommerceError("bad_offer", "The video engine cannot read the offer.")
    if status == 422:
        return CommerceError("offer_unsupported", "The video engine serves nothing of the offer.")
    if status in {404, 409} and act == "play":
        return not_live()
    if status == 409:
        return CommerceError("publisher_present", "Somebody publishes into this room already.")
    if status == 503:
        return video_full()
    if status in {429, 500, 502, 504}:
        return unavailable()
    log.warning("the video engine refused an offer with status %d", status)
    return engine_refused(f"It answered with status {status}.")


def _refusal_of_session(response: httpx.Response) -> CommerceError:
    if response.status_code in {404, 410}:
        return session_unknown()
    if response.status_code in {429, 500, 502, 503, 504}:
        return unavailable()
    return engine_refused(f"It answered with status {response.status_code}.")
