"""The one root of the errors that commerce raises: a stable code, and what to do about it.

Commerce knows no HTTP status; `server/routes/errors.py` maps codes to statuses.
"""

from __future__ import annotations

from typing import Any


class CommerceError(Exception):
    """A refusal or a fault with a stable `code`.

    `message` is English for developers (pages translate the code), `retryable` says whether
    the same call may succeed later, `retry_ms` when, `detail` is JSON-ready data.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        detail: dict[str, Any] | None = None,
        retry_ms: int | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable
        self.detail = detail
        self.retry_ms = retry_ms


def not_found(what: str) -> CommerceError:
    """Return the error for a thing that is not there, or not this person's to see."""
    return CommerceError("not_found", f"There is no such {what}.")


def forbidden(what: str) -> CommerceError:
    """Return the error for an act that this person's role does not allow."""
    return CommerceError("forbidden", what)


def invalid(message: str, **detail: Any) -> CommerceError:
    """Return the error for input of the right shape but an impossible value."""
    return CommerceError("invalid_request", message, detail=detail or None)
