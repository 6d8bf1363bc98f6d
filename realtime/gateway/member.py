"""Write to one client at the pace it can take: the outbound half of a connection.

The invariants: nothing is written out of order; what is withheld from a slow client is made good
by replay or snapshot when it catches up; what waits for it never exceeds `close_bytes` by more
than one frame.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from realtime.gateway.backlog import SaleVerdict, WriteVerdict, decide_sale, decide_write, is_stuck
from realtime.gateway.gateway import Gateway
from realtime.gateway.session import Session
from realtime.protocol.close_codes import CloseCode
from realtime.protocol.codec import Blob, frame_ping, frame_text
from realtime.protocol.messages import build_chat, build_heartbeat, build_hello
from realtime.recovery.rules import Position
from realtime.rooms.ports import Identity
from realtime.rooms.room import WAITING, Room

# A client that was sent away for lack of room tries again after this.
BACK_OFF_RETRY_MS = 5000
GUEST_ROLE = "guest"
# A visitor has no token that could run out.
NEVER_MS = 10**12


class PacedMember(asyncio.Protocol):
    """A room's `Member` over an asyncio transport. Subclasses close the connection."""

    gateway: ClassVar[Gateway]

    __slots__ = (
        "_closing",
        "_conn",
        "_greeted",
        "_identity",
        "_is_stale",
        "_is_stopped",
        "_missed_lines",
        "_packs",
        "_paused_since_ms",
        "_room",
        "_session",
        "_transport",
        "offset",
        "slot",
    )

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._identity: Identity | None = None
        self._room: Room | None = None
        self._session: Session | None = None
        self._conn = self.gateway.next_connection_id()
        self._paused_since_ms: int | None = None
        self._closing = False
        self._greeted = False
        self._is_stale = False
        self._is_stopped = False
        self._missed_lines = 0
        self._packs = False
        self.slot = -1
        self.offset = WAITING

    # What a room asks of its member.

    @property
    def is_staff(self) -> bool:
        """Whether this is one of the shop's own people; they do not count as viewers."""
        return self._identity is not None and self._identity.role != GUEST_ROLE

    @property
    def user_id(self) -> str | None:
        """Whose connection this is; None for a visitor."""
        return None if self._identity is None else self._identity.user_id

    def greet(self, rec: str, *, epoch: str, offset: int) -> bytes:
        """Return the framed hello, or nothing when it was sent before."""
        if self._greeted:
            return b""
        self._greeted = True
        self.greeted()
        gateway, identity = self.gateway, self._identity
        limits = gateway.limits
        is_asked = self._room is not None and gateway.deliveries.ask(self._room, self)
        user = None
        if identity is not None:
            user = {"id": identity.user_id, "name": identity.name, "role": identity.role}
        hello = {
            "conn": self._conn,
            "user": user,
            "hb_s": limits.heartbeat_s,
            "epoch": epoch,
            "offset": offset,
            "now_ms": gateway.process.now_ms(),
            "rec": rec,
            "ack": is_asked,
            "limits": {
                "frame_bytes": limits.frame_bytes_max,
                "chat_chars": limits.chat.chars_max,
                "commands_in_flight": limits.commands_in_flight_max,
            },
        }
        return frame_text(build_hello(hello))

    def pick(self, blob: Blob) -> bytes:
        """Return the blob's frames, compressed when this client has negotiated that."""
        return blob.packed if self._packs else blob.plain

    def write(self, frames: bytes) -> None:
        """Write frames that must arrive; close when too much is waiting already."""
        transport = self._transport
        if self._closing or not frames or transport is None:
            return
        if self._paused_since_ms is not None:
            waiting_bytes = transport.get_write_buffer_size()
            if decide_write(waiting_bytes, len(frames), self.gateway.limits) is WriteVerdict.CLOSE:
                self.close(CloseCode.TOO_SLOW, BACK_OFF_RETRY_MS)
                return
        self._put(transport, frames)

    def write_sale(self, blob: Blob, last: int) -> None:
        """Write live sale events that end at `last`, or stop the lane and remember where."""
        transport = self._transport
        if self._closing or self._is_stopped or transport is None:
            return
        frame = self.pick(blob)
        if self._paused_since_ms is not None:
            waiting_bytes = transport.get_write_buffer_size()
            if decide_sale(waiting_bytes, len(frame), self.gateway.limits) is SaleVerdict.STOP:
                self._is_stopped = True
                self.gateway.counters.sale_stops += 1
                return
        self._put(transport, frame)
        self.offset = last

    def write_tick(self, blob: Blob, lines: int) -> int:
        """Write a tick's state and chat, or skip it when the client reads too slowly."""
        if self._paused_since_ms is not None:
            self._is_stale = True
            self._missed_lines += lines
            return 0
        transport = self._transport
        if self._closing or self.offset == WAITING or transport is None:
            return 0
        # Run for every viewer of every tick: whoever makes the pass adds up what was written.
        frames = blob.packed if self._packs else blob.plain
        transport.write(frames)
        return len(frames)

    def write_beat(self, frames: bytes) -> None:
        """Write a heartbeat, unless so much is waiting that the client hears from us anyway."""
        if self._closing or self._paused_since_ms is not None or self._transport is None:
            return
        self._put(self._transport, frames)

    def close(self, code: CloseCode, retry_ms: int | None = None, *, reason: str = "") -> None:
        """Say goodbye, with the moment to come back when there is one, and close."""
        raise NotImplementedError

    def greeted(self) -> None:
        """Be told that the hello is about to be written."""
        raise NotImplementedError

    # What the transport tells.

    def pause_writing(self) -> None:
        """Note that the client reads too slowly."""
        at_ms = self.gateway.uptime_ms()
        self._paused_since_ms = at_ms
        self.gateway.counters.members_paused += 1
        due_s = at_ms // 1000 + self.gateway.limits.paused_s_max + 1
        self.gateway.wheel.schedule(self._check_pause, due_s)

    def resume_writing(self) -> None:
        """Make good what was withheld."""
        self._note_resumed()
        room, is_stopped, is_stale = self._room, self._is_stopped, self._is_stale
        missed_lines, self._missed_lines = self._missed_lines, 0
        self._is_stopped = self._is_stale = False
        if self._closing or room is None or self.offset == WAITING:
            return
        if is_stopped:
            self.gateway.hub.bring_up(room, self, Position(room.ref.epoch, self.offset))
        elif is_stale:
            self.write(room.state_frame(0))
        if missed_lines:
            self.gateway.counters.chat_skipped += missed_lines
            self.write(frame_text(build_chat(room.ring.newest, [], missed_lines)))

    def _check_pause(self, at_ms: int) -> None:
        if is_stuck(self._paused_since_ms, at_ms=at_ms, limits=self.gateway.limits):
            self.close(CloseCode.TOO_SLOW, BACK_OFF_RETRY_MS)

    # The timing wheel.

    def _beat(self, at_ms: int) -> None:
        limits, session = self.gateway.limits, self._session
        if self._closing or session is None:
            return
        if at_ms - session.heard_ms > limits.idle_s * 1000:
            self.close(CloseCode.IDLE, BACK_OFF_RETRY_MS)
            return
        if self._token_lasts_ms() <= 0:
            self.close(CloseCode.TOKEN_EXPIRED, 0)
            return
        self._beat_next(limits.heartbeat_s)
        if self._greeted and self._room is not None:
            # The ping makes libraries answer that know nothing of our own heartbeat.
            beat = frame_text(build_heartbeat(self._room.ring.newest))
            self.write_beat(beat + frame_ping())

    def _token_lasts_ms(self) -> int:
        if self._identity is None:
            return NEVER_MS
        return self._identity.expires_ms - self.gateway.process.now_ms()

    def _beat_next(self, in_s: int) -> None:
        """Beat again after `in_s`, or just after the token's end when that is sooner.

        Nothing is scheduled further ahead: the wheel keeps whatever it holds alive.
        """
        in_s = min(in_s, self._token_lasts_ms() // 1000 + 1)
        self.gateway.wheel.schedule(self._beat, self.gateway.uptime_ms() // 1000 + in_s)

    def _check_joined(self, at_ms: int) -> None:
        if not self._greeted:
            self.close(CloseCode.OVERLOADED, BACK_OFF_RETRY_MS)

    def _put(self, transport: asyncio.Transport, data: bytes) -> None:
        counters = self.gateway.counters
        counters.frames_out += 1
        counters.bytes_out += len(data)
        transport.write(data)

    def _note_resumed(self) -> None:
        if self._paused_since_ms is not None:
            self._paused_since_ms = None
            self.gateway.counters.members_paused -= 1
