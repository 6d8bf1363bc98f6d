"""Have the database decide batches, and tell what came of them.

Invariant: a batch is one commit; what it left of its pool is latched before any loser hears of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from commerce.goods.inventory import store
from commerce.goods.inventory.halving import decide_by_halves
from commerce.goods.inventory.known_sales import KnownSales
from commerce.goods.inventory.latch import Latch, Latches
from commerce.goods.inventory.model import (
    Answer,
    BatchResult,
    Grant,
    Hold,
    Outcome,
    Refused,
    Request,
)
from commerce.goods.inventory.news import News
from commerce.goods.inventory.rules import describe_grant
from commerce.kernel.errors import CommerceError

# By number; looking one up is cheaper than making it, and every press needs one.
OUTCOMES = tuple(Outcome)
# As many live reservations of a pool as a process remembers for a latch; of more, a press is
# looked up by its id instead.
OWNED_MAX = 20_000
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
# Whoever got one of these owns the reservation of its request's id.
OF_OWNERS = frozenset({Outcome.RESERVED, Outcome.REPLAYED})

TellEarly = Callable[[Sequence[tuple[Request, Answer]]], None]
Ask = Callable[[Callable[[Any], Awaitable[Any]]], Awaitable[Any]]


class _Aside(msgspec.Struct, frozen=True):
    """What a batch's refusals tell besides: who waits, and why sales are halted."""

    waiting: int | None
    reasons: Mapping[str, str | None]


class Decider:
    """Decides for one process; `ask` lends a connection of the reservation core."""

    def __init__(
        self,
        ask: Ask,
        news: News,
        sales: KnownSales,
        latches: Latches,
        monotonic_ms: Callable[[], int],
    ) -> None:
        self._ask = ask
        self._news = news
        self._sales = sales
        self._latches = latches
        self._monotonic_ms = monotonic_ms

    async def decide(
        self, pool_id: str, requests: list[Request], *, tell_early: TellEarly
    ) -> list[Answer | CommerceError]:
        """Decide a batch; one bad request in it costs the others nothing.

        `tell_early` is told of those that own a reservation, as soon as that is committed.
        """
        return await decide_by_halves(
            requests, lambda part: self._decide_at_once(pool_id, part, tell_early)
        )

    async def _decide_at_once(
        self, pool_id: str, requests: list[Request], tell_early: TellEarly
    ) -> list[Answer | CommerceError]:
        """Decide a batch in one commit, and tell what came of it.

        The winners first: what the others are told, and the latch, take questions of their own.
        """
        asked_ms, clears = self._monotonic_ms(), self._latches.clears_of(pool_id)
        result = await self._ask(partial(store.reserve_batch, pool_id=pool_id, requests=requests))
        await self._spread(requests, result)
        grants = {
            index: self._describe(request, index, result)
            for index, request in enumerate(requests)
            if result.outcomes[index] in OF_OWNERS
        }
        tell_early([(requests[index], grant) for index, grant in grants.items()])
        waiting = await self._latch(pool_id, requests, result, asked_ms, clears)
        aside = _Aside(waiting, await self._reasons(requests, result))
        return [
            grants[index] if index in grants else self._refuse(request, index, result, aside)
            for index, request in enumerate(requests)
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
            reasons: dict[str, str | None] = await self._ask(
                partial(store.select_reasons, sale_ids=sorted(halted))
            )
        except (CommerceError, *store.REFUSED_BY_DATABASE):
            # The refusal itself is decided; that its sentence is missing must not undo it.
            return {}
        return reasons

    async def _latch(
        self,
        pool_id: str,
        requests: list[Request],
        result: BatchResult,
        asked_ms: int,
        clears: int,
    ) -> int | None:
        """Remember that open sales have no unit free, with the ids that a retry may still own.

        It was so at some moment after `asked_ms`, and is believed as if it had been then, unless
        the pool was cleared since it was asked: the `clears` of that moment tell.
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
        outcome = Outcome.SOLD_OUT if result.is_sold_out else Outcome.HELD_OUT
        before = self._latches.of_version(pool_id, result.pool_version)
        owned = before.owned if before is not None else None
        waiting = None
        try:
            if before is None:
                select = partial(store.select_owned, pool_id=pool_id, at_most=OWNED_MAX)
                owned = await self._ask(select)
            if outcome is Outcome.HELD_OUT and Outcome.HELD_OUT in result.outcomes:
                waiting = await self._ask(partial(store.count_waiting, pool_id=pool_id))
        except (CommerceError, *store.REFUSED_BY_DATABASE):
            return None
        latch = Latch(outcome, result.pool_version, asked_ms, owned, open_sales, waiting)
        self._latches.set(pool_id, latch, clears=clears)
        return waiting

    async def _spread(self, requests: list[Request], result: BatchResult) -> None:
        """Tell of the figures that changed and the holds that ended with this batch."""
        changed = {
            request.sale_id
            for request, outcome in zip(requests, result.outcomes, strict=True)
            if outcome == Outcome.RESERVED
        }
        for sale_id in changed:
            self._news.stock_changed(self._sales[sale_id].room_id, sale_id)
        await self.tell_expired(result.expired)

    async def tell_expired(self, holds: Sequence[Hold]) -> None:
        """Tell of holds that a decision of this process has ended.

        It is committed: that a hold's room is not found must not undo what was decided with it.
        """
        for hold in holds:
            with contextlib.suppress(CommerceError, *store.REFUSED_BY_DATABASE):
                sale = await self._sales.find(hold.sale_id)
                self._news.stock_changed(sale.room_id, sale.id)
                self._news.hold_expired(sale.room_id, hold)

    def _refuse(self, request: Request, index: int, result: BatchResult, aside: _Aside) -> Refused:
        outcome = OUTCOMES[result.outcomes[index]]
        opens_at = result.opens_at[index] if outcome is Outcome.NOT_OPEN else None
        return Refused(
            outcome,
            result.pool_version,
            opens_in_ms=max(0, opens_at - result.now_ms) if opens_at else None,
            available=result.available,
            waiting=aside.waiting,
            reason=aside.reasons.get(request.sale_id) if outcome is Outcome.HALTED else None,
        )

    def _describe(self, request: Request, index: int, result: BatchResult) -> Answer:
        grant = Grant(
            result.prices[index],
            result.shown_until[index],
            result.versions[index] or result.pool_version,
            result.states[index],
            result.now_ms,
        )
        return describe_grant(request, self._sales[request.sale_id], grant)
