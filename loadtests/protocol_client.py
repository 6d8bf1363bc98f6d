"""A person's live connection to a room: speaks the whole WebSocket protocol and comes back.

Invariant: what the person has seen survives every reconnect in one `RoomView`; a command keeps its
idempotency key until it is answered. Runs on greenlets.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import urlencode, urlsplit

import gevent  # type: ignore[import-untyped]  # gevent ships no types.
import msgspec
from gevent.event import AsyncResult, Event  # type: ignore[import-untyped]  # As above.
from websockets.exceptions import InvalidHandshake

from loadtests.backoff import wait_before_return
from loadtests.room_view import (
    Answered,
    Direct,
    Goodbye,
    Happening,
    Hello,
    Line,
    RoomView,
    SaleEvent,
)
from loadtests.wire import Wire, WireClosedError

ANSWER_TIMEOUT_S = 10.0
# A press is sent again under its key this often before it counts as unanswered.
SENDS_MAX = 6
CLOCK_SAMPLES = 5
CLOCK_PAUSE_S = 0.05
WATCH_PERIOD_S = 0.25

# (name, duration in ms, what went wrong)
Report = Callable[[str, float, Exception | None], None]


class NoAnswerError(Exception):
    """A command was never answered, on any connection."""


class RefusedError(Exception):
    """A command was refused; `code` says why."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error.get("code", "unknown"))
        self.code = str(error.get("code", "unknown"))
        self.retry_ms = error.get("retry_ms")
        self.retryable = bool(error.get("retryable"))
        self.detail: dict[str, Any] = error.get("detail") or {}


class RoomClient:
    """One client in one room. `report` gets each measurement under its name."""

    def __init__(
        self, base_url: str, room: str, *, token: str | None, report: Report, random: Random
    ) -> None:
        self._url = f"ws://{urlsplit(base_url).netloc}/ws/{room}"
        self._token = token
        self._report = report
        self._random = random
        self._wire: Wire | None = None
        self._answers: dict[int, AsyncResult[Answered]] = {}
        self._next_id = 0
        self._clock_offset_ms = 0.0
        self._away_s = 0.0
        self._attempt = 0
        self._goodbye: Goodbye | None = None
        self._greenlets: list[gevent.Greenlet[..., Any]] = []
        self.view = RoomView()
        self.direct: list[Direct] = []
        self.connected = Event()
        self.changed = Event()
        self.is_over = False
        self.heartbeat_s = 20
        self.closes: Counter[str] = Counter()
        self.processes: Counter[str] = Counter()

    def start(self) -> None:
        """Connect and stay connected until `close`."""
        self._greenlets = [gevent.spawn(self._live), gevent.spawn(self._tend)]

    def close(self) -> None:
        """Leave the room for good."""
        self.is_over = True
        if self._wire is not None:
            self._wire.close()
        gevent.killall(self._greenlets, timeout=2)

    def cut(self, away_s: float) -> None:
        """Lose the connection without a word and come back after `away_s`."""
        self._away_s = away_s
        if self._wire is not None:
            self._wire.cut()

    def now_ms(self) -> float:
        """Return the server's time, as well as this client knows it."""
        return time.time() * 1000 + self._clock_offset_ms

    def synchronise_clock(self) -> None:
        """Ask the time a few times and believe the quickest answer, as the page does."""
        best_ms = float("inf")
        for _ in range(CLOCK_SAMPLES):
            sent_ms = time.time() * 1000
            answer = self._ask_once("time", {}, None)
            got_ms = time.time() * 1000
            if answer is not None and answer.result is not None and got_ms - sent_ms < best_ms:
                best_ms = got_ms - sent_ms
                self._clock_offset_ms = answer.result["now_ms"] - (sent_ms + got_ms) / 2
            gevent.sleep(CLOCK_PAUSE_S)

    def ask(self, command: str, args: dict[str, Any], *, key: str) -> Any:
        """Return a command's result; send it again under the same key until it is decided.

        Raises RefusedError for a refusal, NoAnswerError when nothing was heard.
        """
        for attempt in range(SENDS_MAX):
            answer = self._ask_once(command, args, key)
            if answer is None:
                continue
            if answer.error is None:
                return answer.result
            refused = RefusedError(answer.error)
            if refused.code not in {"unknown_outcome", "overloaded", "database_unavailable"}:
                raise refused
            gevent.sleep((refused.retry_ms or 500 * (attempt + 1)) / 1000)
        raise NoAnswerError(command)

    def say(self, text: str) -> None:
        """Write a line; the own line must then arrive like everybody's.

        Raises RefusedError and NoAnswerError.
        """
        answer = self._exchange(lambda client_id: ["c", client_id, text])
        if answer is None:
            raise NoAnswerError("chat")
        if answer.error is not None:
            raise RefusedError(answer.error)

    def like(self, count: int) -> None:
        """Send likes; nobody answers them."""
        self._send(["k", count])

    def wait_until(self, is_so: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until something received made `is_so` true; False when time ran out."""
        deadline_s = time.monotonic() + timeout_s
        while not is_so():
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            self.changed.clear()
            self.changed.wait(left_s)
        return True

    def _ask_once(self, command: str, args: dict[str, Any], key: str | None) -> Answered | None:
        return self._exchange(lambda client_id: ["q", client_id, command, args, key])

    def _exchange(self, frame: Callable[[int], list[Any]]) -> Answered | None:
        """Send a frame and return its answer, None when the connection was lost before."""
        if not self.connected.wait(ANSWER_TIMEOUT_S):
            return None
        self._next_id += 1
        client_id = self._next_id
        waiter: AsyncResult[Answered] = AsyncResult()
        self._answers[client_id] = waiter
        try:
            if not self._send(frame(client_id)):
                return None
            answer: Answered = waiter.get(timeout=ANSWER_TIMEOUT_S)
            return answer
        except (gevent.Timeout, WireClosedError):
            return None
        finally:
            self._answers.pop(client_id, None)

    def _send(self, frame: list[Any]) -> bool:
        wire = self._wire
        if wire is None:
            return False
        try:
            wire.send(msgspec.json.encode(frame).decode())
        except WireClosedError:
            return False
        return True

    def _live(self) -> None:
        while True:
            code = self._visit()
            self.connected.clear()
            for waiter in self._answers.values():
                waiter.set_exception(WireClosedError(code))
            if self.is_over:
                return
            retry_ms = self._goodbye.retry_ms if self._goodbye is not None else None
            self._goodbye = None
            wait_ms = wait_before_return(code, retry_ms, self._attempt, self._random)
            self._attempt += 1
            if wait_ms is None:
                self.is_over = True
                return
            away_s, self._away_s = self._away_s, 0.0
            gevent.sleep(away_s or wait_ms / 1000)

    def _visit(self) -> int | None:
        """Hold one connection until it ends; return its close code."""
        query = {"v": "1"}
        position = self.view.lane.position
        if position is not None:
            query |= {"e": position[0], "o": str(position[1])}
        started_s = time.perf_counter()
        try:
            wire = Wire(f"{self._url}?{urlencode(query)}", token=self._token)
        except (OSError, InvalidHandshake) as error:
            self._report("connect", (time.perf_counter() - started_s) * 1000, error)
            self.closes[type(error).__name__] += 1
            return None
        self._wire = wire
        name = "connect" if position is None else "reconnect"
        try:
            while True:
                for text in wire.receive():
                    self._take(text, name, started_s)
        except WireClosedError as closed:
            self.closes[str(closed.code or "cut")] += 1
            return closed.code
        finally:
            self._wire = None
            wire.free()

    def _take(self, text: str, name: str, started_s: float) -> None:
        now_ms = self.now_ms()
        drawn: SaleEvent | None = None
        for happening in self.view.receive(text, int(now_ms)):
            self._take_happening(happening, now_ms)
            if isinstance(happening, SaleEvent) and happening.is_live:
                drawn = happening
            if isinstance(happening, Hello):
                self._report(name, (time.perf_counter() - started_s) * 1000, None)
        if drawn is not None and self.view.is_asked:
            self._send(["a", self.view.lane.offset, max(0, int(now_ms - drawn.at_ms))])
        self.changed.set()

    def _take_happening(self, happening: Happening, now_ms: float) -> None:
        match happening:
            case Hello():
                self._attempt = 0
                self.heartbeat_s = happening.heartbeat_s
                self.processes[happening.conn.rpartition("-")[0] or happening.conn] += 1
                self.connected.set()
            case SaleEvent():
                if happening.is_live:
                    self._report("WS sale publish→receive", now_ms - happening.at_ms, None)
            case Line():
                self._report("WS chat publish→receive", now_ms - happening.at_ms, None)
            case Direct():
                self.direct.append(happening)
            case Answered():
                self._settle(happening)
            case Goodbye():
                self._goodbye = happening

    def _settle(self, answer: Answered) -> None:
        if isinstance(answer.result, dict) and "line" in answer.result:
            self.view.own_lines.add(answer.result["line"])
        waiter = self._answers.get(answer.id) if isinstance(answer.id, int) else None
        if waiter is not None:
            waiter.set(answer)

    def _tend(self) -> None:
        """Beat, and ask for what is missing."""
        beat_s = time.monotonic()
        while not self.is_over:
            gevent.sleep(WATCH_PERIOD_S)
            if time.monotonic() - beat_s >= self.heartbeat_s:
                beat_s = time.monotonic()
                self._send(["p"])
            if self.connected.is_set():
                asked = self.view.lane.next_sync(int(self.now_ms()))
                if asked is not None:
                    self._send(["sync", *asked])
