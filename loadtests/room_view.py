"""What one client makes of the frames it receives, as `docs/protocol.md` describes them.

Invariant: every frame is taken whole, or counted as `malformed`; nothing is guessed. Pure: the
clock is an argument.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec

from loadtests.sale_lane import SaleLane


class Hello(msgspec.Struct, frozen=True):
    """The connection stands; `rec` says how the client was brought up to date."""

    conn: str
    rec: str
    heartbeat_s: int


class SaleEvent(msgspec.Struct, frozen=True):
    """A new event of the sale lane; `is_live` is False for one that was replayed."""

    type: str
    payload: Any
    at_ms: int
    is_live: bool


class Line(msgspec.Struct, frozen=True):
    """A line of chat."""

    id: str
    at_ms: int


class Direct(msgspec.Struct, frozen=True):
    """A message to this user alone."""

    type: str
    payload: Any


class Answered(msgspec.Struct, frozen=True):
    """The answer to a command: its result, or its error."""

    id: str | int | None
    result: Any = None
    error: dict[str, Any] | None = None


class Goodbye(msgspec.Struct, frozen=True):
    """The server closes; come back after `retry_ms`."""

    code: int
    retry_ms: int


Happening = Hello | SaleEvent | Line | Direct | Answered | Goodbye

# Frames that mean the same whatever came before.
_ALONE: dict[str, Callable[[list[Any]], Happening]] = {
    "D": lambda parts: Direct(parts[1], parts[2]),
    "r": lambda parts: Answered(parts[1], result=parts[2]),
    "e": lambda parts: Answered(parts[1], error=dict(parts[2])),
    "b": lambda parts: Goodbye(parts[1], parts[2]),
}


class RoomView:
    """One client's picture of the room; it outlives the connections."""

    def __init__(self) -> None:
        self.lane = SaleLane()
        self.sales: dict[str, dict[str, Any]] = {}
        self.stock: dict[str, list[int]] = {}
        self.announcement: str | None = None
        self.recoveries: Counter[str] = Counter()
        self.frames: Counter[str] = Counter()
        self.lines_seen = 0
        self.lines_dropped = 0
        self.own_lines: set[str] = set()
        self.malformed = 0
        self.is_asked = False
        """Whether the server wants sale events acknowledged on this connection."""
        self.versions_back = 0
        self._versions: dict[str, int] = {}
        self._replay_to = 0

    def receive(self, text: str | bytes, now_ms: int) -> list[Happening]:
        """Take in one frame and return what happened, in order."""
        try:
            parts = msgspec.json.decode(text)
            kind = parts[0]
            self.frames[kind] += 1
            return self._take(kind, parts, now_ms)
        except (ValueError, TypeError, LookupError, AttributeError):
            self.malformed += 1
            return []

    def _take(self, kind: str, parts: list[Any], now_ms: int) -> list[Happening]:
        if kind in {"K", "L", "p"}:
            self.lane.notice(parts[1], now_ms)
        if kind in _ALONE:
            return [_ALONE[kind](parts)]
        match kind:
            case "h":
                return self._take_hello(parts[1], now_ms)
            case "Z":
                self._take_snapshot(parts[1], parts[2], parts[3])
            case "S":
                return self._take_sale(parts[1], parts[2], now_ms)
            case "K":
                self._take_state(parts[2])
            case "a":
                self.is_asked = bool(parts[1])
            case "L":
                return self._take_chat(parts[2], parts[3])
            case "p":
                pass
            case _:
                self.malformed += 1
        return []

    def _take_hello(self, fields: dict[str, Any], now_ms: int) -> list[Happening]:
        hello = Hello(fields["conn"], fields["rec"], fields["hb_s"])
        self.recoveries[hello.rec] += 1
        self._versions.clear()
        self._replay_to = fields["offset"]
        self.is_asked = fields.get("ack", False)
        if hello.rec == "replayed":
            self.lane.greet(fields["offset"], now_ms)
        return [hello]

    def _take_snapshot(self, epoch: str, offset: int, state: dict[str, Any]) -> None:
        self.sales = {sale["id"]: sale for sale in state["sales"]}
        self.stock = {sale["id"]: sale["stock"] for sale in state["sales"]}
        self.announcement = state.get("announcement")
        self.lane.snapshot(epoch, offset)
        self._versions.clear()
        self._replay_to = max(self._replay_to, offset)

    def _take_sale(self, first: int, events: list[Any], now_ms: int) -> list[Happening]:
        was_behind = self.lane.is_behind
        happened: list[Happening] = []
        for type, payload, at_ms in self.lane.take(first, events, now_ms):
            self._apply(type, payload)
            is_live = not was_behind and first > self._replay_to
            happened.append(SaleEvent(type, payload, at_ms, is_live))
        return happened

    def _apply(self, type: str, payload: dict[str, Any]) -> None:
        if type == "flash.armed":
            self._put_sale(payload["sale"])
        elif type in {"room.state", "bag.changed"}:
            self.sales = {}
            for sale in payload["sales"]:
                self._put_sale(sale)
        elif type in {"flash.opened", "flash.resumed"}:
            self._set_state(payload["sale"], "open")
        elif type == "flash.sold_out":
            self._set_state(payload["sale"], "sold_out")
        elif type == "announcement":
            self.announcement = payload["text"]
        elif type == "flash.halted":
            self._set_state(payload["sale"], "halted")
        elif type in {"flash.closed", "flash.unhalted"}:
            self._set_state(payload["sale"], payload["state"])

    def _put_sale(self, sale: dict[str, Any]) -> None:
        self.sales[sale["id"]] = sale
        self.stock.setdefault(sale["id"], sale["stock"])

    def _set_state(self, sale: str, state: str) -> None:
        if sale in self.sales:
            self.sales[sale] = {**self.sales[sale], "state": state}

    def _take_state(self, values: dict[str, Any]) -> None:
        for key, (version, value) in values.items():
            if version < self._versions.get(key, 0):
                self.versions_back += 1
                continue
            self._versions[key] = version
            if key.startswith("stock:"):
                self.stock[key.removeprefix("stock:")] = value

    def _take_chat(self, rows: list[Any], dropped: int) -> list[Happening]:
        self.lines_seen += len(rows)
        self.lines_dropped += dropped
        for row in rows:
            self.own_lines.discard(row[0])
        return [Line(row[0], row[5]) for row in rows]
