"""Reserve and release stock: the promise a buyer gets, and the end of it.

Invariant: no answer leaves before its COMMIT; an outcome nobody knows is asked again with the
same ids, never guessed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec

from commerce.goods.inventory import store
from commerce.goods.inventory.batcher import PoolBatcher, unknown_outcome
from commerce.goods.inventory.draw_gate import DrawGate
from commerce.goods.inventory.halving import decide_by_halves
from commerce.goods.inventory.known_sales import KnownSales
from commerce.goods.inventory.latch import Latch, Latches
from commerce.goods.inventory.model import (
    Answer,
    BatchResult,
    Grant,
    Hold,
    Outcome,
    PooledSale,
    Refused,
    Request,
    Reservation,
    Reserved,
)
from commerce.goods.inventory.rules import describe_grant
from commerce.goods.press_rules.model import Press
from commerce.goods.press_rules.service import PressGate
from commerce.kernel.errors import CommerceError, not_found
from commerce.kernel.ids import reservation_id
from commerce.kernel.ports import Database, Transaction
from commerce.records.rounds.store import HELD_UP, LOST_CONNECTION

Told = TypeVar("Told")

# A lost connection, or a row in other hands, is asked again for this long; then the buyer asks
# again with the same key.
UNKNOWN_AFTER_MS = 5_000
RETRY_PAUSE_S = 0.05
ACQUIRE_TIMEOUT_S = 2.0
# By number; looking one up is cheaper than making it, and every press needs one.
OUTCOMES = tuple(Outcome)
# How an answer is counted; the name of a member is dear to ask for.
NAMES = tuple(outcome.name.lower() for outcome in OUTCOMES)
# Whoever got one of these found the sale's window open.
OF_OPEN_SALES = frozenset(
    {
        Outcome.RESERVED,
        Outcome.LIMIT_REACHED,
        Outcome.SOLD_OUT,
        Outcome.HELD_OUT,
        Outcome.NOT_ENOUGH_LEFT,
    }
)
# A press of which nothing is known meets no rule that asks for something.
UNKNOWN_PRESS = Press()


class News(Protocol):
    """Who hears of committed changes that no transaction object announces."""

    def stock_changed(self, room_id: str, sale_id: str) -> None:
        """The figures of a sale changed."""

    def hold_expired(self, room_id: str, hold: Hold) -> None:
        """A buyer's hold has ended."""

    def pressed(self, sale_id: str, answer: str) -> None:
        """A press got this answer: `reserved`, or the refusal's name."""


OnAnswer = Callable[[Answer | CommerceError], None]


class _Aside(msgspec.Struct, frozen=True):
    """What a batch's refusals tell besides: who waits, and why sales are halted."""

    waiting: int | None
    reasons: Mapping[str, str | None]


class InventoryService:
    """The reservation core of one process."""

    def __init__(
        self,
        connections: store.Connections,
        database: Database,
        news: News,
        monotonic_ms: Callable[[], int],
    ) -> None:
        self._connections = connections
        self._database = database
        self.news = news
        self._monotonic_ms = monotonic_ms
        self._latches = Latches(monotonic_ms)
        self._batchers: dict[str, PoolBatcher] = {}
        self._sales = KnownSales(self.ask, monotonic_ms)
        self._gate = PressGate(self.ask, monotonic_ms)
        self.draw_gate = DrawGate(self.ask, monotonic_ms)

    async def reserve(
        self, *, user_id: str, sale_id: str, qty: int, key: str, press: Press = UNKNOWN_PRESS
    ) -> Answer:
        """Reserve `qty` units for a user; the answer is committed when it returns.

        Raises CommerceError `not_found`, `idempotency_conflict`, `overloaded`,
        `unknown_outcome`, or what `admit` does; a refusal of the stock is a value.
        """
        refused = self.refuse_at_once(user_id=user_id, sale_id=sale_id, key=key)
        if refused is not None:
            return refused
        return await self.decide(user_id=user_id, sale_id=sale_id, qty=qty, key=key, press=press)

    async def decide(
        self, *, user_id: str, sale_id: str, qty: int, key: str, press: Press = UNKNOWN_PRESS
    ) -> Answer:
        """Let the database decide a press that `refuse_at_once` did not; as `reserve` otherwise."""
        sale = await self.find_sale(sale_id)
        await self.draw_gate.check(sale)
        request = Request(reservation_id(user_id, sale_id, key), sale_id, user_id, qty)
        if sale.rules is not None:
            await self.admit(sale, press, user_id=user_id, id=request.id)
        answer = self._conclude(sale_id, await self._batcher(sale.pool_id).submit(request))
        if isinstance(answer, CommerceError):
            raise answer
        return answer

    def take(self, *, user_id: str, sale_id: str, qty: int, key: str, on_answer: OnAnswer) -> bool:
        """Take a press on without a task of its own, or return False: then call `decide`.

        That is what the crowd of an opening needs: its presses are refused by the latch or queue
        for the next batch. `on_answer` is called once, now or later, as `decide` would return or
        raise. A press about which more is to be asked first is left to `decide`; one for a sale
        that the database had not a moment ago is refused.
        """
        sale = self._sales.get(sale_id)
        if sale is None:
            if self._sales.is_absent(sale_id):
                on_answer(not_found("sale"))
                return True
            return False
        refused = self._refuse_latched(sale, user_id=user_id, key=key)
        answer = refused or self.draw_gate.refuse_at_once(sale)
        if answer is not None:
            on_answer(answer)
            return True
        if sale.rules is not None or self.draw_gate.asks_about(sale):
            return False
        request = Request(reservation_id(user_id, sale_id, key), sale_id, user_id, qty)
        self._batcher(sale.pool_id).take(
            request, lambda answer: on_answer(self._conclude(sale_id, answer))
        )
        return True

    def _conclude(self, sale_id: str, answer: Answer | CommerceError) -> Answer | CommerceError:
        """Count what a press was answered, and name what is no outcome of a sale."""
        if isinstance(answer, Refused):
            if answer.outcome is Outcome.CONFLICT:
                return CommerceError(
                    "idempotency_conflict", "This key was used for another quantity."
                )
            if answer.outcome is Outcome.NO_SUCH_SALE:
                return not_found("sale")
            self.news.pressed(sale_id, NAMES[answer.outcome])
        elif isinstance(answer, Reserved):
            self.news.pressed(sale_id, "reserved")
        return answer

    async def admit(self, sale: PooledSale, press: Press, *, user_id: str, id: str) -> None:
        """Let a press through, or raise the refusal of its sale's own rules.

        A request whose `id` has a row, or is under way, passes: it is a retry. Raises
        `slow_down`, `not_present_long_enough`, `permit_required` or `permit_invalid`.
        """
        batcher = self._batchers.get(sale.pool_id)
        if batcher is not None and batcher.has(id):
            return
        refusal = await self._gate.judge(sale, press, user_id=user_id, id=id)
        if refusal is not None:
            self.news.pressed(sale.id, refusal.code)
            raise refusal

    def refuse_at_once(self, *, user_id: str, sale_id: str, key: str) -> Refused | None:
        """Refuse a press from the latch; None when the database must be asked: call `decide`.

        A `sale_id` that is not canonical is not known here, so it needs no check before.
        """
        sale = self._sales.get(sale_id)
        return None if sale is None else self._refuse_latched(sale, user_id=user_id, key=key)

    def _refuse_latched(self, sale: PooledSale, *, user_id: str, key: str) -> Refused | None:
        refused = self._latches.answer(
            sale.pool_id,
            user_id=user_id,
            sale_id=sale.id,
            name_id=partial(reservation_id, user_id, sale.id, key),
        )
        if refused is not None:
            self.news.pressed(sale.id, NAMES[refused.outcome])
        return refused

    async def release(self, *, user_id: str, reservation_id: str) -> Reservation:
        """Give a hold back; its units are free at once. Repeating it changes nothing."""
        async with self._database.transaction() as transaction:
            seen = await store.select_reservation(transaction, reservation_id)
            if seen.user_id != user_id:
                raise not_found("reservation")
            after = seen
            if seen.state == "held":  # Whatever else it is, there is no unit to free.
                after = await self._free_held(transaction, seen)
        if after.state in ("held", "paying", "sold"):
            raise CommerceError(
                "wrong_state",
                f"The reservation is {after.state}; cancel its order instead.",
                detail={"state": after.state},
            )
        if seen.state == "held":
            self._latches.clear(seen.pool_id)
        return after

    async def _free_held(
        self, transaction: Transaction, mine: store.PlacedReservation
    ) -> store.PlacedReservation:
        """Free a hold under its pool's lock, if it still is one; return what it is then."""
        await store.lock_pools(transaction, [mine.pool_id])
        await store.lock_reservation(transaction, mine.id)
        freed = await store.free_reservations(
            transaction,
            pool_id=mine.pool_id,
            reservation_ids=[mine.id],
            from_states=["held"],
            to_state="released",
        )
        if freed:
            transaction.touch(mine.room_id, mine.sale_id)
        return await store.select_reservation(transaction, mine.id)

    async def list_holds(self, user_id: str) -> list[store.PlacedReservation]:
        """Return the live holds of a user, newest first."""
        async with self._database.reading() as connection:
            return await store.select_live_of_user(connection, user_id)

    def forget_latches(self, pool_ids: Sequence[str]) -> None:
        """Let the database decide again for these pools."""
        for pool_id in pool_ids:
            self._latches.clear(pool_id)

    async def find_sale(self, sale_id: str) -> PooledSale:
        """Return where a sale's stock lies, from memory when it is known; raises `not_found`."""
        return await self._sales.find(sale_id)

    def _batcher(self, pool_id: str) -> PoolBatcher:
        batcher = self._batchers.get(pool_id)
        if batcher is None:
            for idle in [id for id, other in self._batchers.items() if other.is_idle]:
                del self._batchers[idle]
            batcher = self._batchers[pool_id] = PoolBatcher(
                pool_id, self._decide, self._refuse_waiting
            )
        return batcher

    def _refuse_waiting(self, pool_id: str, request: Request) -> Refused | None:
        """Refuse a press that waited for a batch from what that batch has latched."""
        return self._latches.answer(
            pool_id,
            user_id=request.user_id,
            sale_id=request.sale_id,
            name_id=lambda: request.id,
        )

    async def _decide(self, pool_id: str, requests: list[Request]) -> list[Answer | CommerceError]:
        """Decide a batch; one bad request in it costs the others nothing."""
        return await decide_by_halves(requests, lambda part: self._decide_at_once(pool_id, part))

    async def _decide_at_once(
        self, pool_id: str, requests: list[Request]
    ) -> list[Answer | CommerceError]:
        """Decide a batch in one commit, and tell what came of it."""
        result = await self.ask(partial(store.reserve_batch, pool_id=pool_id, requests=requests))
        waiting = await self._latch(pool_id, requests, result)
        await self._spread(requests, result)
        aside = _Aside(waiting, await self._reasons(requests, result))
        return [
            self._answer(request, index, result, aside) for index, request in enumerate(requests)
        ]

    async def _reasons(self, requests: list[Request], result: BatchResult) -> dict[str, str | None]:
        """Return why the sales of a batch that are halted are: one question a batch."""
        halted = {
            request.sale_id
            for request, outcome in zip(requests, result.outcomes, strict=True)
            if outcome == Outcome.HALTED
        }
        if not halted:
            return {}
        try:
            return await self.ask(partial(store.select_reasons, sale_ids=sorted(halted)))
        except (CommerceError, *store.REFUSED_BY_DATABASE):
            # The refusal itself is decided; that its sentence is missing must not undo it.
            return {}

    async def ask(self, question: Callable[[Any], Awaitable[Told]]) -> Told:
        """Ask again after a lost connection: the ids make a repeated batch meet its own rows.

        As well when the server ends the wait for a row, by its lock timeout or out of a deadlock:
        the whole question again.
        Raises `unknown_outcome` when there is no answer for `UNKNOWN_AFTER_MS`: of the last try it
        is known that nothing was committed, of one before it, or of an earlier press, it is not.
        """
        started_ms = self._monotonic_ms()
        while True:
            try:
                async with self._connections.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
                    return await store.ask_or_cut(connection, question)
            except (*LOST_CONNECTION, *HELD_UP):
                if self._monotonic_ms() - started_ms > UNKNOWN_AFTER_MS:
                    raise unknown_outcome() from None
                await asyncio.sleep(RETRY_PAUSE_S)

    async def _latch(
        self, pool_id: str, requests: list[Request], result: BatchResult
    ) -> int | None:
        """Remember that open sales have no unit free, with the ids that a retry may still own.

        Returns how many wait for what comes free, when the pool is held out and that is known.
        """
        open_sales = frozenset(
            request.sale_id
            for request, outcome in zip(requests, result.outcomes, strict=True)
            if outcome in OF_OPEN_SALES
        )
        if result.available > 0 or not open_sales:
            self._latches.clear(pool_id)
            return None
        outcome = Outcome.SOLD_OUT if result.sold == result.total else Outcome.HELD_OUT
        read_at_ms = self._monotonic_ms()
        owned = self._latches.owned(pool_id, result.pool_version)
        waiting = None
        try:
            if owned is None:
                owned = await self.ask(partial(store.select_owned, pool_id=pool_id))
            if outcome is Outcome.HELD_OUT and Outcome.HELD_OUT in result.outcomes:
                waiting = await self.ask(partial(store.count_waiting, pool_id=pool_id))
        except (CommerceError, *store.REFUSED_BY_DATABASE):
            return None
        latch = Latch(outcome, result.pool_version, read_at_ms, owned, open_sales, waiting)
        self._latches.set(pool_id, latch)
        return waiting

    async def _spread(self, requests: list[Request], result: BatchResult) -> None:
        """Tell of the figures that changed and the holds that ended with this batch."""
        changed = {
            request.sale_id
            for request, outcome in zip(requests, result.outcomes, strict=True)
            if outcome == Outcome.RESERVED
        }
        for sale_id in changed:
            self.news.stock_changed(self._sales[sale_id].room_id, sale_id)
        await self.tell_expired(result.expired)

    async def tell_expired(self, holds: Sequence[Hold]) -> None:
        """Tell of holds that a decision of this process has ended."""
        for hold in holds:
            with contextlib.suppress(CommerceError):
                sale = await self.find_sale(hold.sale_id)
                self.news.stock_changed(sale.room_id, sale.id)
                self.news.hold_expired(sale.room_id, hold)

    def _answer(self, request: Request, index: int, result: BatchResult, aside: _Aside) -> Answer:
        outcome = OUTCOMES[result.outcomes[index]]
        if outcome not in (Outcome.RESERVED, Outcome.REPLAYED):
            opens_at = result.opens_at[index]
            return Refused(
                outcome,
                result.pool_version,
                opens_in_ms=max(0, opens_at - result.now_ms) if opens_at else None,
                available=result.available,
                waiting=aside.waiting,
                reason=aside.reasons.get(request.sale_id) if outcome is Outcome.HALTED else None,
            )
        grant = Grant(
            result.prices[index],
            result.shown_until[index],
            result.versions[index] or result.pool_version,
            result.states[index],
            result.now_ms,
        )
        return describe_grant(request, self._sales[request.sale_id], grant)
