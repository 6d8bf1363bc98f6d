"""Join a waiting list, leave it, and tell those whose turn it is.

Invariant: who comes next is decided in the database, in the transaction that frees the units; what
is told here is a courtesy, made at most once, and the row is the truth.
"""

from __future__ import annotations

from commerce.goods.inventory.rules import SaleTerms
from commerce.goods.inventory.service import UNKNOWN_PRESS, InventoryService
from commerce.goods.inventory.store import free_reservations as free
from commerce.goods.inventory.store import (
    lock_pools,
    lock_reservation,
    select_pooled_sale,
    select_reservation,
)
from commerce.goods.inventory.sweeper import expire_pool
from commerce.goods.press_rules.model import Press
from commerce.goods.waiting_list import store
from commerce.goods.waiting_list.model import LIST_MAX, Entry, Join, Line, Wish
from commerce.goods.waiting_list.rules import decide_join
from commerce.goods.waiting_list.views import already_waiting, join_refused, view_closed, view_offer
from commerce.kernel.errors import CommerceError, not_found
from commerce.kernel.ids import entry_id as derive_entry_id
from commerce.kernel.ports import Connection, Database, Transaction
from commerce.records.rounds.service import Rounds

# One round is bounded, so that an offer is told in the moment that it is made.
TOLD_A_ROUND_MAX = 500
TENDED_A_ROUND_MAX = 100
# What is as true of a plain read as under the pool's lock.
UNLOCKED = frozenset({Join.REPLAYED, Join.CONFLICT, Join.ALREADY_WAITING, Join.LIST_FULL})


class WaitingList:
    """The waiting lists, as buyers use them."""

    def __init__(self, database: Database, inventory: InventoryService) -> None:
        self._database = database
        self._inventory = inventory

    async def join(
        self, *, user_id: str, sale_id: str, qty: int, key: str, press: Press = UNKNOWN_PRESS
    ) -> Entry:
        """Put a buyer at the end of the line of a sale that is held out; return the entry.

        A repeated key returns the same entry as it is now. Raises `not_found`,
        `idempotency_conflict`, `draw_only`, the refusal that `decide_join` names, or that of the
        sale's own rules: waiting for units is no way around them.
        """
        wish = Wish(derive_entry_id(user_id, sale_id, key), sale_id, user_id, qty)
        known = await self._inventory.find_sale(sale_id)
        await self._inventory.draw_gate.check(known)
        if known.rules is not None:
            await self._inventory.admit(known, press, user_id=user_id, id=wish.id)
        entry = await self._find_unlocked(wish)
        if entry is not None:
            return entry
        async with self._database.transaction() as transaction:
            sale = await select_pooled_sale(transaction, sale_id)
            if sale is None:
                raise not_found("sale")
            await lock_pools(transaction, [sale.pool_id])
            await expire_pool(transaction, sale.pool_id)
            terms = await store.select_terms(transaction, sale_id)
            line = await store.select_line(transaction, wish)
            join = decide_join(terms, line, wish)
            if join is Join.JOINED:
                await store.insert_entry(transaction, sale.pool_id, wish)
                transaction.touch(sale.room_id, sale_id)
            return await self._answer(transaction, wish, join, (terms, line))

    async def leave(self, *, user_id: str, entry_id: str) -> Entry:
        """Take a buyer out of the line; an offer is passed on to the next in the same moment.

        Repeating it changes nothing. Raises `not_found`, or `wrong_state` for an offer that is
        on an order.
        """
        async with self._database.transaction() as transaction:
            mine = await store.select_entry(transaction, entry_id)
            if mine.user_id != user_id:
                raise not_found("entry")
            await lock_pools(transaction, [mine.pool_id])
            if not await store.leave(transaction, entry_id):
                await self._pass_on(transaction, entry_id)
            transaction.touch(mine.room_id, mine.sale_id)
            after = await store.select_entry(transaction, entry_id)
        if after.state in ("offered", "bought"):
            raise CommerceError(
                "wrong_state",
                "The offer is on an order; cancel that instead.",
                detail={"state": after.state},
            )
        self._inventory.forget_latches([mine.pool_id])
        return after

    async def list_entries(self, user_id: str) -> list[Entry]:
        """Return the entries of a user that wait or have an offer, newest first."""
        async with self._database.reading() as connection:
            return await store.select_live_of_user(connection, user_id)

    async def _find_unlocked(self, wish: Wish) -> Entry | None:
        """Answer what changes nothing without taking the hot row; None when it has to be decided.

        A buyer who asks again has an entry; a crowd in front of a full line gets no place.
        """
        async with self._database.reading() as connection:
            if not await store.select_glance(connection, wish, LIST_MAX):
                return None
            terms = await store.select_terms(connection, wish.sale_id)
            line = await store.select_line(connection, wish)
            join = decide_join(terms, line, wish)
            if join not in UNLOCKED:
                return None
            return await self._answer(connection, wish, join, (terms, line))

    async def _answer(
        self, connection: Connection, wish: Wish, join: Join, seen: tuple[SaleTerms, Line]
    ) -> Entry:
        """Return the entry that a wish has, or raise the refusal."""
        terms, line = seen
        if join is Join.ALREADY_WAITING:
            assert line.live_entry is not None
            raise already_waiting(await store.select_entry(connection, line.live_entry))
        if join not in (Join.JOINED, Join.REPLAYED):
            raise join_refused(join, terms, line)
        return await store.select_entry(connection, wish.id)

    async def _pass_on(self, transaction: Transaction, entry_id: str) -> None:
        entry = await store.select_entry(transaction, entry_id)
        if entry.state != "offered" or entry.reservation_id is None:
            return
        await lock_reservation(transaction, entry.reservation_id)
        await free(
            transaction,
            pool_id=entry.pool_id,
            reservation_ids=[entry.reservation_id],
            from_states=["held"],
            to_state="released",
        )


async def tend_lines(database: Database, rounds: Rounds | None = None) -> None:
    """Job: serve and close what no event has: a sale that time ended, a last unit paid."""

    async def tend(pool_id: str) -> None:
        async with database.transaction() as transaction:
            await store.tend(transaction, pool_id)

    rounds = rounds or Rounds()
    await rounds.run(database, store.select_to_tend, tend, limit=TENDED_A_ROUND_MAX)


async def tell_waiters(database: Database) -> int:
    """Job: tell those who got an offer or wait in vain; return how many were told.

    Safe to run twice at once.
    """
    async with database.transaction() as transaction:
        entries = await store.take_untold(transaction, TOLD_A_ROUND_MAX)
        for entry in entries:
            transaction.touch(entry.room_id, entry.sale_id)
            if entry.state == "closed":
                transaction.tell(entry.room_id, entry.user_id, "waiting.closed", view_closed(entry))
            elif entry.state == "offered" and entry.reservation_id is not None:
                offered = await select_reservation(transaction, entry.reservation_id)
                transaction.tell(
                    entry.room_id, entry.user_id, "offer.made", view_offer(entry, offered)
                )
    return len(entries)
