"""The server's processes: gateways that batch presses, and the worker with its jobs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import permutations

import msgspec

from commerce.goods.inventory.asking import RETRY_PAUSE_S, UNKNOWN_AFTER_MS
from commerce.goods.inventory.deciding import OF_OPEN_SALES
from commerce.goods.inventory.latch import Latch, Latches
from commerce.goods.inventory.model import BatchResult, Outcome, Request
from commerce.kernel.errors import CommerceError
from commerce.orders.payments.model import PaymentReport
from server.providers.signatures import TOLERANCE_S
from tests.simulation.world import Killed, LostConnectionError, Process, World

POOL = "p"
RETRY_PAUSE_MS = int(RETRY_PAUSE_S * 1000)
# The real worker's jobs come every second or so; rare rounds leave more to find dead.
ROUND_MS = 36_000
CALM_ROUND_MS = 120_000
JOBS = ("sweep", "expire_orders", "run_calls", "poll", "tend")
ORDERS = tuple(permutations(JOBS))
SAID = {int(outcome): outcome.name.lower() for outcome in Outcome}
SAID[Outcome.REPLAYED] = SAID[Outcome.RESERVED]


class Answer(msgspec.Struct, frozen=True):
    """What a gateway tells a buyer: a code, with the version and the reservation it is about."""

    code: str
    version: int | None = None
    reservation: str | None = None


Reply = Callable[[Answer], None]


class Gateway(Process):
    """One gateway: a batch is under way, the next one gathers."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.start()

    def start(self) -> None:
        """Begin with nothing."""
        super().start()
        self.waiting: list[tuple[Request, Reply]] = []
        self.is_busy = False
        self.skew_ms = 0
        world = self.world  # Not `self`: that would be a cycle.
        self.latches = Latches(lambda: world.now_ms)

    def press(self, request: Request, reply: Reply) -> None:
        """Take a press; a dead gateway hears nothing."""
        if not self.is_up:
            return
        latched = self.latches.answer(
            POOL,
            user_id=request.user_id,
            sale_id=request.sale_id,
            name_id=lambda: request.id,
        )
        if latched is not None:
            self.answer(reply, Answer(latched.outcome.name.lower(), latched.version))
            return
        self.waiting.append((request, reply))
        self.next_batch()

    def answer(self, reply: Reply, answer: Answer) -> None:
        """Send an answer to its buyer."""
        self.world.send(lambda: reply(answer))

    def next_batch(self) -> None:
        """Begin a batch of one press a buyer; a second one waits for the next batch."""
        if self.is_busy or not self.waiting:
            return
        self.is_busy = True
        batch: dict[str, tuple[Request, Reply]] = {}
        rest = []
        for item in self.waiting:
            if item[0].user_id in batch:
                rest.append(item)
            else:
                batch[item[0].user_id] = item
        self.waiting = rest
        first_ms = self.world.now_ms
        self.soon(self.world.between(1, 8), lambda: self.decide([*batch.values()], first_ms))

    def decide(self, batch: list[tuple[Request, Reply]], first_ms: int) -> None:
        """Have a batch decided; an unknown outcome is asked again with the same ids."""
        self.world.guarded(self, lambda: self._decide(batch, first_ms))

    def _decide(self, batch: list[tuple[Request, Reply]], first_ms: int) -> None:
        world = self.world
        try:
            result = self.ask([request for request, _ in batch])
        except LostConnectionError:
            if world.now_ms - first_ms <= UNKNOWN_AFTER_MS:
                self.soon(RETRY_PAUSE_MS, lambda: self.decide(self.again(batch), first_ms))
                return
            for _, reply in batch:
                self.answer(reply, Answer("unknown_outcome"))
        else:
            self.latch(batch, result)
            for (request, reply), answer in zip(batch, told(batch, result), strict=True):
                world.note(f"{self.name} tells {request.user_id[-2:]} {answer.code}")
                self.answer(reply, answer)
        self.is_busy = False
        self.next_batch()

    def ask(self, requests: list[Request]) -> BatchResult:
        """Have the core decide and commit."""
        return self.world.commit(self, lambda: self.world.core.reserve(requests))

    def again(self, batch: list[tuple[Request, Reply]]) -> list[tuple[Request, Reply]]:
        """Return what is asked after an unknown outcome: the same."""
        return batch

    def latch(self, batch: list[tuple[Request, Reply]], result: BatchResult) -> None:
        """Remember that nothing is free, as the inventory service does."""
        is_open = not OF_OPEN_SALES.isdisjoint(result.outcomes)
        if result.available > 0 or not is_open:
            self.latches.clear(POOL)
            return
        outcome = Outcome.SOLD_OUT if result.is_sold_out else Outcome.HELD_OUT
        core = self.world.core
        sales = frozenset({core.sale_id})
        latch = Latch(outcome, result.pool_version, self.world.now_ms, core.owned(), sales)
        # Asked and read in one instant: nothing can have come back in between.
        self.latches.set(POOL, latch, clears=self.latches.clears_of(POOL))

    def serve(self, work: Callable[[], str], reply: Reply) -> None:
        """Take any other request: its answer is the work's, or the code of its refusal."""
        if self.is_up:
            self.world.guarded(self, lambda: self._serve(work, reply))

    def _serve(self, work: Callable[[], str], reply: Reply) -> None:
        try:
            self.answer(reply, Answer("ok", reservation=self.world.commit(self, work)))
        except CommerceError as error:
            self.answer(reply, Answer(error.code))
        except LostConnectionError:
            self.answer(reply, Answer("unknown_outcome"))
        finally:
            self.latches.clear(POOL)

    def webhook(self, event_id: str, report: PaymentReport, ack: Callable[[], None]) -> None:
        """Take a webhook; a node whose clock is off by minutes takes its signature for stale."""
        if not self.is_up or abs(self.skew_ms) > TOLERANCE_S * 1000:
            return
        self.world.guarded(self, lambda: self._webhook(event_id, report, ack))

    def _webhook(self, event_id: str, report: PaymentReport, ack: Callable[[], None]) -> None:
        core = self.world.core
        try:
            self.world.commit(self, lambda: core.take_webhook(event_id, report))
        except LostConnectionError:
            return
        self.world.send(ack)


class Worker(Process):
    """The worker: every job in turn, in an order that the dice decide."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.start()

    def start(self) -> None:
        """Begin with the first round."""
        super().start()
        self.soon(self.world.between(1, ROUND_MS), self.round)

    def round(self) -> None:
        """Run every job that has something to do by its turn.

        The others would commit nothing, so nothing can break in them: a worker that is killed in an
        idle moment is planned, as it is for gateways.
        """
        world, core = self.world, self.world.core
        pause_ms = CALM_ROUND_MS if world.is_healed else ROUND_MS
        self.soon(world.between(pause_ms // 2, pause_ms), self.round)
        due: Collection[str] | None = core.due_jobs()
        if not due:
            return
        for job in world.pick(ORDERS):
            if due is None:
                due = core.due_jobs()
            if job not in due:
                continue
            try:
                self.run(job)
            except Killed:
                self.die()
                return
            due = None  # What it did may be work for others.

    def run(self, job: str) -> None:
        """Run one job; a lost connection is a log line there."""
        try:
            self.world.commit(self, getattr(self.world.core, job))
        except LostConnectionError:
            return


def told(batch: list[tuple[Request, Reply]], result: BatchResult) -> list[Answer]:
    """Return the answers to a batch, as buyers hear them."""
    answers = []
    decided = zip(batch, result.outcomes, result.versions, strict=True)
    for (request, _), outcome, version in decided:
        said = SAID[outcome]
        if said == "reserved":
            # A fresh reservation's row was not there when the batch read the versions.
            answers.append(Answer(said, version or result.pool_version, request.id))
        else:
            answers.append(Answer(said, result.pool_version))
    return answers
