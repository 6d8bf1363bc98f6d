"""Serve one WebSocket: uvicorn hands over the socket, `Wire` parses, we write whole frames.

There is no task, queue or ASGI message per connection: what arrives waits for its turn in the
gateway's `Inbox`, what leaves goes straight to the transport. The listener should set
`TCP_NOTSENT_LOWAT` (16 KiB): otherwise the kernel swallows megabytes before the write buffer, and
with it the flow control here, sees a slow reader.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, cast

from realtime.gateway.gateway import Gateway
from realtime.gateway.handshake import Admitted, Forbidden, Rejected, judge_request
from realtime.gateway.member import BACK_OFF_RETRY_MS
from realtime.gateway.reading import ReadingMember
from realtime.gateway.session import Session
from realtime.gateway.wire import OPEN, InvalidState, Request
from realtime.protocol.close_codes import CloseCode
from realtime.protocol.codec import frame_text
from realtime.protocol.messages import build_goodbye
from realtime.recovery.rules import Position
from realtime.rooms.ladder import Rung
from realtime.rooms.room import Room


class Connection(ReadingMember):
    """One client. Implements `Member` towards its room and `Asker` towards the command desk."""

    __slots__ = ("_linger", "_position", "_server_state")

    def __init__(
        self,
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(_loop or asyncio.get_running_loop())
        self._server_state = server_state
        self._position: Position | None = None
        self._linger: asyncio.TimerHandle | None = None

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
        self._transport = None
        self.read_arrived()
        self._closing = True
        self._leave()
        self._note_resumed()
        if self._linger is not None:
            self._linger.cancel()
        self._server_state.connections.discard(self)
        self.gateway.counters.connections_open -= 1

    def eof_received(self) -> None:
        """Let the transport close: the client will say no more."""
        self.read_arrived()

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
