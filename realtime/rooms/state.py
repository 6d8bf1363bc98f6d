"""Conflate a room's state lane: one newest value per key, with versions that only go up.

Versions are this process's own count of changes, so `since` answers "what changed after then".
"""

from __future__ import annotations

from typing import Any

# A room shows some dozens of things that come and go; who was away for longer than so many of them
# went begins with a snapshot, or has cards whose time is over. Without a limit everybody who comes
# back would be told of every team that ever was.
GONE_MAX = 500

Versioned = dict[str, tuple[int, Any]]


class StateLane:
    """The values of one room's state keys."""

    def __init__(self) -> None:
        self._values: Versioned = {}
        self._dirty: set[str] = set()
        self._gone: dict[str, None] = {}
        self.version = 0

    def put(self, key: str, value: Any) -> bool:
        """Set a value, None for one that is gone; return whether it changed."""
        if self.get(key) == value:
            return False
        self.version += 1
        self._values[key] = (self.version, value)
        self._dirty.add(key)
        self._gone.pop(key, None)
        if value is None:
            self._gone[key] = None
            self._forget()
        return True

    def _forget(self) -> None:
        """Let the keys go that were gone first, but for those that nobody was told of yet."""
        while len(self._gone) > GONE_MAX:
            oldest = next(iter(self._gone))
            if oldest in self._dirty:
                return
            del self._gone[oldest], self._values[oldest]

    def get(self, key: str) -> Any:
        """Return the newest value; None when it was never set."""
        known = self._values.get(key)
        return None if known is None else known[1]

    def take_changes(self) -> Versioned:
        """Return what changed since the last call."""
        changes = {key: self._values[key] for key in self._dirty}
        self._dirty.clear()
        return changes

    def since(self, version: int) -> Versioned:
        """Return every value that changed after `version`; 0 returns all."""
        return {key: value for key, value in self._values.items() if value[0] > version}
