"""Group commit: while one batch of a pool commits, new requests queue and become the next.

Invariants: one batch of a pool in flight per process; arrival order is kept; a waiter always
gets an answer, `unknown_outcome` at worst, and never waits for ever.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from commerce.goods.inventory.model import Answer, Request
from commerce.kernel.errors import CommerceError

log = logging.getLogger(__name__)

# What a batch answers: `Answer` to presses, something else to those who enter a draw.
Told = TypeVar("Told")

# A batch this big still commits in a few milliseconds; bigger ones only add waiting.
BATCH_MAX = 256
# So many waiting presses are refused at one turn of the loop, in some 5 ms: when the last unit is
# gone all of the queue may be, and everybody else's sockets would stand still for it.
REFUSED_AT_ONCE = 1_024
# More waiting presses than this in one process would be answered too late to be of use.
WAITING_MAX = 20_000
# Presses of one buyer for one sale that wait at once. A batch takes one of them and looks through
# the others again, which a flood of one buyer's must not make a burden to all.
WAITING_OF_BUYER_MAX = 16

DecideBatch = Callable[[str, list[Request]], Awaitable[list[Told | CommerceError]]]
Refuse = Callable[[str, Request], Told | None]
"""Answer a request that still waits, from what was decided meanwhile; None to decide it."""


def refuse_nothing(pool_id: str, request: Request) -> None:
    """Let the database decide everything."""


OnAnswer = Callable[[Told | CommerceError], None]
"""Told the answer of a press, once."""


class Press(Generic[Told]):
    """A request in the queue, with everybody who waits for its answer."""

    __slots__ = ("request", "waiters")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.waiters: list[OnAnswer[Told]] = []


class Batcher(Generic[Told]):
    """The queue of one pool, or of one draw, in one process."""

    def __init__(
        self, pool_id: str, decide: DecideBatch[Told], refuse: Refuse[Told] = refuse_nothing
    ) -> None:
        self.pool_id = pool_id
        self._decide = decide
        self._refuse = refuse
        self._waiting: deque[Press[Told]] = deque()
        self._open: dict[str, Press[Told]] = {}
        self._deciding: dict[str, Press[Told]] = {}
        """The presses of the batch under way that were not answered yet, by their request's id."""
        self._waiting_of: Counter[tuple[str, str]] = Counter()
        """How many presses of a buyer for a sale wait."""
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

        def answer(told: Told | CommerceError) -> None:
            if future.done():  # Whoever waited has left; the press itself went on.
                return
            if isinstance(told, CommerceError):
                future.set_exception(told)
            else:
                future.set_result(told)

        self.take(request, answer)
        return await future

    def take(self, request: Request, on_answer: OnAnswer[Told]) -> None:
        """Queue a request; `on_answer` is called with what `submit` would return or raise."""
        press = self._open.get(request.id)
        if press is None or press.request.qty != request.qty:
            buyer = (request.sale_id, request.user_id)
            if len(self._waiting) >= WAITING_MAX:
                on_answer(_too_many("overloaded", "Too many presses are waiting."))
                return
            if self._waiting_of[buyer] >= WAITING_OF_BUYER_MAX:
                on_answer(_too_many("slow_down", "Too many of your presses are waiting."))
                return
            press = Press(request)
            self._waiting.append(press)
            self._waiting_of[buyer] += 1
            self._open.setdefault(request.id, press)
        press.waiters.append(on_answer)
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain(), name=f"pool {self.pool_id}")

    async def _drain(self) -> None:
        try:
            while self._waiting:
                if batch := self._take():
                    await self._settle(batch)
                else:  # Nothing but refusals: others have their turn.
                    await asyncio.sleep(0)
        finally:
            self._draining = None
            # Only when this task itself was ended.
            _tell([(press, unknown_outcome()) for press in self._waiting])
            self._waiting.clear()
            self._waiting_of.clear()
            self._open.clear()

    def tell_early(self, answers: Sequence[tuple[Request, Told]]) -> None:
        """Answer requests of the batch under way before all of it is; `decide` may call this.

        One that was answered before keeps that answer: a part that is decided again tells it twice.
        """
        early = [
            (press, answer)
            for request, answer in answers
            if (press := self._deciding.pop(request.id, None)) is not None
        ]
        self._answer(early)

    async def _settle(self, batch: list[Press[Told]]) -> None:
        self._deciding = deciding = {press.request.id: press for press in batch}
        answered: list[tuple[Press[Told], Told | CommerceError]]
        try:
            answers = await self._decide(self.pool_id, [press.request for press in batch])
            answered = [
                (press, answer)
                for press, answer in zip(batch, answers, strict=True)
                if press.request.id in deciding
            ]
        except CommerceError as error:
            answered = [(press, error) for press in deciding.values()]
        except BaseException:
            _tell([(press, unknown_outcome()) for press in deciding.values()])
            raise
        self._answer(answered)

    def _answer(self, answered: Sequence[tuple[Press[Told], Told | CommerceError]]) -> None:
        """Let the next batch be sent first; then tell those who wait for this one."""
        if not answered:
            return
        for press, _ in answered:
            if self._open.get(press.request.id) is press:
                del self._open[press.request.id]
        asyncio.get_running_loop().call_soon(_tell, answered)

    def _take(self) -> list[Press[Told]]:
        """Take the next batch; a second request of one id or one buyer waits for the next.

        What came out of the batch before may answer a press that waited for it: that is answered
        here, and costs the next batch nothing.
        """
        batch: list[Press[Told]] = []
        held_back: list[Press[Told]] = []
        refusals: list[tuple[Press[Told], Told | CommerceError]] = []
        taken: set[str | tuple[str, str]] = set()
        while self._waiting and len(batch) < BATCH_MAX and len(refusals) < REFUSED_AT_ONCE:
            press = self._waiting.popleft()
            request = press.request
            buyer = (request.sale_id, request.user_id)
            refused = self._refuse(self.pool_id, request)
            if refused is not None:
                self._no_longer_waits(buyer)
                refusals.append((press, refused))
                continue
            if request.id in taken or buyer in taken:
                held_back.append(press)
                continue
            self._no_longer_waits(buyer)
            taken.add(request.id)
            taken.add(buyer)
            batch.append(press)
        self._waiting.extendleft(reversed(held_back))
        self._answer(refusals)
        return batch

    def _no_longer_waits(self, buyer: tuple[str, str]) -> None:
        self._waiting_of[buyer] -= 1
        if not self._waiting_of[buyer]:
            del self._waiting_of[buyer]


PoolBatcher = Batcher[Answer]


def _tell(answered: Sequence[tuple[Press[Told], Told | CommerceError]]) -> None:
    """Call everybody who waits, so many in one go that other work is not kept waiting.

    A bug in one of them costs no other an answer.
    """
    for press, answer in answered[:BATCH_MAX]:
        for on_answer in press.waiters:
            try:
                on_answer(answer)
            except Exception:
                log.exception("An answer could not be told.")
    if len(answered) > BATCH_MAX:
        asyncio.get_running_loop().call_soon(_tell, answered[BATCH_MAX:])


def _too_many(code: str, message: str) -> CommerceError:
    return CommerceError(code, message, retryable=True, retry_ms=500)


def unknown_outcome() -> CommerceError:
    """Return the error for a press whose fate the database did not tell."""
    return CommerceError(
        "unknown_outcome",
        "The outcome is not known yet; ask again with the same key.",
        retryable=True,
        retry_ms=1000,
    )
