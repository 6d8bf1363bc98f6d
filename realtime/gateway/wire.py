"""Speak RFC 6455 without a socket: `websockets`' server side, set up for our clients.

The only file that imports websockets; what a connection needs of it is named here.
"""

from __future__ import annotations

import logging
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

log = logging.getLogger(__name__)
# `websockets` tells of every open and close; counters say it more cheaply.
log.setLevel(logging.WARNING)


class Wire(ServerProtocol):
    """The sans-I/O protocol, closing with our stable code for oversized or malformed frames."""

    def __init__(self, *, frame_bytes_max: int, is_packing_offered: bool) -> None:
        super().__init__(
            max_size=frame_bytes_max,
            logger=log,
            extensions=[_PACKING] if is_packing_offered else None,
        )

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
