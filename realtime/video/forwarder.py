"""The built-in forwarder: publishers in, viewers out, nothing decoded.

All of it runs in one loop. Sessions are added and taken away only here, each in one step without an
await between its check and its change; what takes time (answers, closing) happens around that.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import math
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from realtime.video.answers import AnswerLine, busy
from realtime.video.config import VideoConfig, VideoCounters
from realtime.video.ice import PortRange, Surroundings, own_reach
from realtime.video.ingest import IngestTrack
from realtime.video.lateness import doze
from realtime.video.links import Clock
from realtime.video.liveness import reason_to_end
from realtime.video.outlets import Outlet
from realtime.video.packet_viewer import PacketViewer
from realtime.video.peers import AiortcPublisher, AiortcViewer
from realtime.video.places import Unconnected, is_crowd_full, makes_way, oldest_of_crowd
from realtime.video.ports import FrameSink, Session, VideoError, VideoState
from realtime.video.publishers import PublisherSession
from realtime.video.room import Room
from realtime.video.viewers import ViewerSession

log = logging.getLogger(__name__)

TICK_S = 0.25
TICKS_OF_REPORT = 4  # Once a second.
CLOSE_S = 3.0
RETRY_NOT_LIVE_S = 2
RETRY_FULL_S = 10
# Long enough that whoever comes back reads why; drops come before all work, so it is no defence.
TOO_FAST_S = 10.0


class BuiltinForwarder:
    """Implements `ports.Forwarder`. Made within the loop that it serves."""

    def __init__(self, config: VideoConfig, *, wall_ms: Callable[[], int]) -> None:
        self.counters = VideoCounters()
        self._config = config
        self._clock = Clock(asyncio.get_running_loop().time, wall_ms)
        self._around = Surroundings(
            config=config,
            counters=self.counters,
            ports=PortRange(config.udp_ports),
            reach=own_reach(config),
        )
        self._rooms: dict[str, Room] = {}
        self._sessions: dict[str, tuple[Room, PublisherSession | ViewerSession]] = {}
        self._too_fast_s: dict[str, float] = {}  # When a room's publisher was ended for it.
        self._crowds: dict[str, str] = {}  # Of viewers, by session.
        self._joining: Counter[str] = Counter()  # Answers that are being made, by crowd.
        self._line = AnswerLine(config.answers_waiting_max, self._clock.now_s)
        self._watchers: list[Callable[[str, VideoState], None]] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._ticker = asyncio.get_running_loop().create_task(self._tick())

    async def publish(
        self,
        room_id: str,
        offer: str,
        *,
        take_over: bool,
        gives_way: bool = False,
        over: frozenset[str] = frozenset(),
    ) -> Session:
        """Answer a publisher's offer (recvonly). Raises VideoError.

        A present publisher is ended, and the viewers stay connected, with `take_over`, where it
        is a session of `over`, or where it gives way and the new one does not.
        """

        def may_replace(present: PublisherSession) -> bool:
            return take_over or present.id in over or (present.gives_way and not gives_way)

        with self._held(room_id) as room:
            self._check_publisher(room, may_replace)
            endings = room.endings
            session = PublisherSession(
                secrets.token_urlsafe(16), room, self._forget, gives_way=gives_way
            )
            peer = session.peer = AiortcPublisher(self._around, session)
            try:
                # The codec that viewers are connected with, so that a take-over keeps them.
                preferred = room.tracks["video"].codec if room.viewers else None
                await peer.accept(offer, preferred=preferred)
                # Somebody else may have come meanwhile.
                self._check_publisher(room, may_replace)
                if room.endings != endings:
                    raise VideoError("session_unknown", "The room was ended meanwhile.")
            except BaseException:
                self._in_background(peer.close())
                raise
            if room.publisher is not None:
                self._forget(room.publisher)
            for kind, agreed in peer.tracks.items():
                track = IngestTrack(kind, agreed.codec, agreed.types, repairs=agreed.repairs)
                session.ingests[kind] = track
            room.publisher = session
            self._sessions[session.id] = (room, session)
            self.counters.publishers += 1
            return Session(id=session.id, answer=peer.answer)

    async def play(self, room_id: str, offer: str, *, crowd: str | None = None) -> Session:
        """Answer a viewer's offer (sendonly). Raises VideoError.

        `crowd` names whom the viewer is one of, for the places of those who have not connected.
        """
        with self._held(room_id) as room:
            self._check_live(room)
            self._make_place(room, crowd)
            with self._joins(room, crowd):
                async with self._line.turn():
                    session = await self._answer_viewer(room, offer)
            room.viewers[session.id] = session
            self._sessions[session.id] = (room, session)
            if crowd is not None:
                self._crowds[session.id] = crowd
            self.counters.viewers += 1
            if "video" in session.outlets:
                room.expect()
            self._tell(room)
            assert session.peer is not None, "it was answered"
            return Session(id=session.id, answer=session.peer.answer)

    async def trickle(self, session_id: str, fragment: str) -> None:
        """Take candidates of an `application/trickle-ice-sdpfrag` body. Raises VideoError."""
        session = self._session(session_id)
        assert session.peer is not None, "a session is listed after its answer"
        await session.peer.trickle(fragment)

    async def end(self, session_id: str) -> None:
        """Close a session and free what it held. Raises VideoError (`session_unknown`)."""
        self._forget(self._session(session_id))

    async def end_room(self, room_id: str) -> None:
        """Close the publisher and all viewers of a room; does nothing when there are none."""
        room = self._rooms.get(room_id)
        if room is None:
            return
        room.endings += 1
        for session in (*room.viewers.values(), room.publisher):
            if session is not None:
                self._forget(session)

    def state(self, room_id: str) -> VideoState:
        """What the room's picture is doing now."""
        room = self._rooms.get(room_id)
        return room.state(self._clock.now_s()) if room is not None else VideoState()

    def watch(self, changed: Callable[[str, VideoState], None]) -> None:
        """Have `changed(room_id, state)` called when `live`, `codec` or `viewers` changes."""
        self._watchers.append(changed)

    def add_sink(self, room_id: str, sink: FrameSink) -> Callable[[], None]:
        """Hand the room's frames to `sink`, over changes of publisher; returns how to stop it."""
        room = self._room(room_id)
        room.sinks.append(sink)
        room.ask_keyframe()

        def stop() -> None:
            with contextlib.suppress(ValueError):
                room.sinks.remove(sink)
            self._drop_idle(room)

        return stop

    def ask_keyframe(self, room_id: str) -> None:
        """Ask the publisher for a keyframe, throttled; does nothing when there is none."""
        room = self._rooms.get(room_id)
        if room is not None:
            room.ask_keyframe()

    async def close(self) -> None:
        """End everything within a few seconds."""
        self._is_closed = True
        self._ticker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._ticker
        for _, session in tuple(self._sessions.values()):
            self._forget(session)
        for room in tuple(self._rooms.values()):
            room.sinks.clear()
            self._drop_idle(room)
        if self._closing:
            await asyncio.wait(self._closing, timeout=CLOSE_S)

    def _room(self, room_id: str) -> Room:
        """Return the room, made and listed at the first call for it."""
        room = self._rooms.get(room_id)
        if room is None:
            room = Room(room_id, self._config, self.counters, self._clock)
            room.unusable = self._forget
            self._rooms[room_id] = room
        return room

    @contextlib.contextmanager
    def _held(self, room_id: str) -> Iterator[Room]:
        """Keep a room listed while an answer is made, and count a refusal."""
        room = self._room(room_id)
        room.holds += 1
        try:
            yield room
        except VideoError:
            self.counters.refused += 1
            raise
        finally:
            room.holds -= 1
            self._drop_idle(room)

    @contextlib.contextmanager
    def _joins(self, room: Room, crowd: str | None) -> Iterator[None]:
        """Keep a place for a viewer whose answer is being made."""
        names = () if crowd is None else (crowd,)
        room.joining += 1
        self._joining.update(names)
        try:
            yield
        finally:
            room.joining -= 1
            self._joining.subtract(names)
            self._joining += Counter()  # Crowds of nobody are forgotten.

    async def _answer_viewer(self, room: Room, offer: str) -> ViewerSession:
        """Make a viewer's answer. Raises VideoError."""
        publisher = self._check_live(room)  # Anew: it may have waited for its turn.
        session = ViewerSession(secrets.token_urlsafe(16), room, self._forget)
        way = PacketViewer if self._config.mode == "packet" else AiortcViewer
        peer = session.peer = way(self._around, session)
        try:
            video = publisher.ingests.get("video")
            await peer.accept(offer, published=video.codec if video is not None else None)
            self._check_live(room)
            now_s = self._clock.now_s()
            session.outlets = {
                kind: Outlet(room.tracks[kind], peer.types[kind], start, now_s)
                for kind, start in peer.starts.items()
            }
            if not all(outlet.adopt_codec() for outlet in session.outlets.values()):
                raise VideoError("offer_unsupported", "The codec changed meanwhile.")
        except BaseException:
            self._in_background(peer.close())
            raise
        return session

    def _session(self, session_id: str) -> PublisherSession | ViewerSession:
        listed = self._sessions.get(session_id)
        if listed is None:
            raise VideoError("session_unknown", "The session ended, or never was.")
        return listed[1]

    def _check_publisher(self, room: Room, may_replace: Callable[[PublisherSession], bool]) -> None:
        """Refuse a second publisher, and everybody once the server stops."""
        if self._is_closed:
            raise VideoError("publisher_present", "The server is stopping.", retry_after_s=5)
        wait_s = self._too_fast_s.get(room.id, -TOO_FAST_S) + TOO_FAST_S - self._clock.now_s()
        if wait_s > 0:
            told = "The publisher sent more than this server takes."
            raise VideoError("publisher_too_fast", told, retry_after_s=math.ceil(wait_s))
        if room.publisher is not None and not may_replace(room.publisher):
            raise VideoError("publisher_present", "The room has a publisher.")

    def _check_live(self, room: Room) -> PublisherSession:
        """Refuse viewers while nothing has come of a publisher."""
        publisher = room.publisher
        if self._is_closed or publisher is None or publisher.media_s is None:
            raise VideoError("not_live", "Nobody publishes.", retry_after_s=RETRY_NOT_LIVE_S)
        return publisher

    def _make_place(self, room: Room, crowd: str | None) -> None:
        """Refuse a viewer beyond a cap, unless one who never connected makes way."""
        unconnected = [
            Unconnected(viewer.id, self._crowds.get(viewer.id), viewer.began_s)
            for _, viewer in self._sessions.values()
            if isinstance(viewer, ViewerSession) and not viewer.is_connected
        ]
        now_s = self._clock.now_s()
        if crowd is not None and is_crowd_full(crowd, unconnected, self._joining):
            self._evict(oldest_of_crowd(crowd, unconnected, now_s), busy())
        full = VideoError("video_full", "No place is free.", retry_after_s=RETRY_FULL_S)
        config = self._config
        if len(room.viewers) + room.joining >= config.viewers_per_room_max:
            here = [one for one in unconnected if one.session_id in room.viewers]
            self._evict(makes_way(crowd, here, now_s), full)
        everywhere = sum(len(each.viewers) + each.joining for each in self._rooms.values())
        if everywhere >= config.viewers_max:
            left = [one for one in unconnected if one.session_id in self._sessions]
            self._evict(makes_way(crowd, left, now_s), full)

    def _evict(self, session_id: str | None, refusal: VideoError) -> None:
        """End a session that makes way for another. Raises the refusal where there is none."""
        if session_id is None:
            raise refusal
        self.counters.evicted += 1
        self._forget(self._session(session_id))

    def _forget(self, session: PublisherSession | ViewerSession) -> None:
        """Take a session off the lists and close its connection in the background."""
        listed = self._sessions.pop(session.id, None)
        if listed is None:
            return
        room = listed[0]
        session.stop()
        if isinstance(session, PublisherSession):
            self.counters.publishers -= 1
            if room.publisher is session:
                room.publisher = None
                room.orphaned_s = self._clock.now_s()
        else:
            self.counters.viewers -= 1
            self._crowds.pop(session.id, None)
            room.viewers.pop(session.id, None)
        if session.peer is not None:
            self._in_background(session.peer.close())
        self._tell(room)
        self._drop_idle(room)

    def _drop_idle(self, room: Room) -> None:
        """Forget a room that nobody is in."""
        if room.is_idle and self._rooms.get(room.id) is room:
            del self._rooms[room.id]
            self._in_background(room.close())

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Run what nobody waits for; errors go to the log."""

        async def run() -> None:
            try:
                await work
            except Exception:
                self.counters.faults += 1
                log.exception("A connection did not close cleanly")

        task = asyncio.get_running_loop().create_task(run())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _tell(self, room: Room) -> None:
        """Call the watchers when something they look at has changed."""
        state, told = room.state(self._clock.now_s()), room.told
        room.told = state
        if (state.live, state.codec, state.viewers) == (told.live, told.codec, told.viewers):
            return
        for watcher in self._watchers:
            try:
                watcher(room.id, state)
            except Exception:
                self.counters.faults += 1
                log.exception("A watcher failed on the state of room %s", room.id)

    async def _tick(self) -> None:
        """Notice who is gone, keep requests and reports going."""
        for ticks in itertools.count(1):
            await doze(TICK_S, self._clock.now_s, self.counters)
            now_s = self._clock.now_s()
            for room in tuple(self._rooms.values()):
                try:
                    self._sweep(room, now_s)
                    room.tick(now_s)
                    self._tell(room)
                    if ticks % TICKS_OF_REPORT == 0:
                        await room.report(now_s)
                except Exception:
                    self.counters.faults += 1
                    log.exception("The upkeep of room %s failed", room.id)

    def _sweep(self, room: Room, now_s: float) -> None:
        """End sessions that are over, and viewers whose publisher stays away."""
        for session in (*room.viewers.values(), room.publisher):
            reason = session and reason_to_end(session, self._config, now_s)
            if not session or not reason:
                continue
            setattr(self.counters, reason, getattr(self.counters, reason) + 1)
            if reason == "floods":
                log.warning("a session of room %s was ended: it sends too much", room.id)
                if session is room.publisher:
                    self._note_too_fast(room.id, now_s)
            self._forget(session)
        if room.publisher is None and now_s - room.orphaned_s > self._config.orphan_timeout_s:
            for viewer in tuple(room.viewers.values()):
                self._forget(viewer)

    def _note_too_fast(self, room_id: str, now_s: float) -> None:
        """Have the room say for a while why its publisher was ended."""
        recent = {id: at_s for id, at_s in self._too_fast_s.items() if now_s - at_s < TOO_FAST_S}
        self._too_fast_s = {**recent, room_id: now_s}
