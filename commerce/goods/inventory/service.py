"""Reserve and release stock: the promise a buyer gets, and the end of it.

Invariant: no answer leaves before its COMMIT; an outcome nobody knows is asked again with the
same ids, never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from commerce.goods.inventory import store
from commerce.goods.inventory.asking import Asker
from commerce.goods.inventory.batcher import PoolBatcher
from commerce.goods.inventory.deciding import Decider
from commerce.goods.inventory.draw_gate import DrawGate
from commerce.goods.inventory.known_sales import KnownSales
from commerce.goods.inventory.latch import Latches
from commerce.goods.inventory.model import (
    Answer,
    Outcome,
    PooledSale,
    Refused,
    Request,
    Reservation,
    Reserved,
)
from commerce.goods.inventory.news import News
from commerce.goods.press_rules.model import Press
from commerce.goods.press_rules.service import KnownIds, PressGate
from commerce.kernel.errors import CommerceError, not_found
from commerce.kernel.ids import reservation_id
from commerce.kernel.ports import Database, Transaction

# How an answer is counted; the name of a member is dear to ask for.
NAMES = tuple(outcome.name.lower() for outcome in Outcome)
# A press of which nothing is known meets no rule that asks for something.
UNKNOWN_PRESS = Press()


OnAnswer = Callable[[Answer | CommerceError], None]


class InventoryService:
    """The reservation core of one process."""

    def __init__(
        self,
        connections: store.Connections,
        database: Database,
        news: News,
        monotonic_ms: Callable[[], int],
    ) -> None:
        self._database = database
        self.news = news
        self.ask = Asker(connections, monotonic_ms).ask
        self._latches = Latches(monotonic_ms)
        self._batchers: dict[str, PoolBatcher] = {}
        self._sales = KnownSales(self.ask, monotonic_ms)
        self._decider = Decider(self.ask, news, self._sales, self._latches, monotonic_ms)
        self.tell_expired = self._decider.tell_expired
        self._known = KnownIds(self.ask)
        self._gate = PressGate(self.ask, self._known, monotonic_ms)
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
        refused = await self._refuse_looked_up(sale, request)
        if refused is not None:
            return refused
        answer = self._conclude(sale_id, await self._batcher(sale.pool_id).submit(request))
        if isinstance(answer, CommerceError):
            raise answer
        return answer

    def take(  # noqa: PLR0913 - what `decide` takes, and whom to tell.
        self,
        *,
        user_id: str,
        sale_id: str,
        qty: int,
        key: str,
        on_answer: OnAnswer,
        press: Callable[[], Press] = lambda: UNKNOWN_PRESS,
    ) -> bool:
        """Take a press on without a task of its own, or return False: then call `decide`.

        That is what the crowd of an opening needs: its presses are refused by the latch or queue
        for the next batch. `on_answer` is called once, now or later, as `decide` would return or
        raise. A press about which more is to be asked first, and one that a rule of its sale
        refuses, is left to `decide`; one for a sale that the database had not a moment ago is
        refused. `press` is asked where a sale has rules.
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
        if self.draw_gate.asks_about(sale) or self._latches.is_looked_up(sale.pool_id):
            return False
        request = Request(reservation_id(user_id, sale_id, key), sale_id, user_id, qty)
        batcher = self._batcher(sale.pool_id)
        if (
            sale.rules is not None
            and not batcher.has(request.id)
            and not self._gate.passes_at_once(sale, press(), user_id=user_id)
        ):
            return False
        batcher.take(request, lambda answer: on_answer(self._conclude(sale_id, answer)))
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

    async def _refuse_looked_up(self, sale: PooledSale, request: Request) -> Refused | None:
        """Refuse a press for a pool with too many owners to remember, unless it owns a row."""
        if self._latches.answer_stranger(sale.pool_id, sale.id) is None:
            return None
        if await self._known.is_known(request.id):
            return None
        # The look-up took its time; the reading may have run out meanwhile.
        refused = self._latches.answer_stranger(sale.pool_id, sale.id, may_renew=False)
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

    def saw_free(self, sale_id: str) -> None:
        """Forget what refuses presses for a sale: units of it were seen free, by viewers too."""
        sale = self._sales.get(sale_id)
        if sale is not None:
            self._latches.clear(sale.pool_id)

    async def find_sale(self, sale_id: str) -> PooledSale:
        """Return where a sale's stock lies, from memory when it is known; raises `not_found`."""
        return await self._sales.find(sale_id)

    def _batcher(self, pool_id: str) -> PoolBatcher:
        batcher = self._batchers.get(pool_id)
        if batcher is None:
            for idle in [id for id, other in self._batchers.items() if other.is_idle]:
                del self._batchers[idle]
            batcher = self._new_batcher(pool_id)
            self._batchers[pool_id] = batcher
        return batcher

    def _new_batcher(self, pool_id: str) -> PoolBatcher:
        """Return a queue whose winners hear of their luck before the losers can be told."""

        async def decide(pool_id: str, requests: list[Request]) -> list[Answer | CommerceError]:
            return await self._decider.decide(pool_id, requests, tell_early=batcher.tell_early)

        batcher = PoolBatcher(pool_id, decide, self._refuse_waiting)
        return batcher

    def _refuse_waiting(self, pool_id: str, request: Request) -> Refused | None:
        """Refuse a press that waited for a batch from what that batch has latched."""
        return self._latches.answer(
            pool_id,
            user_id=request.user_id,
            sale_id=request.sale_id,
            name_id=lambda: request.id,
        )
