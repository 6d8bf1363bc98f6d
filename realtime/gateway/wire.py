"""Speak RFC 6455 without a socket: `websockets`' server side, set up for our clients.

The only file that imports websockets; what a connection needs of it is named here.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from zlib import MAX_WBITS

from websockets.exceptions import InvalidState
from websockets.extensions.permessage_deflate import (
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.speedups import apply_mask
from websockets.streams import StreamReader

from realtime.protocol.close_codes import CloseCode

__all__ = ["CONTROL", "OPEN", "Frame", "InvalidState", "Opcode", "Request", "Response", "Wire"]

CONTROL = frozenset({Opcode.PING, Opcode.PONG, Opcode.CLOSE})
# websockets fails a connection with RFC 6455 codes; our clients know one code for a broken client.
_BROKEN_CLIENT = {1002, 1007, 1009}
# No context is kept between messages, neither here, where it would cost 64 KB and more a
# connection, nor there: only so can all viewers be given the same compressed bytes.
_PACKING = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True, client_no_context_takeover=True
)

# The first byte of a whole, uncompressed text frame; the second says its length, and the mask bit.
_WHOLE_TEXT = 0x81
_MASKED = 0x80
_LENGTH_OF_TWO_BYTES = 126
_MASK_BYTES = 4

log = logging.getLogger(__name__)
# `websockets` tells of every open and close; counters say it more cheaply.
log.setLevel(logging.WARNING)


class _Reader(StreamReader):
    """The library's buffer, which knows whether the parser waits for the first byte of a frame."""

    is_between_frames = False

    def at_eof(self) -> Generator[None, None, bool]:
        """Wait for the first byte of a frame, or for the end."""
        self.is_between_frames = True
        is_end = yield from super().at_eof()
        self.is_between_frames = False
        return is_end


class Wire(ServerProtocol):
    """The sans-I/O protocol, closing with our stable code for oversized or malformed frames."""

    def __init__(self, *, frame_bytes_max: int, is_packing_offered: bool) -> None:
        super().__init__(
            max_size=frame_bytes_max,
            logger=log,
            extensions=[_PACKING] if is_packing_offered else None,
        )
        # As the library does: its parser begins with the buffer that it will read.
        self.reader: _Reader = _Reader()
        self.parser = self.parse()
        next(self.parser)
        self._frame_bytes_max = frame_bytes_max

    def read_whole_text(self, data: bytes) -> bytes | None:
        """Return the message when `data` is one whole plain text frame, as nearly always; or None.

        Then nothing has been read, and `receive_data` takes the same bytes. The parser makes a
        dozen objects of every frame; for what people press and say there is this short way.
        """
        size_bytes = len(data)
        if size_bytes < 2 or data[0] != _WHOLE_TEXT or self.current_size is not None:
            return None
        mask_at, length = 2, data[1] - _MASKED
        if length == _LENGTH_OF_TWO_BYTES and size_bytes >= 4:
            mask_at, length = 4, data[2] << 8 | data[3]
        text_at = mask_at + _MASK_BYTES
        if (
            length < 0
            or size_bytes != text_at + length
            or length > self._frame_bytes_max
            or not self.reader.is_between_frames
            or self.state is not OPEN
        ):
            return None
        return apply_mask(data[text_at:], data[mask_at:text_at])

    @property
    def takes_shared_packing(self) -> bool:
        """Whether the client negotiated compression, with the full window that `Blob` uses."""
        return any(
            isinstance(extension, PerMessageDeflate)
            and extension.local_no_context_takeover
            and extension.local_max_window_bits == MAX_WBITS
            for extension in self.extensions
        )

    def fail(self, code: int, reason: str = "") -> None:
        """Fail the connection as RFC 6455 says, with 4009 where the client broke the protocol."""
        super().fail(CloseCode.PROTOCOL if code in _BROKEN_CLIENT else code, reason)
