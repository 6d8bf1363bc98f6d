"""Remember when each author of a room last spoke, whichever process heard it, for slow mode.

Invariant: nobody is remembered longer than slow mode asks for, so a room holds at most the
authors of that time.
"""

from __future__ import annotations

from collections.abc import Iterable


class LastSpoke:
    """Authors in the order in which they last spoke."""

    def __init__(self) -> None:
        self._at_ms: dict[str, int] = {}

    def note(self, authors: Iterable[tuple[str, int]], *, slow_s: int) -> None:
        """Note (user id, at_ms) of lines just heard; with slow mode off, forget everybody."""
        if not slow_s:
            self._at_ms.clear()
            return
        newest_ms = 0
        for user_id, at_ms in authors:
            self._at_ms[user_id] = max(at_ms, self._at_ms.pop(user_id, 0))
            newest_ms = max(newest_ms, at_ms)
        while self._at_ms:
            longest_silent = next(iter(self._at_ms))
            if self._at_ms[longest_silent] > newest_ms - slow_s * 1000:
                break
            del self._at_ms[longest_silent]

    def at_ms(self, user_id: str) -> int:
        """Return when a user last spoke here; 0 when that is long ago or never was."""
        return self._at_ms.get(user_id, 0)
