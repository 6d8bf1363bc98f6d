"""Name every WebSocket close code that the gateway sends.

The range tells the client what to do next: 4000-4099 do not come back, 4100-4199 back off,
4200-4299 come back at `retry_ms`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

NextStep = Literal["stay_away", "back_off", "come_back"]


class CloseCode(IntEnum):
    """A reason to close a connection, as sent in the WebSocket close frame."""

    BAD_TOKEN = 4001
    BANNED = 4003
    NO_SUCH_ROOM = 4004
    PROTOCOL = 4009
    TOO_SLOW = 4108
    IDLE = 4110
    OVERLOADED = 4113
    FLOOD = 4129
    DRAINING = 4200
    TOKEN_EXPIRED = 4201


CLOSE_MEANINGS: dict[CloseCode, str] = {
    CloseCode.BAD_TOKEN: "The token is forged, expired or malformed.",
    CloseCode.BANNED: "The user is banned from the room.",
    CloseCode.NO_SUCH_ROOM: "There is no room at this path.",
    CloseCode.PROTOCOL: "The client broke the protocol: version, frame size, encoding or syntax.",
    CloseCode.TOO_SLOW: "The client did not read for too long, or too much was waiting for it.",
    CloseCode.IDLE: "Nothing was heard from the client, not even an answer to a ping.",
    CloseCode.OVERLOADED: "The process has no room for the connection, or cannot read the room.",
    CloseCode.FLOOD: "The client sent more frames than any person can.",
    CloseCode.DRAINING: "The process is going away; the goodbye frame says when to come back.",
    CloseCode.TOKEN_EXPIRED: "The token ran out; come back with a fresh one.",
}


def next_step(code: int) -> NextStep:
    """Say what a client does after `code`: stay away, back off, or come back at `retry_ms`."""
    if 4000 <= code <= 4099:
        return "stay_away"
    if 4200 <= code <= 4299:
        return "come_back"
    return "back_off"
