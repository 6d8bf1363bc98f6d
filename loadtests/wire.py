"""One WebSocket over one blocking socket, for a greenlet to read and others to write.

`websockets` is used without its threads: its sans-I/O `ClientProtocol` on a plain socket. Under
gevent that costs one `recv` for all frames of a tick; `websockets.sync` would start a thread for
every connection, and `websocket-client` reads each frame with three calls.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidState
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

CONNECT_TIMEOUT_S = 10.0
RECEIVE_BYTES = 64 * 1024
SUBPROTOCOL = Subprotocol("hubbub.v1.json")


class WireClosedError(ConnectionError):
    """The connection is over; `code` is the close code, None when it broke without one."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class Wire:
    """A connected WebSocket. Opening raises OSError or InvalidHandshake."""

    def __init__(self, url: str, *, token: str | None) -> None:
        address = urlsplit(url)
        self._protocol = ClientProtocol(
            parse_uri(url), subprotocols=[SUBPROTOCOL], max_size=4 * 1024 * 1024
        )
        self._socket = socket.create_connection(
            (address.hostname or "", address.port or 80), CONNECT_TIMEOUT_S
        )
        # A frame that does not fit into the socket at once must not be cut by another greenlet's.
        self._sending = threading.Lock()
        self._fragments: list[bytes] = []
        self._unread: list[str] = []
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._shake_hands(token)
            self._socket.settimeout(None)
        except BaseException:
            self._socket.close()
            raise

    def send(self, text: str) -> None:
        """Send one text frame; raises WireClosedError on a closed connection."""
        try:
            self._protocol.send_text(text.encode())
            self._flush()
        except (InvalidState, OSError):
            raise WireClosedError(self._close_code()) from None

    def receive(self) -> list[str]:
        """Wait for data and return the messages it completed, perhaps none."""
        if self._unread:
            unread, self._unread = self._unread, []
            return unread
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except OSError:
            data = b""
        messages = self._feed(data)
        if not data and not messages:
            raise WireClosedError(self._close_code())
        return messages

    def cut(self) -> None:
        """Break the connection without a word, as a lost network does."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def close(self) -> None:
        """Say goodbye and close."""
        try:
            self._protocol.send_close(1000)
            self._flush()
        except (InvalidState, OSError):
            pass
        finally:
            self.cut()

    def free(self) -> None:
        """Give the socket back; the reader calls it when it is done."""
        self._socket.close()

    def _shake_hands(self, token: str | None) -> None:
        request = self._protocol.connect()
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        self._protocol.send_request(request)
        self._flush()
        while True:
            data = self._socket.recv(RECEIVE_BYTES)
            self._unread += self._feed(data)
            if self._protocol.handshake_exc is not None:
                raise self._protocol.handshake_exc
            if self._protocol.state.name != "CONNECTING":
                return
            if not data:
                raise InvalidHandshake("the server closed before it answered")

    def _feed(self, data: bytes) -> list[str]:
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        messages = list(self._messages())
        try:
            self._flush()
        except OSError:
            return messages
        return messages

    def _messages(self) -> Iterator[str]:
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                continue
            if isinstance(event, Frame) and event.opcode in {Opcode.TEXT, Opcode.CONT}:
                self._fragments.append(bytes(event.data))
                if event.fin:
                    yield b"".join(self._fragments).decode()
                    self._fragments = []

    def _flush(self) -> None:
        with self._sending:
            data = b"".join(self._protocol.data_to_send())
            if data:
                self._socket.sendall(data)

    def _close_code(self) -> int | None:
        received = self._protocol.close_rcvd
        return None if received is None else received.code
