"""Remember where the stock of sales lies: every press needs it, and it never changes.

Invariants: what was pressed last is forgotten last, so a batch under way finds its sales here; that
a sale is not there is believed for a second, and not at all once the sale was found.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from commerce.goods.inventory import store
from commerce.goods.inventory.model import PooledSale
from commerce.goods.inventory.sharing import SharedQuestions
from commerce.kernel.errors import not_found

# Far more than any show has.
KNOWN_SALES_MAX = 10_000
# So long no sale is looked for again under an id that had none. Ids are made by the shop, so nobody
# has one before its sale is committed; a second bounds what a host who foresees an id can miss.
ABSENT_MS = 1_000
# As many different wrong ids as a process remembers; with more, the oldest are asked about again.
ABSENT_MAX = 10_000

Ask = Callable[[Callable[[Any], Awaitable[PooledSale | None]]], Awaitable[PooledSale | None]]


class KnownSales:
    """The sales that one process has met; `ask` lends a connection."""

    def __init__(self, ask: Ask, monotonic_ms: Callable[[], int]) -> None:
        self._ask = ask
        self._monotonic_ms = monotonic_ms
        self._absent: dict[str, int] = {}
        """When the database had no sale of an id, the oldest first."""
        self._sales: dict[str, PooledSale] = {}
        self._lookups: SharedQuestions[PooledSale | None] = SharedQuestions()

    def __getitem__(self, sale_id: str) -> PooledSale:
        """Return a sale of a press that is under way."""
        return self._sales[sale_id]

    def get(self, sale_id: str) -> PooledSale | None:
        """Return a sale that is known, and remember that it was pressed."""
        sale = self._sales.pop(sale_id, None)
        if sale is not None:
            self._sales[sale_id] = sale
        return sale

    def is_absent(self, sale_id: str) -> bool:
        """Say whether the database had no such sale a moment ago."""
        seen_ms = self._absent.get(sale_id)
        return seen_ms is not None and self._monotonic_ms() - seen_ms < ABSENT_MS

    async def find(self, sale_id: str) -> PooledSale:
        """Return a sale, asking the database when it is not known; raises `not_found`.

        A sale opens for everybody at once, and each process meets it for the first time then: the
        question is asked once for all who press in that moment.
        """
        sale = self.get(sale_id)
        if sale is None:
            if self.is_absent(sale_id):
                raise not_found("sale")
            sale = await self._lookups.ask(sale_id, lambda: self._question(sale_id))
            if sale is None:
                self._note_absent(sale_id)
                raise not_found("sale")
            self._absent.pop(sale_id, None)
            self._sales.pop(sale_id, None)
            if len(self._sales) >= KNOWN_SALES_MAX:
                del self._sales[next(iter(self._sales))]
            self._sales[sale_id] = sale
        return sale

    def _note_absent(self, sale_id: str) -> None:
        self._absent.pop(sale_id, None)
        if len(self._absent) >= ABSENT_MAX:
            del self._absent[next(iter(self._absent))]
        self._absent[sale_id] = self._monotonic_ms()

    async def _question(self, sale_id: str) -> PooledSale | None:
        return await self._ask(partial(store.select_pooled_sale, sale_id=sale_id))
