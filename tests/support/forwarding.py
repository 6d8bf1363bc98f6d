"""A forwarder that carries no media and remembers what signalling asked of it.

It keeps the port's promises about sessions, refusals and news, so that signalling can be tested
without a packet; pictures begin and stop when a test says so.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from realtime.video.ports import (
    FrameSink,
    RefusalCode,
    Session,
    VideoError,
    VideoState,
)

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:offerer\r\n"
ANSWER = "v=0\r\no=- 2 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:answerer\r\n"
FRAGMENT = "a=ice-ufrag:offerer\r\na=ice-pwd:secret\r\na=end-of-candidates\r\n"


class RecordingForwarder:
    """Sessions by room, without media; `asked` is what signalling asked, in order."""

    def __init__(self, *, viewers_max: int = 3) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.crowds: list[str | None] = []
        self.publishers: dict[str, str] = {}
        self.viewers: dict[str, list[str]] = {}
        self.giving: set[str] = set()
        self.states: dict[str, VideoState] = {}
        self.answering: list[asyncio.Event] | None = None
        """With a list, answers to publishers wait until a test sets the events they put there."""
        self.refuse: RefusalCode | None = None
        self.is_closed = False
        self.viewers_max = viewers_max
        self._callbacks: list[Callable[[str, VideoState], None]] = []

    async def publish(
        self,
        room_id: str,
        offer: str,
        *,
        take_over: bool,
        gives_way: bool = False,
        over: frozenset[str] = frozenset(),
    ) -> Session:
        """Answer a publisher, by the same rules as the real one."""
        present = self.publishers.get(room_id)
        may_replace = take_over or present in over or (present in self.giving and not gives_way)
        self.asked.append(("publish", room_id, str(take_over or present in over)))
        self._check()
        if present is not None and not may_replace:
            raise VideoError("publisher_present", "somebody publishes already")
        if self.answering is not None:
            gate = asyncio.Event()
            self.answering.append(gate)
            await gate.wait()
        session = Session(secrets.token_urlsafe(16), ANSWER)
        self.publishers[room_id] = session.id
        if gives_way:
            self.giving.add(session.id)
        return session

    async def play(self, room_id: str, offer: str, *, crowd: str | None = None) -> Session:
        """Answer a viewer."""
        self.asked.append(("play", room_id))
        self.crowds.append(crowd)
        self._check()
        if room_id not in self.publishers:
            raise VideoError("not_live", "nobody publishes", retry_after_s=2)
        here = self.viewers.setdefault(room_id, [])
        if len(here) >= self.viewers_max:
            raise VideoError("video_full", "the cap is reached", retry_after_s=15)
        session = Session(secrets.token_urlsafe(16), ANSWER)
        here.append(session.id)
        self._tell(room_id)
        return session

    async def trickle(self, session_id: str, fragment: str) -> None:
        """Take candidates."""
        self.asked.append(("trickle", session_id, fragment))
        self._check()
        self._room_of(session_id)

    async def end(self, session_id: str) -> None:
        """End a session."""
        self.asked.append(("end", session_id))
        room_id = self._room_of(session_id)
        if self.publishers.get(room_id) == session_id:
            del self.publishers[room_id]
            self.show(room_id, live=False)
        else:
            self.viewers[room_id].remove(session_id)
            self._tell(room_id)

    async def end_room(self, room_id: str) -> None:
        """End a room."""
        self.asked.append(("end_room", room_id))
        self.viewers.pop(room_id, None)
        if self.publishers.pop(room_id, None) is not None:
            self.show(room_id, live=False)

    def state(self, room_id: str) -> VideoState:
        """Return what a test has set."""
        return self.states.get(room_id, VideoState())

    def watch(self, changed: Callable[[str, VideoState], None]) -> None:
        """Remember whom to tell."""
        self._callbacks.append(changed)

    def add_sink(self, room_id: str, sink: FrameSink) -> Callable[[], None]:
        """Have no frames to hand over."""
        return lambda: None

    def ask_keyframe(self, room_id: str) -> None:
        """Have nobody to ask."""

    async def close(self) -> None:
        """End everything."""
        self.is_closed = True

    def show(self, room_id: str, *, live: bool) -> None:
        """Let a picture begin, or stop."""
        viewers = len(self.viewers.get(room_id, []))
        self.states[room_id] = VideoState(live, 1_000 if live else None, viewers, "H264", 1_500_000)
        self._tell(room_id)

    def _tell(self, room_id: str) -> None:
        state = self.state(room_id)
        viewers = len(self.viewers.get(room_id, []))
        state = VideoState(state.live, state.since_ms, viewers, state.codec, state.bits_per_s)
        self.states[room_id] = state
        for callback in self._callbacks:
            callback(room_id, state)

    def _check(self) -> None:
        if self.refuse is not None:
            raise VideoError(self.refuse, "the test says so")

    def _room_of(self, session_id: str) -> str:
        for room_id, publisher in self.publishers.items():
            if publisher == session_id:
                return room_id
        for room_id, viewers in self.viewers.items():
            if session_id in viewers:
                return room_id
        raise VideoError("session_unknown", "no such session")
