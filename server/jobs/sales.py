"""Jobs around sales: open and end them, note sold out, give leftovers back, relay the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from commerce.kernel.ports import Connection, Database
from commerce.records.room_log.store import select_unpublished
from commerce.records.rounds.service import Rounds
from commerce.sales.flash_sales import service, store
from commerce.sales.flash_sales.model import FlashSale
from server.bridge import Announcer

# Somebody published within this time, or nobody will: then the relay does.
UNPUBLISHED_AFTER_MS = 250
RELAY_EVENTS_MAX = 500
# One round of a job is bounded, so that the worker's other jobs get their turn.
SALES_A_ROUND_MAX = 100


async def open_due_sales(database: Database, rounds: Rounds | None = None) -> None:
    """Tell rooms of sales whose moment has come."""

    async def open_apart(sale: FlashSale) -> None:
        async with database.transaction() as transaction:
            await service.open_one(transaction, sale.id)

    await _run(database, rounds, store.select_to_open, open_apart)


async def end_due_sales(database: Database, rounds: Rounds | None = None) -> None:
    """End sales whose time is over."""

    async def end(sale: FlashSale) -> None:
        async with database.transaction() as transaction:
            await service.finish(transaction, sale.id, "end")

    await _run(database, rounds, store.select_to_end, end)


async def note_sold_out(database: Database, rounds: Rounds | None = None) -> None:
    """Tell rooms which sales are all paid, and which came back."""

    async def note(sale_id: str) -> None:
        async with database.transaction() as transaction:
            await service.note_sold_out(transaction, sale_id)

    rounds = rounds or Rounds()
    await rounds.run(database, store.select_to_sell_out, note, limit=SALES_A_ROUND_MAX)


async def return_leftovers(database: Database, rounds: Rounds | None = None) -> None:
    """Give units back whose sale ended while they were held."""

    async def give_back(sale: FlashSale) -> None:
        async with database.transaction() as transaction:
            await service.return_leftovers(transaction, sale.id)

    await _run(database, rounds, store.select_leftovers, give_back)


async def _run(
    database: Database,
    rounds: Rounds | None,
    select: Callable[[Connection, int], Awaitable[Sequence[FlashSale]]],
    do: Callable[[FlashSale], Awaitable[None]],
) -> None:
    rounds = rounds or Rounds()
    await rounds.run(database, select, do, limit=SALES_A_ROUND_MAX, key=lambda sale: sale.id)


async def relay_log(database: Database, announcer: Announcer) -> None:
    """Publish log entries that their own process did not; receivers drop what they have."""
    async with database.reading() as connection:
        events = await select_unpublished(
            connection, older_than_ms=UNPUBLISHED_AFTER_MS, limit=RELAY_EVENTS_MAX
        )
    if events:
        await announcer.publish_events(events)
