"""What a name may be, and when guessing passwords has to wait."""

from __future__ import annotations

import unicodedata

from commerce.kernel.errors import invalid
from commerce.members.accounts.model import Failures

NAME_CHARS_MAX = 24
# Failures age out of this window; a person who forgot a password waits at most this long.
THROTTLE_WINDOW_MS = 15 * 60_000
# From one address: enough for typing errors and a few honest logins in flight …
FAILURES_OF_LOGIN_MAX = 10
# … and for an office behind one address, but not for a list of passwords.
FAILURES_OF_ADDRESS_MAX = 50

# Control characters, halves of characters, separators of lines, and what is not assigned.
REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
# Marks that turn the direction of the text around them, beyond the name's end.
DIRECTION_MARKS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
VISIBLE_GROUPS = frozenset("LNPS")


def decide_name(raw: str) -> str:
    """Return the name as it is kept: composed (NFC) and trimmed, 1 to 24 characters.

    Raises `invalid_request` for a name that is empty, long, invisible or not plain text.
    """
    name = unicodedata.normalize("NFC", raw).strip()
    if not 1 <= len(name) <= NAME_CHARS_MAX:
        raise invalid(f"A name has 1 to {NAME_CHARS_MAX} characters.", field="name")
    categories = {unicodedata.category(char) for char in name}
    if categories & REFUSED_CATEGORIES or DIRECTION_MARKS & set(name):
        raise invalid("A name has no control characters.", field="name")
    if not VISIBLE_GROUPS & {category[0] for category in categories}:
        raise invalid("A name needs a character that can be seen.", field="name")
    return name


def decide_wait_ms(failures: Failures) -> int | None:
    """Return how long this login from this address must wait, or None when it may try.

    It waits until enough failures have left the window to be below the limit again.
    """
    waits = [
        times[-limit] + THROTTLE_WINDOW_MS - failures.now_ms
        for times, limit in (
            (failures.of_login, FAILURES_OF_LOGIN_MAX),
            (failures.of_address, FAILURES_OF_ADDRESS_MAX),
        )
        if len(times) >= limit
    ]
    return max(1, *waits) if waits else None
