"""One gateway's way to live video: who may begin what, and the engine behind it.

Invariant: an engine hears of an offer only after ticket, room and show were looked at together;
a session is touched only by who began it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec

from commerce.goods.press_rules.buckets import Buckets
from commerce.kernel.errors import CommerceError, forbidden
from commerce.kernel.ports import Connection, Database
from commerce.shows.schedule.model import Room, Show
from commerce.shows.schedule.store import find_room, select_current_show, select_room_by_id
from commerce.shows.stream_keys.service import find_key
from commerce.shows.stream_keys.store import update_last_used
from realtime.brokers.ports import Broker, BrokerUnavailableError
from server.arguments import check_id
from server.video.engine import Begun, Engine, Offer, VideoRoom, session_unknown
from server.video.ice import IceServers
from server.video.picture import Picture, read_picture
from server.video.publishers import may_publish
from server.video.tickets import (
    KEY_HOLDER,
    STREAM_KEY_PREFIX,
    Act,
    SessionHandle,
    Ticket,
    VideoTickets,
    is_key,
)

log = logging.getLogger(__name__)

# Slugs have at most 48 characters, ids 36.
ROOM_CHARS_MAX = 64
# A browser that reloads begins twice a second at most; one that trickles sends a handful.
REQUESTS_PER_S = {"POST": 2, "PATCH": 20, "DELETE": 5}
# Many people share an address. Answering an offer costs some 15 ms of a core.
REQUESTS_PER_S_OF_ADDRESS = 50
# An engine asks for all of its clients from one address.
REQUESTS_PER_S_OF_ENGINE = 500

# A host who ends a show does not wait longer than this for an engine that hangs.
END_TIMEOUT_S = 3.0


class Paces(msgspec.Struct, frozen=True):
    """Buckets of this process for requests that begin, mend and end sessions."""

    holders: Buckets
    addresses: Buckets

    def check(self, method: str, act: Act, *, holder: str, room_id: str) -> None:
        """Raise `slow_down` when a holder asks faster than anybody honest."""
        # A key may stand for a whole shop before us, which passes its viewers' offers on; of a
        # publisher's there is one, and its answers wait in no line.
        is_crowd = is_key(holder) and act == "play"
        per_s = REQUESTS_PER_S_OF_ADDRESS if is_crowd else REQUESTS_PER_S[method]
        _refuse_fast(self.holders.take((f"{method} {act} {room_id}", holder), per_s))

    def check_address(self, address: str) -> None:
        """Raise `slow_down` when an address asks faster than a crowd behind it would."""
        _refuse_fast(self.addresses.take(("video", address), REQUESTS_PER_S_OF_ADDRESS))

    def check_engine(self, address: str) -> None:
        """Raise `slow_down` when an engine's address asks faster than a crowd at a show's start."""
        _refuse_fast(self.addresses.take(("engine", address), REQUESTS_PER_S_OF_ENGINE))


class Admission(msgspec.Struct, frozen=True):
    """A room and the ticket that admits to it."""

    room: VideoRoom
    ticket: Ticket


class LiveVideo(msgspec.Struct, frozen=True):
    """What routes need of live video."""

    backend: str
    database: Database
    tickets: VideoTickets
    engine: Engine
    ice: IceServers
    broker: Broker
    paces: Paces
    now_ms: Callable[[], int]
    engine_token: str | None = None
    """What an engine sends back to us when it asks about requests that were ours."""

    async def picture(self, room_id: str) -> Picture | None:
        """Return what a room's picture is doing; None while nobody publishes or Redis is away."""
        if self.backend == "none":
            return None
        try:
            return await read_picture(self.broker, room_id)
        except BrokerUnavailableError:
            return None

    async def authorise(self, act: Act, room_name: str, token: str, *, begins: bool) -> Admission:
        """Return whom a token admits to a room; raises what is wrong with it.

        A ticket that has expired still ends and mends what was begun with it, and begins nothing.
        So does one whose show is over.
        """
        if not token:
            raise CommerceError("unauthenticated", "Send a ticket as a bearer token.")
        by_key = token.startswith(STREAM_KEY_PREFIX)
        ticket = None if by_key else self.tickets.read(token)
        if ticket is None and not by_key:
            raise _bad_ticket()
        async with self.database.reading() as connection:
            room = await find_video_room(connection, room_name)
            if room is None:
                raise CommerceError("not_found", "There is no such room.")
            if by_key:
                ticket = await self._ticket_of_key(connection, act, room, token)
            assert ticket is not None
            if ticket.act != act or ticket.room_id != room.id:
                raise forbidden("This ticket is for something else.")
            show = await select_current_show(connection, room.id) if begins else None
            if begins and act == "publish":
                await self._check_publisher(connection, room, ticket)
        if begins:
            self._check_begin(ticket, show)
        return Admission(VideoRoom(room.id, room.slug), ticket)

    async def note_use(self, ticket: Ticket) -> None:
        """Keep when a stream key was last used."""
        if is_key(ticket.holder):
            key_id = ticket.holder.removeprefix(KEY_HOLDER)
            async with self.database.transaction() as transaction:
                await update_last_used(transaction, key_id)

    def open_handle(self, act: Act, text: str, admission: Admission) -> SessionHandle:
        """Return the session that a handle names; raises unless this ticket's holder began it."""
        handle = self.tickets.unseal(text)
        if handle is None or (handle.act, handle.room_id) != (act, admission.room.id):
            raise session_unknown()
        if handle.holder != admission.ticket.holder:
            raise forbidden("Somebody else began this session.")
        return handle

    async def begin(
        self, act: Act, admission: Admission, offer: Offer, *, take_over: bool
    ) -> tuple[str, Begun]:
        """Have an offer answered; return the handle of the session and the answer."""
        room, holder = admission.room, admission.ticket.holder
        if take_over and not admission.ticket.may_take_over:
            raise forbidden("Only the host of this room takes the place of a publisher.")
        gives_way = admission.ticket.gives_way
        begun = await self.engine.begin(
            act, room, offer, holder=holder, take_over=take_over, gives_way=gives_way
        )
        if act == "publish":
            await self._check_begun(admission, begun)
        handle = SessionHandle(act, room.id, holder, begun.ref, read_ufrag(offer.sdp))
        return self.tickets.seal(handle), begun

    async def end_after_commit(self, room: VideoRoom, holder: str | None = None) -> None:
        """End a room's sessions, or a holder's, because of what is committed already.

        An engine that is away now has lost its sessions, or hears of it from the worker's round.
        """
        try:
            async with asyncio.timeout(END_TIMEOUT_S):
                await self.engine.end_room(room, holder)
        except CommerceError as error:
            log.warning("the sessions of room %s were not ended: %s", room.slug, error.code)
        except TimeoutError:
            log.warning("the sessions of room %s were not ended in time", room.slug)

    async def _check_begun(self, admission: Admission, begun: Begun) -> None:
        """End what has just begun, and raise, unless it may still be there.

        Whoever ends a show or revokes a key commits first and then ends sessions: one that began
        in between is in no list of theirs yet, and is found out here.
        """
        try:
            async with self.database.reading() as connection:
                room = await select_room_by_id(connection, admission.room.id)
                await self._check_publisher(connection, room, admission.ticket)
                show = await select_current_show(connection, room.id)
            self._check_begin(admission.ticket, show)
        except BaseException:
            try:
                await self.engine.end(begun.ref)
            except CommerceError as error:
                log.warning("a session that may not be was not ended: %s", error.code)
            raise

    async def _check_publisher(self, connection: Connection, room: Room, ticket: Ticket) -> None:
        """Raise unless a ticket's holder may publish now, whatever it might when it was given."""
        if not await may_publish(connection, room, ticket.holder):
            raise _bad_ticket()

    async def _ticket_of_key(
        self, connection: Connection, act: Act, room: Room, token: str
    ) -> Ticket:
        key_id = await find_key(connection, room, token)
        if key_id is None:
            raise _bad_ticket()
        return Ticket(act, room.id, f"{KEY_HOLDER}{key_id}")

    def _check_begin(self, ticket: Ticket, show: Show | None) -> None:
        """Raise unless the room has the show that the ticket is for, and it is not over."""
        by_key = is_key(ticket.holder)
        if not by_key and self.tickets.has_expired(ticket):
            raise _bad_ticket()
        if show is None or show.status == "ended":
            raise CommerceError("no_show", "The show is over, or there is none: start one first.")
        if not by_key and ticket.show != show.id:
            raise _bad_ticket()


async def find_video_room(connection: Connection, name: str) -> Room | None:
    """Return a room by its slug or its id, or None."""
    if len(name) > ROOM_CHARS_MAX or not name.isprintable():
        return None
    room = await find_room(connection, name)
    if room is not None:
        return room
    try:
        return await select_room_by_id(connection, check_id(name, "room"))
    except CommerceError:
        return None


def read_ufrag(text: str) -> str:
    """Return the first `ice-ufrag` of SDP or of a fragment, or an empty text."""
    for line in text.splitlines():
        if line.startswith("a=ice-ufrag:"):
            return line.removeprefix("a=ice-ufrag:").strip()[:256]
    return ""


def _refuse_fast(wait_ms: int) -> None:
    if wait_ms:
        raise CommerceError(
            "slow_down", "Too many requests for video.", retryable=True, retry_ms=wait_ms
        )


def _bad_ticket() -> CommerceError:
    return CommerceError("invalid_token", "The ticket is forged, revoked or over: ask for another.")
