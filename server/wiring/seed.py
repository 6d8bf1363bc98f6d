"""Fill an empty installation with the demo shop."""

from __future__ import annotations

import asyncpg

from commerce.members.accounts.model import DEMO_STAFF
from commerce.members.accounts.service import has_demo_logins as ask_demo_logins
from server.db.database import PgDatabase, open_pool
from server.settings import Settings
from server.wiring.commerce import build_accounts, build_floor
from server.wiring.demo_shop import Seeder, make_demo_room
from server.wiring.sources import FreshIds, SystemClock


async def seed_demo(settings: Settings) -> bool:
    """Make the demo staff and their room, once; False when they are there."""
    assert settings.database_url is not None
    database = PgDatabase(await open_pool(settings.database_url))
    try:
        staff = await build_accounts(database).add_staff(DEMO_STAFF)
        seeder = Seeder(database, FreshIds(), SystemClock(), build_floor(settings))
        return await make_demo_room(seeder, staff)
    finally:
        await database.close()


async def has_demo_logins(database_url: str) -> bool:
    """Say whether the published demo passwords open this installation."""
    connection = await asyncpg.connect(database_url)
    try:
        return await ask_demo_logins(connection)
    finally:
        await connection.close()
