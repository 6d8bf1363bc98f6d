"""uvicorn's HTTP protocol with an end to every request: how long its head is, and how slow it is.

Invariant: a client that never finishes a request holds a bounded amount of memory for a bounded
time; httptools itself would gather a head without end, and wait for the rest of it for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Cookies and a long address fit ten times over; what arrives in one read is not counted.
HEAD_BYTES_MAX = 65_536
# The largest body that is read, 64 KiB, takes 17 s over the slowest of phone lines.
REQUEST_S_MAX = 20.0
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


class BoundedHttp(HttpToolsProtocol):
    """One HTTP connection; it becomes the gateway's own protocol when it is upgraded."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_in_head = True
        self._has_begun = False
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take over the socket; who says nothing at all is let go too."""
        super().connection_made(transport)
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the deadline."""
        self._forget_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived; refuse a head that is still not complete and too long already."""
        self._has_begun = False
        super().data_received(data)
        if not self._is_in_head or self._has_begun:
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self.transport.write(TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """Start the clock of a request."""
        self._is_in_head = self._has_begun = True
        self._expect_request()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note the end of the head; a body is counted where it is read."""
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop the clock: from here on the time is ours."""
        self._forget_deadline()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the socket over, with no clock of ours running."""
        self._is_in_head = False
        self._forget_deadline()
        super().handle_websocket_upgrade()

    def _expect_request(self) -> None:
        self._forget_deadline()
        self._deadline = self.loop.call_later(REQUEST_S_MAX, self._give_up)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        self.transport.abort()
