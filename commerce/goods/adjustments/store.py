"""SQL of adjustments; the stock itself is changed by the inventory."""

from __future__ import annotations

from typing import Any

from commerce.goods.adjustments.model import Adjusted, Adjustment, PoolCounts
from commerce.kernel.ports import Connection

SELECT_POOL = "SELECT pool_id::text, total, claimed, version FROM stock WHERE pool_id = $1"
SELECT_ADJUSTMENT = """
    SELECT id::text, user_id::text, sku, delta, reason, sale_id::text, pool_id::text,
        to_waiting_list
    FROM adjustments WHERE id = $1
"""
INSERT_ADJUSTMENT = """
    INSERT INTO adjustments (id, pool_id, sku, sale_id, user_id, delta, reason, version,
        to_waiting_list)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
SELECT_STOCK = "SELECT available, held, sold FROM pool_figures WHERE pool_id = $1"
SELECT_SALES = """
    SELECT room_id::text, id::text FROM sales
    WHERE pool_id = $1 AND state NOT IN ('ended', 'cancelled')
"""


async def select_pool(connection: Connection, pool_id: str) -> PoolCounts:
    """Return a pool that the caller has locked."""
    return PoolCounts(**await connection.fetchrow(SELECT_POOL, pool_id))


async def find_adjustment(connection: Connection, id: str) -> tuple[Adjustment, Adjusted] | None:
    """Return a stored adjustment and what it did, with the pool's figures of now."""
    row = await connection.fetchrow(SELECT_ADJUSTMENT, id)
    if row is None:
        return None
    fields: dict[str, Any] = {name: row[name] for name in Adjustment.__struct_fields__}
    done = await select_done(connection, row["pool_id"], row["delta"], row["to_waiting_list"])
    return Adjustment(**fields), done


async def insert_adjustment(
    connection: Connection, wish: Adjustment, pool: PoolCounts, to_waiting_list: int
) -> None:
    """Keep who changed what; `pool` is as it was before, so the change's version is the next."""
    await connection.execute(
        INSERT_ADJUSTMENT,
        wish.id,
        pool.pool_id,
        wish.sku,
        wish.sale_id,
        wish.user_id,
        wish.delta,
        wish.reason,
        pool.version + 1,
        to_waiting_list,
    )


async def select_done(
    connection: Connection, pool_id: str, added: int, to_waiting_list: int
) -> Adjusted:
    """Return what an adjustment did, with the pool's figures of now."""
    row = await connection.fetchrow(SELECT_STOCK, pool_id)
    return Adjusted(added, to_waiting_list, (row["available"], row["held"], row["sold"]))


async def select_sales(connection: Connection, pool_id: str) -> list[tuple[str, str]]:
    """Return (room, sale) of every sale that shows this pool's figures."""
    return [tuple(row) for row in await connection.fetch(SELECT_SALES, pool_id)]
