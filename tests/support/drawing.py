"""Make draws in a test's own database, and let their entries close without waiting."""

from __future__ import annotations

import asyncio
import uuid

from commerce.goods.inventory.service import InventoryService
from commerce.sales.draws.model import DrawPage, Entry
from commerce.sales.draws.service import Draws
from commerce.sales.flash_sales.model import FlashSaleTerms
from commerce.sales.flash_sales.service import arm, open_one
from server.db.database import PgDatabase
from server.wiring.sources import FreshIds
from tests.support.shop import Shop


async def arm_draw_sale(
    database: PgDatabase, shop: Shop, *, is_open: bool = True, **overrides: int
) -> str:
    """Arm a sale that is drawn and return its id; it opens at once by default."""
    terms = {"quantity": 5, "per_buyer": 2, "countdown_s": 0, "duration_s": 3600} | overrides
    async with database.transaction() as transaction:
        sale_id, _ = await arm(
            transaction,
            FreshIds(),
            shop.room,
            FlashSaleTerms(sku=shop.sku, price_minor=19_900, fairness="draw", **terms),
            key=str(uuid.uuid4()),
        )
        if is_open:
            await open_one(transaction, sale_id)
    return sale_id


async def close_entries(database: PgDatabase, sale_id: str) -> None:
    """Move the end of the window to this moment, as if the time had passed."""
    async with database.transaction() as transaction:
        await transaction.execute(
            "UPDATE draws SET entry_closes_at_ms = clock_ms() WHERE sale_id = $1", sale_id
        )


async def enter_many(draws: Draws, sale_id: str, wants: list[int]) -> list[tuple[str, Entry]]:
    """Enter one fresh buyer for each quantity, all at once; returns (buyer, entry)."""
    users = [str(uuid.uuid4()) for _ in wants]
    entries = await asyncio.gather(
        *(
            draws.enter(user_id=user, sale_id=sale_id, qty=qty, key="k")
            for user, qty in zip(users, wants, strict=True)
        )
    )
    return list(zip(users, entries, strict=True))


async def whole_draw(
    database: PgDatabase, inventory: InventoryService, sale_id: str
) -> tuple[DrawPage, list[tuple[str, int]], list[str]]:
    """Return a draw's public data: the last page, all entries, all winners."""
    draws, after = Draws(database, inventory), None
    entries: list[tuple[str, int]] = []
    winners: list[str] = []
    while True:
        page = await draws.read_page(sale_id, after=after)
        entries += page.entries
        winners += page.winners
        if page.is_end:
            return page, entries, winners
        after = page.entries[-1][0]
