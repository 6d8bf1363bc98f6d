"""SQL of the bag and the pins."""

from __future__ import annotations

from commerce.kernel.ports import Connection

# Locked by the room's row: two adds at once cannot take one number.
INSERT_ITEM = """
    INSERT INTO bag_items (id, show_id, no, sku)
    SELECT $1, $2, coalesce(max(no), 0) + 1, $3 FROM bag_items WHERE show_id = $2
    RETURNING no
"""
SELECT_ITEM = """
    SELECT i.sku, i.no FROM bag_items i
    WHERE i.id = $1 AND i.show_id = $2 AND i.removed_at_ms IS NULL
"""
SELECT_SKUS = """
    SELECT sku FROM bag_items WHERE show_id = $1 AND removed_at_ms IS NULL ORDER BY no
"""
SELECT_LAST_NUMBER = "SELECT coalesce(max(no), 0) FROM bag_items WHERE show_id = $1"
REMOVE_ITEM = """
    UPDATE bag_items SET removed_at_ms = clock_ms()
    WHERE id = $1 AND removed_at_ms IS NULL RETURNING id
"""
CLOSE_PIN = """
    UPDATE pins SET to_ms = clock_ms() WHERE show_id = $1 AND to_ms IS NULL RETURNING item_id
"""
INSERT_PIN = "INSERT INTO pins (id, show_id, item_id) VALUES ($1, $2, $3)"
SELECT_PINNED = "SELECT item_id FROM pins WHERE show_id = $1 AND to_ms IS NULL"


async def insert_item(connection: Connection, *, id: str, show_id: str, sku: str) -> int:
    """Put a variant into the bag and return its number."""
    return int(await connection.fetchval(INSERT_ITEM, id, show_id, sku))


async def select_item(
    connection: Connection, *, item_id: str, show_id: str
) -> tuple[str, int] | None:
    """Return (SKU, number) of an item that lies in this show's bag."""
    row = await connection.fetchrow(SELECT_ITEM, item_id, show_id)
    return (row["sku"], row["no"]) if row else None


async def select_skus(connection: Connection, show_id: str) -> list[str]:
    """Return what lies in the bag, in the order of the numbers."""
    return [row["sku"] for row in await connection.fetch(SELECT_SKUS, show_id)]


async def select_last_number(connection: Connection, show_id: str) -> int:
    """Return the highest number that this show's bag has given, also to what was taken out."""
    return int(await connection.fetchval(SELECT_LAST_NUMBER, show_id))


async def remove_item(connection: Connection, item_id: str) -> bool:
    """Take an item out; its number is not given again."""
    return await connection.fetchval(REMOVE_ITEM, item_id) is not None


async def close_pin(connection: Connection, show_id: str) -> str | None:
    """End the open pin and return its item."""
    item = await connection.fetchval(CLOSE_PIN, show_id)
    return str(item) if item else None


async def insert_pin(connection: Connection, *, id: str, show_id: str, item_id: str) -> None:
    """Pin an item from now on."""
    await connection.execute(INSERT_PIN, id, show_id, item_id)


async def select_pinned(connection: Connection, show_id: str) -> str | None:
    """Return the pinned item."""
    item = await connection.fetchval(SELECT_PINNED, show_id)
    return str(item) if item else None
