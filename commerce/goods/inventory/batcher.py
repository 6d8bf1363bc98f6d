"""Group commit: while one batch of a pool commits, new requests queue and become the next.

Invariants: one batch of a pool in flight per process; arrival order is kept; a waiter always
gets an answer, `unknown_outcome` at worst, and never waits for ever.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from commerce.goods.inventory.model import Answer, Request
from commerce.kernel.errors import CommerceError

# What a batch answers: `Answer` to presses, something else to those who enter a draw.
Told = TypeVar("Told")

# A batch this big still commits in a few milliseconds; bigger ones only add waiting.
BATCH_MAX = 256
# More waiting presses than this in one process would be answered too late to be of use.
WAITING_MAX = 20_000

DecideBatch = Callable[[str, list[Request]], Awaitable[list[Told | CommerceError]]]


class Press(Generic[Told]):
    """A request in the queue, with everybody who waits for its answer."""

    __slots__ = ("futures", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.futures: list[asyncio.Future[Told]] = []

    def settle(self, answer: Told | CommerceError) -> None:
        """Answer everybody who still waits."""
        for future in self.futures:
            if future.done():  # Whoever waited has left; the press itself went on.
                continue
            if isinstance(answer, CommerceError):
                future.set_exception(answer)
                future.exception()  # It may never be asked for; that is no fault to log.
            else:
                future.set_result(answer)


class Batcher(Generic[Told]):
    """The queue of one pool, or of one draw, in one process."""

    def __init__(self, pool_id: str, decide: DecideBatch[Told]) -> None:
        self.pool_id = pool_id
        self._decide = decide
        self._waiting: deque[Press[Told]] = deque()
        self._open: dict[str, Press[Told]] = {}
        self._draining: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Say whether nobody waits here."""
        return self._draining is None

    def has(self, request_id: str) -> bool:
        """Say whether a request is under way here: its retry shares the answer."""
        return request_id in self._open

    async def submit(self, request: Request) -> Told:
        """Queue a request and wait for its committed answer.

        The same request pressed twice shares one answer. A caller that is cancelled leaves alone:
        the press goes on. Raises `overloaded` when the queue is full and `unknown_outcome` when
        the database did not say whether it committed.
        """
        future: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        press = self._open.get(request.id)
        if press is None or press.request.qty != request.qty:
            if len(self._waiting) >= WAITING_MAX:
                raise CommerceError(
                    "overloaded", "Too many presses are waiting.", retryable=True, retry_ms=500
                )
            press = Press[Told](request)
            self._waiting.append(press)
            self._open.setdefault(request.id, press)
        press.futures.append(future)
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain(), name=f"pool {self.pool_id}")
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._settle(self._take())
        finally:
            self._draining = None
            for press in self._waiting:  # Only when this task itself was ended.
                press.settle(unknown_outcome())
            self._waiting.clear()
            self._open.clear()

    async def _settle(self, batch: list[Press[Told]]) -> None:
        answers: list[Told | CommerceError]
        try:
            answers = await self._decide(self.pool_id, [press.request for press in batch])
        except CommerceError as error:
            answers = [error for _ in batch]
        except BaseException:
            for press in batch:
                press.settle(unknown_outcome())
            raise
        for press, answer in zip(batch, answers, strict=True):
            if self._open.get(press.request.id) is press:
                del self._open[press.request.id]
            press.settle(answer)

    def _take(self) -> list[Press[Told]]:
        """Take the next batch; a second request of one id or one buyer waits for the next."""
        batch: list[Press[Told]] = []
        held_back: list[Press[Told]] = []
        taken: set[str | tuple[str, str]] = set()
        while self._waiting and len(batch) < BATCH_MAX:
            press = self._waiting.popleft()
            request = press.request
            buyer = (request.sale_id, request.user_id)
            if request.id in taken or buyer in taken:
                held_back.append(press)
                continue
            taken.add(request.id)
            taken.add(buyer)
            batch.append(press)
        self._waiting.extendleft(reversed(held_back))
        return batch


PoolBatcher = Batcher[Answer]


def unknown_outcome() -> CommerceError:
    """Return the error for a press whose fate the database did not tell."""
    return CommerceError(
        "unknown_outcome",
        "The outcome is not known yet; ask again with the same key.",
        retryable=True,
        retry_ms=1000,
    )
