"""Read one client at the pace of a person: the inbound half of a connection.

The invariants: what arrives is handled in its order, and nothing before the hello is on its way;
of a client that waits for its turn no more than `READ_BYTES` are kept.
"""

from __future__ import annotations

import asyncio

from realtime.gateway.member import PacedMember
from realtime.gateway.session import Close, Reply, TellTime
from realtime.gateway.wire import CONTROL, Frame, Opcode, Request, Wire
from realtime.protocol.close_codes import CloseCode
from realtime.protocol.codec import frame_text
from realtime.protocol.errors import CommandError
from realtime.protocol.messages import (
    Command,
    Drawn,
    Like,
    Say,
    Sync,
    Visible,
    build_error,
    build_result,
)
from realtime.recovery.rules import Position
from realtime.rooms.ports import Caller

# Parsed before the pace of a client is looked at again, and kept of one that waits for its turn.
READ_BYTES = 4096


class ReadingMember(PacedMember):
    """A member that hears its client. Subclasses open the connection, flush and cut the socket."""

    __slots__ = (
        "_address",
        "_arrived",
        "_early",
        "_fragments",
        "_is_flooded",
        "_is_text",
        "_joined_ms",
        "_loop",
        "_thrown_away_bytes",
        "_wire",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        limits = self.gateway.limits
        self._loop = loop
        self._wire = Wire(
            frame_bytes_max=limits.frame_bytes_max, is_packing_offered=limits.is_packing_offered
        )
        self._arrived = b""
        self._early: list[Frame] | None = None
        self._fragments: list[bytes] = []
        self._is_text = True
        self._is_flooded = False
        self._thrown_away_bytes = 0
        self._address = ""
        self._joined_ms = 0

    def data_received(self, data: bytes) -> None:
        """Let what arrived wait for its turn, unless it is much."""
        if self._arrived:
            self._arrived += data
        else:
            self._arrived = data
            self.gateway.inbox.add(self)
        if len(self._arrived) > READ_BYTES:
            self.read_arrived()

    def read_arrived(self) -> None:
        """Parse and handle what has arrived; a failure costs this connection alone."""
        data, self._arrived = self._arrived, b""
        if not data:
            return
        try:
            self._read(data)
        except Exception as error:
            context = {"message": "A connection could not be read.", "exception": error}
            self._loop.call_exception_handler(context)
            self._cut()

    def _read(self, data: bytes) -> None:
        if self._closing:
            self._thrown_away_bytes += len(data)
            if self._thrown_away_bytes > self.gateway.limits.discard_bytes_max:
                self._cut()
                return
        elif self._early is None and self._session is not None:
            message = self._wire.read_whole_text(data)
            if message is not None:
                self._is_text = True
                self._take_message(message)
                return
        # Small bites: the parser makes a Python object of every frame, and of six bytes one frame.
        for start in range(0, len(data), READ_BYTES):
            if self._is_flooded:
                return
            self._wire.receive_data(data[start : start + READ_BYTES])
            for event in self._wire.events_received():
                if isinstance(event, Request):
                    self._open(event)
                elif isinstance(event, Frame) and not self._closing:
                    self._take_frame(event)
            self._flush_wire()

    def answer(self, frame: bytes) -> None:
        """Write the answer to a command."""
        if self._session is not None:
            self._session.command_done()
        self.write(frame)

    def greeted(self) -> None:
        """Read what the client sent meanwhile, once the hello is on its way."""
        self._loop.call_soon(self._start_reading)

    def _start_reading(self) -> None:
        early, self._early = self._early or [], None
        for frame in early:
            if not self._closing:
                self._take_frame(frame)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _take_frame(self, frame: Frame) -> None:
        if self._early is not None:
            self._early.append(frame)
            return
        # Pings and pieces of messages cost as much as messages, so they count as much.
        is_message = frame.fin and frame.opcode not in CONTROL
        session = self._session
        if session is not None and not is_message:
            if not session.may_send(self.gateway.uptime_ms()):
                self._is_flooded = True
                self.close(CloseCode.FLOOD, reason="too many frames")
                return
            session.heard_ms = self.gateway.uptime_ms()
        if frame.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            if frame.opcode is not Opcode.CONT:
                self._is_text = frame.opcode is Opcode.TEXT
            self._fragments.append(bytes(frame.data))
            if frame.fin:
                data, self._fragments = b"".join(self._fragments), []
                self._take_message(data)

    def _take_message(self, data: bytes) -> None:
        gateway, session = self.gateway, self._session
        if session is None:
            return
        at_ms = gateway.uptime_ms()
        gateway.counters.frames_in += 1
        bad_before = session.bad_frames
        effect = session.receive(data, is_text=self._is_text, at_ms=at_ms)
        gateway.counters.frames_in_bad += session.bad_frames - bad_before
        match effect:
            case Command():  # The first, as a crowd sends thousands at once.
                self._submit(effect, at_ms)
            case Reply(payload):
                self.write(frame_text(payload))
            case TellTime(client_id):
                now = b'{"now_ms":%d}' % gateway.process.now_ms()
                self.write(frame_text(build_result(client_id, now)))
            case Close(code, reason):
                self._is_flooded = code is CloseCode.FLOOD
                self.close(code, reason=reason)
            case Drawn(offset, ms):
                if gateway.deliveries.acknowledge(self, offset, ms):
                    session.forgive_frame()
            case Visible(is_shown):
                gateway.deliveries.show(self, is_hidden=not is_shown)
            case Say() | Like() | Sync():
                self._carry_out(effect)
            case _:
                pass

    def _submit(self, command: Command, at_ms: int) -> None:
        gateway, room, identity = self.gateway, self._room, self._identity
        assert room is not None, "frames are read only after the welcome"
        assert identity is not None, "the session lets only signed-in users write"
        present_ms = at_ms - self._joined_ms
        caller = Caller(identity, room.ref, self._conn, self._address, present_ms)
        gateway.desk.submit(self, caller, command, spawn=gateway.spawn)

    def _carry_out(self, message: Say | Like | Sync) -> None:
        gateway, room, identity = self.gateway, self._room, self._identity
        assert room is not None, "frames are read only after the welcome"
        match message:
            case Sync(epoch, offset):
                gateway.counters.syncs += 1
                gateway.hub.bring_up(room, self, Position(epoch, offset))
                return
        assert identity is not None, "the session lets only signed-in users write"
        match message:
            case Say(client_id, text):
                try:
                    payload = build_result(
                        client_id, gateway.chat.say(room, self, identity, text=text)
                    )
                except CommandError as error:
                    payload = build_error(client_id, error)
                self.write(frame_text(payload))
            case Like(count):
                gateway.likes.add(room.ref.id, count)

    # What a connection does about it.

    def _open(self, request: Request) -> None:
        raise NotImplementedError

    def _flush_wire(self) -> None:
        raise NotImplementedError

    def _cut(self) -> None:
        raise NotImplementedError
