"""Jobs around sales: open and end them, note sold out, give leftovers back, relay the log."""

from __future__ import annotations

from commerce.kernel.ports import Database
from commerce.records.room_log.store import select_unpublished
from commerce.sales.flash_sales import service, store
from server.bridge import Announcer

# Somebody published within this time, or nobody will: then the relay does.
UNPUBLISHED_AFTER_MS = 250
RELAY_EVENTS_MAX = 500


async def open_and_end_sales(database: Database) -> None:
    """Tell rooms of sales whose moment has come, and end those whose time is over."""
    async with database.reading() as connection:
        to_open = await store.select_to_open(connection)
        to_end = await store.select_to_end(connection)
    for sale in to_open:
        async with database.transaction() as transaction:
            await service.open_one(transaction, sale.id)
    for sale in to_end:
        async with database.transaction() as transaction:
            await service.finish(transaction, sale.id, "end")


async def note_sold_out(database: Database) -> None:
    """Tell rooms which sales are all paid, and which came back."""
    async with database.reading() as connection:
        sale_ids = await store.select_to_sell_out(connection)
    for sale_id in sale_ids:
        async with database.transaction() as transaction:
            await service.note_sold_out(transaction, sale_id)


async def return_leftovers(database: Database) -> None:
    """Give units back whose sale ended while they were held."""
    async with database.reading() as connection:
        sales = await store.select_leftovers(connection)
    for sale in sales:
        async with database.transaction() as transaction:
            await service.return_leftovers(transaction, sale.id)


async def relay_log(database: Database, announcer: Announcer) -> None:
    """Publish log entries that their own process did not; receivers drop what they have."""
    async with database.reading() as connection:
        events = await select_unpublished(
            connection, older_than_ms=UNPUBLISHED_AFTER_MS, limit=RELAY_EVENTS_MAX
        )
    if events:
        await announcer.publish_events(events)
