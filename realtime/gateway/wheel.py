"""Remember what is due when, for thousands of connections, with one turn a second.

Pure: the owner turns the wheel. Scheduling and turning cost O(1) an item.
"""

from __future__ import annotations

from typing import Generic, TypeVar

Item = TypeVar("Item")


class TimingWheel(Generic[Item]):
    """Items in slots of one second."""

    def __init__(self, now_s: int) -> None:
        self._slots: dict[int, list[Item]] = {}
        self._turned_s = now_s

    def schedule(self, item: Item, due_s: int) -> None:
        """Make `item` due at `due_s`, or at the next turn when that is past."""
        self._slots.setdefault(max(due_s, self._turned_s + 1), []).append(item)

    def turn(self, now_s: int) -> list[Item]:
        """Take out everything due up to `now_s`."""
        due: list[Item] = []
        if now_s - self._turned_s > len(self._slots):
            # The clock jumped or the loop slept: look at the slots there are, not at each second.
            for second in sorted(second for second in self._slots if second <= now_s):
                due.extend(self._slots.pop(second))
        else:
            for second in range(self._turned_s + 1, now_s + 1):
                due.extend(self._slots.pop(second, ()))
        self._turned_s = max(self._turned_s, now_s)
        return due
