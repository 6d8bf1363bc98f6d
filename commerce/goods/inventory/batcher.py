"""Group commit: while one batch of a pool commits, new requests queue and become the next.

Invariants: one batch of a pool in flight per process; arrival order is kept; a waiter always
gets an answer, `unknown_outcome` at worst, and never waits for ever.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from commerce.goods.inventory.model import Answer, Request
from commerce.kernel.errors import CommerceError

# A batch this big still commits in a few milliseconds; bigger ones only add waiting.
BATCH_MAX = 256
# More waiting presses than this in one process would be answered too late to be of use.
WAITING_MAX = 20_000

DecideBatch = Callable[[str, list[Request]], Awaitable[list[Answer | CommerceError]]]


class PoolBatcher:
    """The queue of one pool in one process."""

    def __init__(self, pool_id: str, decide: DecideBatch) -> None:
        self.pool_id = pool_id
        self._decide = decide
        self._waiting: deque[tuple[Request, asyncio.Future[Answer]]] = deque()
        self._open: dict[str, tuple[Request, asyncio.Future[Answer]]] = {}
        self._draining: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Say whether nobody waits here."""
        return self._draining is None

    async def submit(self, request: Request) -> Answer:
        """Queue a request and wait for its committed answer.

        The same request pressed twice shares one answer. Raises `overloaded` when the queue is
        full and `unknown_outcome` when the database did not say whether it committed.
        """
        known = self._open.get(request.id)
        if known is not None and known[0].qty == request.qty:
            return await asyncio.shield(known[1])
        if len(self._waiting) >= WAITING_MAX:
            raise CommerceError(
                "overloaded", "Too many presses are waiting.", retryable=True, retry_ms=500
            )
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        self._open.setdefault(request.id, (request, future))
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain(), name=f"pool {self.pool_id}")
        # The press goes on even when whoever waited for it has left: its row may be committed.
        return await asyncio.shield(future)

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch = self._take()
                await self._settle(batch)
        finally:
            self._draining = None
            for _, future in self._waiting:  # Only when this task itself was ended.
                _fail(future, unknown_outcome())
            self._waiting.clear()
            self._open.clear()

    async def _settle(self, batch: list[tuple[Request, asyncio.Future[Answer]]]) -> None:
        answers: list[Answer | CommerceError]
        try:
            answers = await self._decide(self.pool_id, [request for request, _ in batch])
        except CommerceError as error:
            answers = [error for _ in batch]
        except BaseException:
            for _, future in batch:
                _fail(future, unknown_outcome())
            raise
        for (request, future), answer in zip(batch, answers, strict=True):
            if self._open.get(request.id, (None, None))[1] is future:
                del self._open[request.id]
            if isinstance(answer, CommerceError):
                _fail(future, answer)
            elif not future.done():
                future.set_result(answer)

    def _take(self) -> list[tuple[Request, asyncio.Future[Answer]]]:
        """Take the next batch; a second request of one id or one buyer waits for the next."""
        batch: list[tuple[Request, asyncio.Future[Answer]]] = []
        held_back: list[tuple[Request, asyncio.Future[Answer]]] = []
        ids: set[str] = set()
        buyers: set[tuple[str, str]] = set()
        while self._waiting and len(batch) < BATCH_MAX:
            request, future = self._waiting.popleft()
            buyer = (request.sale_id, request.user_id)
            if request.id in ids or buyer in buyers:
                held_back.append((request, future))
                continue
            ids.add(request.id)
            buyers.add(buyer)
            batch.append((request, future))
        self._waiting.extendleft(reversed(held_back))
        return batch


def unknown_outcome() -> CommerceError:
    """Return the error for a press whose fate the database did not tell."""
    return CommerceError(
        "unknown_outcome",
        "The outcome is not known yet; ask again with the same key.",
        retryable=True,
        retry_ms=1000,
    )


def _fail(future: asyncio.Future[Answer], error: CommerceError) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # Nobody may be waiting any more; that is no fault to log.
