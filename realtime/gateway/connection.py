"""Serve one WebSocket: uvicorn hands over the socket, `Wire` parses, we write whole frames.

There is no task, queue or ASGI message per connection: what arrives is handled in `data_received`,
what leaves goes straight to the transport. The listener should set `TCP_NOTSENT_LOWAT` (16 KiB):
otherwise the kernel swallows megabytes before the write buffer, and with it the flow control here,
sees a slow reader.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, cast

from realtime.gateway.gateway import Gateway
from realtime.gateway.handshake import Admitted, Forbidden, Rejected, judge_request
from realtime.gateway.member import BACK_OFF_RETRY_MS, PacedMember
from realtime.gateway.session import Close, Reply, Session, TellTime
from realtime.gateway.wire import CONTROL, OPEN, Frame, InvalidState, Opcode, Request, Wire
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
    build_goodbye,
    build_result,
)
from realtime.recovery.rules import Position
from realtime.rooms.ladder import Rung
from realtime.rooms.ports import Caller
from realtime.rooms.room import Room

# Parsed before the pace of a client is looked at again.
READ_BYTES = 4096


class Connection(PacedMember):
    """One client. Implements `Member` towards its room and `Asker` towards the command desk."""

    __slots__ = (
        "_address",
        "_early",
        "_fragments",
        "_is_flooded",
        "_is_text",
        "_joined_ms",
        "_linger",
        "_loop",
        "_position",
        "_server_state",
        "_thrown_away_bytes",
        "_wire",
    )

    def __init__(
        self,
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__()
        gateway = self.gateway
        self._loop = _loop or asyncio.get_running_loop()
        self._server_state = server_state
        self._wire = Wire(
            frame_bytes_max=gateway.limits.frame_bytes_max,
            is_packing_offered=gateway.limits.is_packing_offered,
        )
        self._position: Position | None = None
        self._early: list[Frame] | None = None
        self._fragments: list[bytes] = []
        self._is_text = True
        self._is_flooded = False
        self._linger: asyncio.TimerHandle | None = None
        self._thrown_away_bytes = 0
        self._address = ""
        self._joined_ms = 0

    # What the event loop and uvicorn call.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over the socket."""
        # uvloop's transport has the methods but not the class.
        stream = cast(asyncio.Transport, transport)
        gateway = self.gateway
        self._transport = stream
        stream.set_write_buffer_limits(
            high=gateway.limits.skip_tick_bytes, low=gateway.limits.resume_bytes
        )
        self._server_state.connections.add(self)
        gateway.counters.connections_opened += 1
        gateway.counters.connections_open += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave everything."""
        self._closing = True
        self._leave()
        self._note_resumed()
        if self._linger is not None:
            self._linger.cancel()
        self._server_state.connections.discard(self)
        self.gateway.counters.connections_open -= 1

    def data_received(self, data: bytes) -> None:
        """Parse and handle what arrived."""
        if self._closing:
            self._thrown_away_bytes += len(data)
            if self._thrown_away_bytes > self.gateway.limits.discard_bytes_max:
                self._cut()
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

    def eof_received(self) -> None:
        """Let the transport close: the client will say no more."""

    def shutdown(self) -> None:
        """Close because uvicorn ends; a drain has usually closed us before."""
        if self._session is None:
            self._cut()
        else:
            self._send_elsewhere()

    # Handshake and joining.

    def _open(self, request: Request) -> None:
        gateway = self.gateway
        response = self._wire.accept(request)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self._refuse_upgrade(response)
            return
        judgement = judge_request(
            request.path,
            lambda name: ", ".join(request.headers.get_all(name)) or None,
            authenticator=gateway.authenticator,
            allowed_origins=gateway.limits.allowed_origins,
        )
        if isinstance(judgement, Forbidden):
            text = "Pages of another origin may not connect.\n"
            self._refuse_upgrade(self._wire.reject(HTTPStatus.FORBIDDEN, text))
            return
        if isinstance(judgement, Admitted) and judgement.subprotocol is not None:
            response.headers["Sec-WebSocket-Protocol"] = judgement.subprotocol
        self._wire.send_response(response)
        self._flush_wire()
        if isinstance(judgement, Rejected):
            gateway.counters.handshakes_refused += 1
            self.close(judgement.code, reason=judgement.reason)
        elif gateway.hub.is_draining or not gateway.is_running:
            self._send_elsewhere()
        elif self._is_shut_out(judgement):
            gateway.counters.load_refused += 1
            self.close(CloseCode.OVERLOADED, BACK_OFF_RETRY_MS)
        else:
            self._address = self._read_address(request)
            self._admit(judgement)

    def _read_address(self, request: Request) -> str:
        """Return where the client is, as the server reads it."""
        peer = self._transport.get_extra_info("peername") if self._transport else None
        host = str(peer[0]) if isinstance(peer, tuple) and peer else "unknown"
        forwarded = ", ".join(request.headers.get_all("X-Forwarded-For")) or None
        return self.gateway.address_of(host, forwarded)

    def _refuse_upgrade(self, response: Any) -> None:
        self.gateway.counters.handshakes_refused += 1
        self._closing = True
        self._wire.send_response(response)
        self._flush_wire()

    def _is_shut_out(self, admitted: Admitted) -> bool:
        """Tell whether the process has no room, or none for those who are not signed in."""
        gateway = self.gateway
        if gateway.counters.connections_open > gateway.limits.connections_max:
            return True
        return admitted.identity is None and gateway.hub.load.rung >= Rung.DOORS

    def _admit(self, admitted: Admitted) -> None:
        gateway = self.gateway
        self._packs = self._wire.takes_shared_packing
        at_ms = gateway.uptime_ms()
        self._identity = admitted.identity
        self._position = admitted.position
        self._session = Session(
            gateway.limits, signed_in=admitted.identity is not None, at_ms=at_ms
        )
        self._early = []
        if self._transport is not None:
            self._transport.pause_reading()
        due_s = at_ms // 1000 + gateway.limits.join_timeout_s
        gateway.wheel.schedule(self._check_joined, due_s)
        # Heartbeats start at a random second, so that a crowd that came at once beats spread out.
        self._beat_next(1 + int(gateway.process.random() * gateway.limits.heartbeat_s))
        room = gateway.hub.room_by_slug(admitted.slug)
        if room is not None:
            self._join(room)
        else:
            gateway.spawn(self._activate(admitted.slug))

    async def _activate(self, slug: str) -> None:
        try:
            room = await self.gateway.hub.activate(slug)
        except Exception:  # The hub has logged it; the client is told to come back later.
            self.close(CloseCode.OVERLOADED, BACK_OFF_RETRY_MS)
            return
        if self._closing:
            return
        if room is None:
            self.close(CloseCode.NO_SUCH_ROOM, reason="no such room")
        else:
            self._join(room)

    def _join(self, room: Room) -> None:
        if self.gateway.hub.is_draining:
            # The drain began while the room was read: it knows nothing of this connection.
            self._send_elsewhere()
            return
        self._room = room
        self._joined_ms = self.gateway.uptime_ms()
        self.gateway.hub.join(room, self, self._position)

    def _send_elsewhere(self) -> None:
        self.close(CloseCode.DRAINING, self.gateway.hub.newcomer_retry_ms())

    def answer(self, frame: bytes) -> None:
        """Write the answer to a command."""
        if self._session is not None:
            self._session.command_done()
        self.write(frame)

    def close(self, code: CloseCode, retry_ms: int | None = None, *, reason: str = "") -> None:
        """Say goodbye, with the moment to come back when there is one, and close."""
        if self._closing:
            return
        if retry_ms is not None and self._transport is not None:
            self._put(self._transport, frame_text(build_goodbye(code, retry_ms)))
            self.gateway.desk.sent_away(self._conn)
        self._start_closing(code)
        try:
            self._wire.send_close(code, reason or code.name.lower())
        except InvalidState:
            self._cut()
        self._flush_wire()

    # Inbound frames.

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
        gateway.counters.frames_in += 1
        bad_before = session.bad_frames
        effect = session.receive(data, is_text=self._is_text, at_ms=gateway.uptime_ms())
        gateway.counters.frames_in_bad += session.bad_frames - bad_before
        match effect:
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
            case Say() | Like() | Sync() | Command():
                self._carry_out(effect)
            case _:
                pass

    def _carry_out(self, message: Say | Like | Sync | Command) -> None:
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
            case Command():
                present_ms = gateway.uptime_ms() - self._joined_ms
                caller = Caller(identity, room.ref, self._conn, self._address, present_ms)
                gateway.desk.submit(self, caller, message, spawn=gateway.spawn)

    # The socket.

    def _leave(self) -> None:
        if self._room is not None:
            self.gateway.hub.leave(self._room, self)
            self.gateway.deliveries.leave(self._room, self)
            self.gateway.desk.left(self._conn)
            self._room = None

    def _start_closing(self, code: int) -> None:
        self._closing = True
        self._leave()
        self.gateway.counters.count_close(code)
        if self._transport is not None and not self._transport.is_reading():
            self._transport.resume_reading()
        self._cut_later()

    def _cut_later(self) -> None:
        """Bound how long a close waits for the client, or for a full buffer to empty."""
        if self._linger is None:
            self._linger = self._loop.call_later(self.gateway.limits.close_linger_s, self._cut)

    def _flush_wire(self) -> None:
        """Send what the sans-I/O side has to say; its end mark half-closes the socket."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        wire = self._wire
        for data in wire.data_to_send():
            if data:
                transport.write(data)
            elif wire.close_rcvd is not None or wire.close_sent is None:
                transport.close()
                self._cut_later()
            else:
                # The client may still be sending: closing now would reset the connection, and
                # the client would never read the close code.
                if not self._closing:
                    self._start_closing(wire.close_sent.code)
                transport.write_eof()
                return
        if not self._closing and self._greeted and wire.state is not OPEN:
            self._closing = True
            self._leave()

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def connection_class(gateway: Gateway) -> type[Connection]:
    """Make the protocol class that `uvicorn.Config(ws=…)` takes, bound to `gateway`."""
    return type("GatewayConnection", (Connection,), {"gateway": gateway, "__slots__": ()})
