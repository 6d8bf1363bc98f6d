"""Whose sessions are in the forwarder, and what rooms are told of their pictures.

Invariant: one room's news is told within half a second of its change, and repeated before it
dies; nothing here waits for Redis while somebody waits for an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from weakref import WeakValueDictionary

import msgspec

from commerce.kernel.errors import CommerceError
from realtime.brokers.ports import Broker, BrokerUnavailableError
from realtime.rooms.publisher import RoomPublisher
from realtime.video.places import crowd_of
from realtime.video.ports import Forwarder, Session, VideoError, VideoState
from server.video.engine import FULL_RETRY_MS, NOT_LIVE_RETRY_MS, Begun, Offer
from server.video.picture import KEY, Picture, forget_picture, tell_picture
from server.video.tickets import Act, is_key

log = logging.getLogger(__name__)

TELL_EVERY_S = 0.5
# A picture that stands still this long is over: the publisher is gone, and may come back anew.
STALLED_MS_MAX = 10_000
# Tabs of one person, and one more that is just being reloaded.
SESSIONS_PER_HOLDER_MAX = 4
# Some 200 bytes each. Who is forgotten can still leave, and is still ended with the room.
SESSIONS_KNOWN_MAX = 20_000
# How long a process that ends waits for Redis to hear of it; else the news dies by itself.
LAST_WORDS_S = 1.0

RETRIES_MS = {"not_live": NOT_LIVE_RETRY_MS, "video_full": FULL_RETRY_MS}


class Known(msgspec.Struct, frozen=True):
    """A session that somebody began here."""

    room_id: str
    act: Act
    holder: str
    gives_way: bool = False


class Watched(msgspec.Struct):
    """A room with a picture, or that had one just now."""

    state: VideoState
    stalls: int = 0
    still_since_ms: int | None = None
    """When packets stopped to come, in ms of the monotonic clock; None while they do."""


class DeskCounters(msgspec.Struct):
    """What the media process counts; `refused` is by error code."""

    publishers_begun: int = 0
    viewers_begun: int = 0
    sessions_ended: int = 0
    trickles: int = 0
    stalls: int = 0
    redis_failures: int = 0
    refused: dict[str, int] = {}


class MediaDesk:
    """The forwarder's sessions by room and holder, and its rooms' news."""

    def __init__(
        self, forwarder: Forwarder, broker: Broker, *, monotonic_ms: Callable[[], int]
    ) -> None:
        self.counters = DeskCounters()
        self.rooms: dict[str, Watched] = {}
        self._forwarder = forwarder
        self._broker = broker
        self._publisher = RoomPublisher(broker)
        self._monotonic_ms = monotonic_ms
        self._sessions: dict[str, Known] = {}
        # Of rooms that somebody begins to publish into; gone when nobody holds them.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._giving_way: set[str] = set()  # Rooms whose publisher gives way to any.
        self._over: set[str] = set()  # Rooms to be told that nobody publishes any more.
        self._news: set[str] = set()
        self._woken = asyncio.Event()
        forwarder.watch(self._changed)

    async def begin(  # noqa: PLR0913 - what a ticket says of one offer.
        self,
        room_id: str,
        act: Act,
        offer: Offer,
        *,
        holder: str,
        take_over: bool = False,
        gives_way: bool = False,
    ) -> Begun:
        """Answer an offer. Raises CommerceError with the forwarder's codes.

        Whoever publishes already is succeeded by a session of the same holder without asking:
        that is somebody who comes back after a lost line. What gives way succeeds only what gives
        way itself, though its holder's camera is on as well.
        """
        try:
            if act == "publish":
                session = await self._publish(
                    room_id, offer, holder, take_over=take_over, gives_way=gives_way
                )
            else:
                if not is_key(holder):  # Which may stand for all viewers of another shop.
                    await self._make_room(room_id, holder)
                crowd = holder if is_key(holder) else crowd_of(offer.address)
                session = await self._forwarder.play(room_id, offer.sdp, crowd=crowd)
                self.counters.viewers_begun += 1
        except VideoError as error:
            raise self._refusal(error) from None
        self._sessions.setdefault(session.id, Known(room_id, act, holder))
        while len(self._sessions) > SESSIONS_KNOWN_MAX:
            del self._sessions[self._oldest()]
        return Begun(session.id, session.answer)

    def publishers(self) -> list[tuple[str, str]]:
        """Return (id of the room, holder) of who publishes, or did until just now."""
        known = self._sessions.values()
        return [(one.room_id, one.holder) for one in known if one.act == "publish"]

    async def trickle(self, session_id: str, fragment: str) -> None:
        """Take candidates. Raises CommerceError."""
        try:
            await self._forwarder.trickle(session_id, fragment)
        except VideoError as error:
            raise self._refusal(error) from None
        self.counters.trickles += 1

    async def end(self, session_id: str) -> None:
        """End a session. Raises CommerceError, `session_unknown` when it has ended."""
        known = self._sessions.pop(session_id, None)
        if known is not None and known.act == "publish" and not self._publishers(known.room_id):
            self._end_picture(known.room_id)  # First, so that the silence is not taken for a stall.
        try:
            await self._forwarder.end(session_id)
        except VideoError as error:
            raise self._refusal(error) from None
        self.counters.sessions_ended += 1

    async def end_room(self, room_id: str, holder: str | None) -> None:
        """End all sessions of a room, or those of one holder."""
        mine = [id for id, known in self._sessions.items() if known.room_id == room_id]
        if holder is not None:
            for id in [one for one in mine if self._sessions[one].holder == holder]:
                await self._end_quietly(id)
            return
        for id in mine:
            self._sessions.pop(id, None)
        self._end_picture(room_id)
        await self._forwarder.end_room(room_id)

    async def run(self) -> None:
        """Tell rooms what their pictures do, for ever; when it ends, that they are over."""
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TELL_EVERY_S):
                        await self._woken.wait()
                self._woken.clear()
                await self.tell()
        finally:
            self._over.update(self.rooms)
            self.rooms.clear()
            try:
                async with asyncio.timeout(LAST_WORDS_S):
                    await self.tell()
            except TimeoutError:
                log.warning("Redis did not hear that the rooms' pictures are over")

    async def tell(self) -> None:
        """Tell every room once; what Redis does not take is told again."""
        self._look_for_stalls()
        over, self._over = self._over, set()
        news, self._news = self._news, set()
        try:
            for room_id in over - set(self.rooms):
                await forget_picture(self._broker, room_id)
                await self._publisher.hint(room_id, [KEY])
            for room_id in list(self.rooms):
                picture = self.picture(room_id)
                if picture is None:
                    continue
                await tell_picture(self._broker, room_id, picture)
                if room_id in news:
                    await self._publisher.hint(room_id, [KEY])
        except BrokerUnavailableError:
            self.counters.redis_failures += 1
            self._over |= over
            self._news |= news

    def picture(self, room_id: str) -> Picture | None:
        """Return what a room's picture is doing now, or None when nobody publishes."""
        watched = self.rooms.get(room_id)
        if watched is None:
            return None
        state = self._forwarder.state(room_id)
        return Picture(
            live=state.live,
            since_ms=state.since_ms or watched.state.since_ms,
            viewers=state.viewers,
            codec=state.codec or watched.state.codec,
            bits_per_s=state.bits_per_s,
            stalls=watched.stalls,
            gives_way=room_id in self._giving_way,
        )

    def _changed(self, room_id: str, state: VideoState) -> None:
        """Hear from the forwarder; synchronously, so that no change is missed."""
        watched = self.rooms.get(room_id)
        if state.live:
            if watched is None:
                watched = self.rooms[room_id] = Watched(state)
            watched.state, watched.still_since_ms = state, None
            self._over.discard(room_id)
        elif watched is not None and watched.still_since_ms is None:
            watched.still_since_ms = self._monotonic_ms()
            watched.stalls += 1
            self.counters.stalls += 1
        self._tell_soon(room_id)

    def _look_for_stalls(self) -> None:
        """Take pictures that stood still for too long for over."""
        now_ms = self._monotonic_ms()
        for room_id, watched in list(self.rooms.items()):
            still_ms = watched.still_since_ms
            if still_ms is not None and now_ms - still_ms > STALLED_MS_MAX:
                self._end_picture(room_id)

    def _end_picture(self, room_id: str) -> None:
        if self.rooms.pop(room_id, None) is not None:
            self._giving_way.discard(room_id)
            self._over.add(room_id)
            self._tell_soon(room_id)

    def _tell_soon(self, room_id: str) -> None:
        self._news.add(room_id)
        self._woken.set()

    async def _publish(
        self, room_id: str, offer: Offer, holder: str, *, take_over: bool, gives_way: bool
    ) -> Session:
        """Answer a publisher, one of a room at a time: whose place it takes does not change."""
        turn = self._turns.setdefault(room_id, asyncio.Lock())
        async with turn:
            own = [
                id
                for id in self._publishers(room_id)
                if (one := self._sessions[id]).holder == holder and (one.gives_way or not gives_way)
            ]
            session = await self._forwarder.publish(
                room_id,
                offer.sdp,
                take_over=take_over and not gives_way,
                gives_way=gives_way,
                over=frozenset(own),
            )
            # A room has one publisher: whoever is listed was replaced just now, or is gone.
            for id in self._publishers(room_id):
                self._sessions.pop(id, None)
            self._sessions[session.id] = Known(room_id, "publish", holder, gives_way)
            (self._giving_way.add if gives_way else self._giving_way.discard)(room_id)
            self.counters.publishers_begun += 1
            return session

    def _publishers(self, room_id: str) -> list[str]:
        return [
            id
            for id, known in self._sessions.items()
            if known.room_id == room_id and known.act == "publish"
        ]

    def _oldest(self) -> str:
        """Return the session to forget: a viewer's, as publishers are ended with their key."""
        plays = (id for id, known in self._sessions.items() if known.act == "play")
        return next(plays, next(iter(self._sessions)))

    async def _make_room(self, room_id: str, holder: str) -> None:
        """End the oldest session of somebody who has as many as one may have."""
        mine = [
            id
            for id, known in self._sessions.items()
            if known.holder == holder and known.room_id == room_id and known.act == "play"
        ]
        for id in mine[: max(0, len(mine) - SESSIONS_PER_HOLDER_MAX + 1)]:
            await self._end_quietly(id)

    async def _end_quietly(self, session_id: str) -> None:
        try:
            await self.end(session_id)
        except CommerceError:
            return  # It has ended by itself.

    def _refusal(self, error: VideoError) -> CommerceError:
        self.counters.refused[error.code] = self.counters.refused.get(error.code, 0) + 1
        retry_ms = RETRIES_MS.get(error.code)
        if error.retry_after_s is not None:
            retry_ms = error.retry_after_s * 1000
        return CommerceError(
            error.code, str(error), retryable=retry_ms is not None, retry_ms=retry_ms
        )
