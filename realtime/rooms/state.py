"""Conflate a room's state lane: one newest value per key, with versions that only go up.

Versions are this process's own count of changes, so `since` answers "what changed after then".
"""

from __future__ import annotations

from typing import Any

Versioned = dict[str, tuple[int, Any]]


class StateLane:
    """The values of one room's state keys."""

    def __init__(self) -> None:
        self._values: Versioned = {}
        self._dirty: set[str] = set()
        self.version = 0

    def put(self, key: str, value: Any) -> bool:
        """Set a value; return whether it changed."""
        known = self._values.get(key)
        if known is not None and known[1] == value:
            return False
        self.version += 1
        self._values[key] = (self.version, value)
        self._dirty.add(key)
        return True

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
