"""One WebSocket connection, down to its frames: what a library hides is part of the contract.

Invariant: every frame that arrives is handed on; the library's sans-I/O half parses and answers
pings, and nothing here decides what is right.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping

import msgspec
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidState, InvalidStatus
from websockets.frames import Frame
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

CONNECT_TIMEOUT_S = 30.0
RECEIVE_BYTES = 64 * 1024
# A room's whole state is some ten kilobytes; this bounds a server that has gone wrong.
FRAME_BYTES_MAX = 16 * 1024 * 1024


class HandshakeRefusedError(Exception):
    """The upgrade was answered with an HTTP status other than 101."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


class Opening(msgspec.Struct, frozen=True):
    """How to open a connection."""

    url: str
    headers: Mapping[str, str] = {}
    subprotocols: tuple[str, ...] = ()


class WebSocket:
    """A connected WebSocket; make one with `open_websocket`."""

    def __init__(
        self, protocol: ClientProtocol, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.protocol = protocol
        self._reader = reader
        self._writer = writer

    @property
    def close_code(self) -> int | None:
        """The code of the close frame that came; None without one."""
        received = self.protocol.close_rcvd
        return None if received is None else int(received.code)

    def send_text(self, data: bytes) -> None:
        """Send one text frame."""
        self.protocol.send_text(data)
        self.flush()

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are, past everything that would keep them sound."""
        self._writer.write(data)

    def flush(self) -> None:
        """Send what the sans-I/O side has to say."""
        for data in self.protocol.data_to_send():
            if data:
                self._writer.write(data)

    async def receive(self) -> list[Frame]:
        """Wait for data and return the frames it completed; raises EOFError at the end."""
        data = await self._reader.read(RECEIVE_BYTES)
        if data:
            self.protocol.receive_data(data)
        else:
            self.protocol.receive_eof()
        frames = [event for event in self.protocol.events_received() if isinstance(event, Frame)]
        # When the other side has gone, what it said before still counts.
        with contextlib.suppress(InvalidState, OSError):
            self.flush()
        if not data and not frames:
            raise EOFError
        return frames

    def close(self, code: int = 1000) -> None:
        """Send a close frame, unless one was sent."""
        if self.protocol.close_sent is None:
            self.protocol.send_close(code)
        self.flush()

    def cut(self) -> None:
        """Break the connection without a word."""
        self._writer.close()


async def open_websocket(opening: Opening) -> WebSocket:
    """Connect; raises OSError, InvalidHandshake or HandshakeRefusedError."""
    uri = parse_uri(opening.url)
    protocol = ClientProtocol(
        uri,
        subprotocols=[Subprotocol(name) for name in opening.subprotocols] or None,
        max_size=FRAME_BYTES_MAX,
    )
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        reader, writer = await asyncio.open_connection(
            uri.host, uri.port, ssl=ssl.create_default_context() if uri.secure else None
        )
        connection = WebSocket(protocol, reader, writer)
        try:
            request = protocol.connect()
            for name, value in opening.headers.items():
                request.headers[name] = value
            protocol.send_request(request)
            connection.flush()
            await _shake_hands(protocol, reader)
        except BaseException:
            writer.close()
            raise
    return connection


async def _shake_hands(protocol: ClientProtocol, reader: asyncio.StreamReader) -> None:
    """Read byte by byte up to the end of the answer, so that no frame is swallowed."""
    head = await reader.readuntil(b"\r\n\r\n")
    protocol.receive_data(head)
    if protocol.handshake_exc is None and protocol.state.name == "CONNECTING":
        # A refusal with a body: its status is all we want.
        protocol.receive_eof()
    protocol.events_received()
    failure = protocol.handshake_exc
    if isinstance(failure, InvalidStatus):
        raise HandshakeRefusedError(failure.response.status_code)
    if failure is not None:
        status = head.split(b" ", 2)[1]
        if status.isdigit() and int(status) != 101:
            raise HandshakeRefusedError(int(status))
        raise failure
    if protocol.state.name != "OPEN":
        raise InvalidHandshake("the server did not answer the upgrade")
