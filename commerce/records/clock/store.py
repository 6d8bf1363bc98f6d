"""Read the database's clock, which alone says whether something is in time."""

from __future__ import annotations

from commerce.kernel.ports import Connection

SELECT_NOW = "SELECT clock_ms()"


async def select_now_ms(connection: Connection) -> int:
    """Return this moment in Unix ms; later in one transaction it is later."""
    return int(await connection.fetchval(SELECT_NOW))
