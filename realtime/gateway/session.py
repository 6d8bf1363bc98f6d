"""Turn a client's messages into effects, without touching a socket, a clock or a task.

The session knows what one connection may do now: its pace, its open commands, its mistakes. The
connection carries the effects out. `at_ms` is a clock that never jumps.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from realtime.gateway.limits import GatewayLimits
from realtime.protocol.close_codes import CloseCode
from realtime.protocol.errors import CommandError, refuse
from realtime.protocol.messages import (
    LIKES_MAX,
    BadFrameError,
    Beat,
    ClientId,
    Command,
    Drawn,
    Inbound,
    Like,
    Say,
    Sync,
    Visible,
    build_error,
    parse_inbound,
)


class Reply(msgspec.Struct, frozen=True):
    """Write this payload to the client."""

    payload: bytes


class Close(msgspec.Struct, frozen=True):
    """Close the connection."""

    code: CloseCode
    reason: str


class Nothing(msgspec.Struct, frozen=True):
    """There is nothing to do."""


class TellTime(msgspec.Struct, frozen=True):
    """Answer the built-in command `time`."""

    id: ClientId


Effect = Reply | Close | TellTime | Say | Like | Command | Sync | Drawn | Visible | Nothing

_MINUTE_MS = 60_000


class Session:
    """One connection's inbound side; `signed_in` says whether its user may write."""

    __slots__ = (
        "_frames",
        "_frames_at_ms",
        "_in_flight",
        "_likes",
        "_likes_at_ms",
        "_limits",
        "_signed_in",
        "_sync_from_ms",
        "_syncs",
        "bad_frames",
        "heard_ms",
    )

    def __init__(self, limits: GatewayLimits, *, signed_in: bool, at_ms: int) -> None:
        self._limits = limits
        self._signed_in = signed_in
        self._frames = float(limits.frames_burst)
        self._frames_at_ms = at_ms
        self.bad_frames = 0
        """Messages refused so far."""
        self._in_flight = 0
        self._likes = float(limits.likes_burst)
        self._likes_at_ms = at_ms
        self._syncs = 0
        self._sync_from_ms = at_ms
        self.heard_ms = at_ms
        """When the client last gave a sign of life."""

    def receive(self, data: bytes, *, is_text: bool, at_ms: int) -> Effect:
        """Take in one whole message and say what to do about it."""
        self.heard_ms = at_ms
        if not self.may_send(at_ms):
            return Close(CloseCode.FLOOD, "too many frames")
        try:
            if not is_text:
                raise BadFrameError(refuse("bad_frame", "Frames are text."))
            message = parse_inbound(data)
        except BadFrameError as error:
            self.bad_frames += 1
            if self.bad_frames > self._limits.bad_frames_max:
                return Close(CloseCode.PROTOCOL, "too many bad frames")
            return Reply(build_error(error.client_id, error.refusal))
        return self._admit(message, at_ms)

    def command_done(self) -> None:
        """Note that a command was answered."""
        self._in_flight -= 1

    def forgive_frame(self) -> None:
        """Give back what one frame cost: it was asked for, as often as there is news."""
        self._frames = min(float(self._limits.frames_burst), self._frames + 1)

    def may_send(self, at_ms: int) -> bool:
        """Count one frame and say whether it is within the pace of a person."""
        gained = max(0, at_ms - self._frames_at_ms) * self._limits.frames_per_s / 1000
        self._frames = min(float(self._limits.frames_burst), self._frames + gained) - 1
        self._frames_at_ms = at_ms
        return self._frames >= 0

    def _admit(self, message: Inbound, at_ms: int) -> Effect:
        match message:
            case Command():  # The first, as a crowd sends thousands at once.
                return self._admit_command(message, at_ms)
            case Beat():
                return Nothing()
            case Drawn() | Visible():
                return message
            case Sync():
                return self._admit_sync(message, at_ms)
            case Say():
                return message if self._signed_in else _refusal(message.id, "sign_in_required")
            case Like():
                return self._admit_likes(message, at_ms)
            case _:
                assert_never(message)

    def _admit_likes(self, message: Like, at_ms: int) -> Effect:
        if not self._signed_in:
            return _refusal(None, "sign_in_required")
        gained = max(0, at_ms - self._likes_at_ms) * self._limits.likes_per_s / 1000
        self._likes = min(float(self._limits.likes_burst), self._likes + gained)
        self._likes_at_ms = at_ms
        count = min(message.count, LIKES_MAX, int(self._likes))
        self._likes -= count
        return Like(count) if count else Nothing()

    def _admit_sync(self, message: Sync, at_ms: int) -> Effect:
        if at_ms - self._sync_from_ms >= _MINUTE_MS:
            self._sync_from_ms, self._syncs = at_ms, 0
        self._syncs += 1
        if self._syncs > self._limits.syncs_per_minute:
            return _refusal(None, "slow_down", self._sync_from_ms + _MINUTE_MS - at_ms)
        return message

    def _admit_command(self, message: Command, at_ms: int) -> Effect:
        if message.command == "time":
            return TellTime(message.id)
        if not self._signed_in:
            return _refusal(message.id, "sign_in_required")
        if self._in_flight >= self._limits.commands_in_flight_max:
            return _refusal(message.id, "too_many_in_flight")
        self._in_flight += 1
        return message


def _refusal(client_id: ClientId, code: str, retry_ms: int | None = None) -> Reply:
    error: CommandError = refuse(code, retry_ms=retry_ms)
    return Reply(build_error(client_id, error))
