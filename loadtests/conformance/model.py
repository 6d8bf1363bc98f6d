"""What a check is, and what it can answer.

Invariant: a check passes, fails with what was expected and what came, or says why it does not
apply; nothing is skipped in silence.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from loadtests.conformance.stage import Stage

# More of an answer than this says no more to a person.
SHOWN_CHARS_MAX = 400

Verdict = Literal["pass", "fail", "not_applicable"]
Run = Callable[["Stage"], Awaitable[None]]


class MismatchError(Exception):
    """The server did not do what the contract says."""

    def __init__(self, expected: str, came: object) -> None:
        self.expected = expected
        self.came = shorten(came)
        super().__init__(f"expected {self.expected}; came {self.came}")


class NotApplicableError(Exception):
    """The check cannot be made here; the text says why."""


class UsageError(Exception):
    """The kit was called wrongly, or the address is out of reach; the text is for a person."""


class Check(msgspec.Struct, frozen=True):
    """One sentence of the contract, with the code that checks it.

    `name` is stable and begins with the family; `section` is a heading of `docs/protocol.md`.
    One that needs the host is not begun without a host login.
    """

    name: str
    section: str
    says: str
    run: Run
    needs_host: bool = False

    @property
    def family(self) -> str:
        """The part of the contract it belongs to; checks of one family run one after another."""
        return self.name.partition(".")[0]


class Outcome(msgspec.Struct, frozen=True):
    """What one check found; `reason` is set for a check that does not apply."""

    name: str
    section: str
    says: str
    verdict: Verdict
    took_ms: int
    expected: str | None = None
    came: str | None = None
    reason: str | None = None


def check(
    name: str, section: str, says: str, *, needs_host: bool = False
) -> Callable[[Run], Check]:
    """Make a check of the function below."""

    def made(run: Run) -> Check:
        return Check(name, section, says, run, needs_host)

    return made


def require(is_so: bool, expected: str, came: object) -> None:
    """Raise MismatchError unless what the contract says is so."""
    if not is_so:
        raise MismatchError(expected, came)


def shorten(value: object) -> str:
    """Return a value as a person wants to read it: as JSON where it can be, and not too long."""
    text = value if isinstance(value, str) else _as_json(value)
    return text if len(text) <= SHOWN_CHARS_MAX else f"{text[:SHOWN_CHARS_MAX]}…"


def _as_json(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError):
        return repr(value)
