"""Enter a draw, take an entry back, draw, and tell those who entered.

Invariants: no answer leaves before its COMMIT; an entry that was answered is in the draw; a draw is
done once, whole, in one transaction, whoever runs the job and however often.
"""

from __future__ import annotations

from functools import partial

from commerce.goods.inventory.batcher import Batcher
from commerce.goods.inventory.halving import decide_by_halves
from commerce.goods.inventory.model import Request
from commerce.goods.inventory.service import UNKNOWN_PRESS, InventoryService
from commerce.goods.inventory.store import select_reservation
from commerce.goods.press_rules.model import Press
from commerce.goods.waiting_list.model import LIST_MAX
from commerce.kernel.errors import CommerceError, not_found
from commerce.kernel.ids import draw_entry_id
from commerce.kernel.ports import Database
from commerce.records.rounds.service import Rounds
from commerce.sales.draws import store
from commerce.sales.draws.model import DrawPage, Entered, Entering, Entry, Receipt, Refusal
from commerce.sales.draws.views import entry_refused, view_drawn, view_lost, view_won

# A page of public data is 400 KB; the entries of a big show are a few of them.
ENTRIES_A_PAGE_MAX = 10_000
# Draws held, and drawn sales whose entrants are told, in one round of the worker.
DRAWS_A_ROUND_MAX = 20
# Each of them is one message; the next round comes a moment later.
TOLD_A_ROUND_MAX = 500


class Draws:
    """The draws as buyers use them, in one process."""

    def __init__(self, database: Database, inventory: InventoryService) -> None:
        self._database = database
        self._inventory = inventory
        self._batchers: dict[str, Batcher[Entered]] = {}

    async def enter(
        self, *, user_id: str, sale_id: str, qty: int, key: str, press: Press = UNKNOWN_PRESS
    ) -> Entry:
        """Enter a buyer; the entry is committed when it returns.

        A repeated key returns the same entry as it is now. Raises `not_found`,
        `idempotency_conflict`, `overloaded`, `unknown_outcome`, the refusal of `Entering`, or that
        of the sale's own rules.
        """
        sale = await self._inventory.find_sale(sale_id)
        request = Request(draw_entry_id(user_id, sale_id, key), sale_id, user_id, qty)
        if sale.rules is not None:
            await self._inventory.admit(sale, press, user_id=user_id, id=request.id)
        answer = await self._batcher(sale_id).submit(request)
        if isinstance(answer, Entry):
            self._inventory.news.stock_changed(sale.room_id, sale_id)
            return answer
        if answer.outcome is Entering.NO_SUCH_SALE:
            raise not_found("sale")
        if answer.outcome is Entering.CONFLICT:
            raise CommerceError("idempotency_conflict", "This key was used for another quantity.")
        self._inventory.news.pressed(sale_id, answer.outcome.name.lower())
        raise entry_refused(answer)

    async def withdraw(self, *, user_id: str, sale_id: str) -> Receipt:
        """Take a buyer's entry back; repeating it changes nothing.

        Raises `not_found` for somebody who never entered, and `entries_closed`.
        """
        async with self._database.transaction() as transaction:
            await store.withdraw(transaction, sale_id, user_id)
            mine = await store.select_mine(transaction, sale_id, user_id)
            if mine is None:
                raise not_found("entry")
            if mine.state != "withdrawn":
                raise entry_refused(Refusal(Entering.ENTRIES_CLOSED))
            transaction.touch(mine.room_id, sale_id)
        return mine

    async def find_mine(self, *, user_id: str, sale_id: str) -> Receipt | None:
        """Return a buyer's entry as it is now, None for who never entered.

        Raises `not_found` for a sale that is not drawn.
        """
        async with self._database.reading() as connection:
            mine = await store.select_mine(connection, sale_id, user_id)
            if mine is None and not await store.has_draw(connection, sale_id):
                raise not_found("draw")
        return mine

    async def read_page(self, sale_id: str, *, after: str | None) -> DrawPage:
        """Return what anybody may know of a draw, entries behind an id; raises `not_found`."""
        async with self._database.reading() as connection:
            return await store.select_page(
                connection, sale_id, after=after, limit=ENTRIES_A_PAGE_MAX
            )

    def _batcher(self, sale_id: str) -> Batcher[Entered]:
        batcher = self._batchers.get(sale_id)
        if batcher is None:
            for idle in [id for id, other in self._batchers.items() if other.is_idle]:
                del self._batchers[idle]
            batcher = self._batchers[sale_id] = Batcher(sale_id, self._decide)
        return batcher

    async def _decide(self, sale_id: str, requests: list[Request]) -> list[Entered | CommerceError]:
        """Decide a batch; one bad request in it costs the others nothing."""
        return await decide_by_halves(requests, lambda part: self._decide_at_once(sale_id, part))

    async def _decide_at_once(
        self, sale_id: str, requests: list[Request]
    ) -> list[Entered | CommerceError]:
        """Decide a batch in one commit."""
        result = await self._inventory.ask(
            partial(store.enter_batch, sale_id=sale_id, requests=requests)
        )
        opens_in_ms = max(0, result.opens_at - result.now_ms) if result.opens_at else None
        answers: list[Entered | CommerceError] = []
        for request, number, is_withdrawn in zip(
            requests, result.outcomes, result.is_withdrawn, strict=True
        ):
            outcome = Entering(number)
            if outcome in (Entering.ENTERED, Entering.REPLAYED):
                state = "withdrawn" if is_withdrawn else "entered"
                answers.append(Entry(request.id, sale_id, request.qty, state))
            else:
                answers.append(Refusal(outcome, opens_in_ms))
        return answers


async def hold_due_draws(database: Database, rounds: Rounds | None = None) -> int:
    """Job: draw what is due, and tell the room; return how many draws were done.

    Safe to run twice at once, and to be killed: whoever comes second finds it done, or nothing.
    """

    async def hold(sale_id: str) -> int:
        async with database.transaction() as transaction:
            if not await store.hold_draw(transaction, sale_id, LIST_MAX):
                return 0
            drawn = await store.select_drawn(transaction, sale_id)
            transaction.announce(drawn.room_id, "flash.drawn", view_drawn(drawn))
            transaction.touch(drawn.room_id, sale_id)
        return 1

    rounds = rounds or Rounds()
    return await rounds.run(database, store.select_due, hold, limit=DRAWS_A_ROUND_MAX)


async def tell_entrants(database: Database, rounds: Rounds | None = None) -> int:
    """Job: tell those who entered how they fared, by rank; return how many were told.

    Safe to run twice at once; each is told at most once, and the receipt is the truth.
    """

    async def tell(sale_id: str) -> int:
        async with database.transaction() as transaction:
            receipts = await store.take_untold(transaction, sale_id, TOLD_A_ROUND_MAX)
            for mine in receipts:
                if mine.reservation_id is None:
                    payload = view_lost(mine)
                    transaction.tell(mine.room_id, mine.user_id, "draw.lost", payload)
                else:
                    held = await select_reservation(transaction, mine.reservation_id)
                    payload = view_won(mine, held)
                    transaction.tell(mine.room_id, mine.user_id, "draw.won", payload)
        return len(receipts)

    rounds = rounds or Rounds()
    return await rounds.run(database, store.select_untold, tell, limit=DRAWS_A_ROUND_MAX)
