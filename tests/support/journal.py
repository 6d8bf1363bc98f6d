"""Hold what buyers were told against the journal of their sale's pool, as load runs do."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Sequence

from commerce.goods.inventory.model import Refused, Reserved
from commerce.kernel.ports import Database
from loadtests.journal_check import Step, Told, check_journal

SELECT_STEPS = """
    SELECT version, claimed_delta, total_delta, at_ms FROM stock_journal
    WHERE pool_id = $1 ORDER BY version
"""
SELECT_GRANTED = "SELECT id::text, version FROM reservations WHERE pool_id = $1"


async def note(pressing: Awaitable[Reserved | Refused], key: str) -> Told:
    """Wait for a press and return what was told, and when; each wish has a `key` of its own."""
    pressed_ms = time.time() * 1000
    answer = await pressing
    answered_ms = time.time() * 1000
    if isinstance(answer, Reserved):
        won = answer.reservation
        return Told("reserved", won.version, won.id, pressed_ms, answered_ms, key)
    code = answer.outcome.name.lower()
    return Told(code, answer.version, None, pressed_ms, answered_ms, key)


async def find_untrue(database: Database, pool_id: str, told: Sequence[Told] = ()) -> list[str]:
    """Return what a pool's journal says against itself, its reservations, or what was told."""
    async with database.reading() as connection:
        steps = await connection.fetch(SELECT_STEPS, pool_id)
        granted = await connection.fetch(SELECT_GRANTED, pool_id)
    return check_journal([Step(*row) for row in steps], dict(tuple(row) for row in granted), told)
