"""Define the refusal that a command may answer, and every code realtime itself answers with.

A code, once published, keeps its meaning; the table below is what the documentation is tested
against.
"""

from __future__ import annotations

from typing import Any

import msgspec


class ErrorCode(msgspec.Struct, frozen=True):
    """One published error code: what it means and whether the same request may succeed later."""

    meaning: str
    retryable: bool


ERROR_CODES: dict[str, ErrorCode] = {
    "bad_frame": ErrorCode("The frame is not a JSON array of the documented shape.", False),
    "unknown_type": ErrorCode("The first element of the frame is not a known type.", False),
    "unknown_command": ErrorCode("No command has this name.", False),
    "sign_in_required": ErrorCode("Read-only visitors cannot do this.", False),
    "too_many_in_flight": ErrorCode("Too many commands wait for an answer.", True),
    "overloaded": ErrorCode("The process has no room for another command.", True),
    "unknown_outcome": ErrorCode("The outcome is not known; retry with the same key.", True),
    "internal": ErrorCode("The server failed; the failure is in its log.", True),
    "slow_down": ErrorCode("More than one line a second, after a burst of three.", True),
    "slow_mode": ErrorCode("The room's slow mode lets an author wait between two lines.", True),
    "emote_only": ErrorCode("The room takes only emoji at present.", False),
    "links_off": ErrorCode("The room takes no links at present.", False),
    "muted": ErrorCode("The user is muted in this room.", True),
    "empty_line": ErrorCode("The chat line has no visible character.", False),
    "too_long": ErrorCode("The chat line is longer than the limit in `limits`.", False),
    "duplicate": ErrorCode("The user has just said the same.", True),
}


class RealtimeError(Exception):
    """Root of the exceptions that realtime raises."""


class CommandError(RealtimeError):
    """An expected refusal of a command; it becomes the `["e",id,{…}]` frame of its caller.

    `retry_ms` is the soonest moment, from now, at which a retry makes sense.
    """

    def __init__(
        self,
        code: str,
        message: str,
        retryable: bool = False,
        *,
        retry_ms: int | None = None,
        detail: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_ms = retry_ms
        self.detail = detail
        self.encoded: bytes | None = None
        """Its JSON, once it was told: one refusal may be told to thousands."""


def refuse(code: str, message: str | None = None, *, retry_ms: int | None = None) -> CommandError:
    """Build the refusal for a code of `ERROR_CODES`, with the table's sentence by default."""
    known = ERROR_CODES[code]
    return CommandError(code, message or known.meaning, known.retryable, retry_ms=retry_ms)
