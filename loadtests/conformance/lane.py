"""Watch one connection's lanes and note whatever the contract forbids.

Invariant: what is noted is a sentence for a person; nothing is repaired. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from loadtests.conformance.matching import find_mismatch
from loadtests.conformance.shapes import EVENTS, FRAMES

Event = tuple[str, Any, int]


class LaneWatch:
    """One connection's frames, in order. `position` is what the client came with."""

    def __init__(self, position: tuple[str, int] | None = None) -> None:
        self.epoch = None if position is None else position[0]
        self.offset = None if position is None else position[1]
        self.events: dict[int, Event] = {}
        self.state: dict[str, Any] | None = None
        """What the last `Z` told."""
        self.values: dict[str, tuple[int, Any]] = {}
        """The state lane: version and value of each key."""
        self.shape_problems: list[str] = []
        self.sale_problems: list[str] = []
        self.state_problems: list[str] = []
        self._is_greeted = False
        self._rewound_to: list[int] = []
        """Where answers to what was asked again may begin; one that was used is gone."""

    @property
    def position(self) -> tuple[str, int]:
        """Where a client comes back with; valid after the first `Z` or replayed hello."""
        assert self.epoch is not None
        assert self.offset is not None
        return self.epoch, self.offset

    def stock(self, sale: str) -> list[int] | None:
        """Return a sale's stock as a client shows it: the newest told, else the last `Z`'s."""
        told = self.values.get(f"stock:{sale}")
        if told is not None:
            return list(told[1])
        sales = (self.state or {}).get("sales", [])
        return next((list(one["stock"]) for one in sales if one["id"] == sale), None)

    def rewind(self, offset: int) -> None:
        """Expect that what came after `offset` may be told again, because it was asked for."""
        self._rewound_to.append(offset)

    def take(self, parts: list[Any]) -> None:
        """Take in one frame; types that are not documented are ignored."""
        kind = parts[0]
        shape = FRAMES.get(kind)
        if not self._is_greeted and kind not in {"h", "b"}:
            self.shape_problems.append(f"a {kind!r} frame came before the hello")
        if shape is None:
            return
        if problem := find_mismatch(parts, shape):
            self.shape_problems.append(f"{kind} frame: {problem}")
            return
        match kind:
            case "h":
                self._take_hello(parts[1])
            case "Z":
                self._take_snapshot(parts[1], parts[2], parts[3])
            case "S":
                self._take_events(parts[1], parts[2])
            case "K":
                self._take_values(parts[2])

    def _take_hello(self, hello: dict[str, Any]) -> None:
        if self._is_greeted:
            self.shape_problems.append("a second hello came")
        self._is_greeted = True
        self.values = {}
        if hello["rec"] != "replayed":
            # A snapshot follows; until then nothing counts.
            self.epoch = self.offset = None
        elif hello["epoch"] != self.epoch:
            self.sale_problems.append(f"replayed from epoch {self.epoch} into {hello['epoch']}")

    def _take_snapshot(self, epoch: str, offset: int, state: dict[str, Any]) -> None:
        self.epoch, self.offset, self.state = epoch, offset, state

    def _take_events(self, first: int, events: Sequence[Any]) -> None:
        if self.offset is None:
            self.sale_problems.append(f"S {first} came before a Z or a replayed hello")
            return
        if not events:
            self.sale_problems.append(f"S {first} is empty")
        if first != self.offset + 1:
            if first - 1 in self._rewound_to:
                self._rewound_to.remove(first - 1)
            else:
                self.sale_problems.append(f"S begins at {first} after {self.offset}")
        for offset, event in enumerate(events, first):
            known = self.events.setdefault(offset, tuple(event[:3]))
            if known != tuple(event[:3]):
                self.sale_problems.append(f"offset {offset} was told as two different events")
            problem = find_mismatch(event[1], EVENTS.get(event[0], {}))
            if problem:
                self.shape_problems.append(f"{event[0]}: {problem}")
        self.offset = max(self.offset, first + len(events) - 1)

    def _take_values(self, values: dict[str, Any]) -> None:
        for key, (version, value, *_) in values.items():
            known = self.values.get(key)
            if known is not None and version < known[0]:
                self.state_problems.append(f"{key} went from version {known[0]} to {version}")
            self.values[key] = (version, value)
