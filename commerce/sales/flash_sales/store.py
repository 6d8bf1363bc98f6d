"""SQL of flash sales."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from commerce.kernel.errors import not_found
from commerce.kernel.ports import Connection
from commerce.sales.flash_sales.model import FlashSale, FlashSaleTerms
from commerce.sales.flash_sales.rules import hash_terms
from commerce.sales.pricing.model import LowestPrice, PriceGuard

SELECT_SALES = """
    SELECT s.id, s.room_id, m.slug AS room, s.show_id, s.item_id, s.pool_id, s.kind, s.sku,
        s.state, s.opens_at_ms, s.ends_at_ms, s.quantity, s.request_hash, s.halted_from, s.reason
    FROM sales s JOIN rooms m ON m.id = s.room_id
"""
SELECT_SALE = SELECT_SALES + " WHERE s.id = $1"
SELECT_RUNNING = (
    SELECT_SALES + " WHERE s.show_id = $1 AND s.kind = 'flash'"
    " AND s.state IN ('armed', 'open', 'sold_out', 'halted') ORDER BY s.pool_id"
)
SELECT_TO_OPEN = (
    SELECT_SALES + " WHERE s.kind = 'flash' AND s.state = 'armed'"
    " AND s.opens_at_ms <= (SELECT clock_ms()) ORDER BY s.opens_at_ms, s.id LIMIT $1"
)
SELECT_TO_END = (
    SELECT_SALES + " WHERE s.kind = 'flash' AND s.state IN ('armed', 'open', 'sold_out', 'halted')"
    " AND s.ends_at_ms <= (SELECT clock_ms()) ORDER BY s.ends_at_ms, s.id LIMIT $1"
)
# Sales whose "sold out" does not say what the counts say.
SELECT_TO_SELL_OUT = """
    SELECT s.id FROM sales s JOIN pool_figures f ON f.pool_id = s.pool_id
    WHERE s.kind = 'flash' AND s.state IN ('open', 'sold_out')
      AND (s.state = 'sold_out') <> (f.total = f.sold)
    LIMIT $1
"""
SELECT_COUNTS = "SELECT total, sold FROM pool_figures WHERE pool_id = $1"
SELECT_LEFTOVERS = (
    SELECT_SALES + " JOIN stock k ON k.pool_id = s.pool_id"
    " WHERE s.kind = 'flash' AND s.state IN ('ended', 'cancelled') AND k.total > k.claimed"
    " LIMIT $1"
)
SELECT_ITEM_OF_SKU = """
    SELECT id FROM bag_items WHERE show_id = $1 AND sku = $2 AND removed_at_ms IS NULL
"""
SELECT_OTHER_RUNNING = """
    SELECT 1 FROM sales WHERE show_id = $1 AND sku = $2 AND kind = 'flash'
      AND state IN ('armed', 'open', 'sold_out', 'halted')
"""
SELECT_LIST_PRICE = "SELECT price_minor FROM sales WHERE item_id = $1 AND kind = 'regular'"
SELECT_REGULAR_OF_SKU = """
    SELECT id FROM sales WHERE show_id = $1 AND sku = $2 AND kind = 'regular' LIMIT 1
"""
INSERT_SALE = """
    INSERT INTO sales (id, room_id, show_id, item_id, pool_id, kind, sku, price_minor, currency,
        state, opens_at_ms, ends_at_ms, per_buyer, hold_s, grace_s, quantity, request_hash,
        offer_s)
    SELECT $1, $2, $3, $4, $5, 'flash', $6, $7, r.currency, 'armed', t.opens, t.opens + $9, $10,
        $11, $12, $13, $14, $15
    FROM (SELECT clock_ms() + $8::bigint AS opens) t,
        (SELECT currency FROM sales WHERE item_id = $4 AND kind = 'regular') r
    RETURNING opens_at_ms
"""
UPDATE_QUANTITY = "UPDATE sales SET quantity = quantity + $2 WHERE id = $1"
UPDATE_REFERENCE = "UPDATE sales SET reference_minor = $2, reference_days = $3 WHERE id = $1"
SELECT_IS_COMPARED = "SELECT reference_minor IS NOT NULL FROM sales WHERE id = $1"
SELECT_COMPARED = """
    SELECT id::text, pool_id::text, opens_at_ms FROM sales
    WHERE sku = $1 AND kind = 'flash' AND state IN ('armed', 'halted')
      AND reference_minor IS NOT NULL AND opens_at_ms > (SELECT clock_ms())
    ORDER BY opens_at_ms, id
"""
UPDATE_STATE = """
    UPDATE sales SET state = $2, reason = coalesce($3, reason),
        ends_at_ms = CASE WHEN $2 IN ('ended', 'cancelled')
            THEN least(greatest(clock_ms(), opens_at_ms), ends_at_ms) ELSE ends_at_ms END
    WHERE id = $1 RETURNING ends_at_ms, opens_at_ms, clock_ms() AS now_ms
"""

UPDATE_HALTED = """
    UPDATE sales SET halted_from = CASE WHEN state = 'halted' THEN halted_from ELSE state END,
        state = 'halted', reason = $2
    WHERE id = $1
"""
UPDATE_UNHALTED = """
    UPDATE sales SET state = $2, halted_from = NULL, reason = NULL WHERE id = $1
"""
SELECT_OPEN_TEAM = "SELECT 1 FROM buy_groups WHERE sale_id = $1 AND state = 'forming' LIMIT 1"
UPDATE_GUARD = "UPDATE sales SET guard = $2::jsonb WHERE id = $1"


async def select_sale(connection: Connection, sale_id: str) -> FlashSale:
    """Return a sale of any kind; raises `not_found`."""
    row = await connection.fetchrow(SELECT_SALE, sale_id)
    if row is None:
        raise not_found("sale")
    return _sale(row)


async def find_sale(connection: Connection, sale_id: str) -> FlashSale | None:
    """Return a sale, or None."""
    row = await connection.fetchrow(SELECT_SALE, sale_id)
    return _sale(row) if row else None


async def select_running(connection: Connection, show_id: str) -> list[FlashSale]:
    """Return the flash sales of a show that are not over."""
    return [_sale(row) for row in await connection.fetch(SELECT_RUNNING, show_id)]


async def select_to_open(connection: Connection, limit: int) -> list[FlashSale]:
    """Return armed sales whose moment has come."""
    return [_sale(row) for row in await connection.fetch(SELECT_TO_OPEN, limit)]


async def select_to_end(connection: Connection, limit: int) -> list[FlashSale]:
    """Return running sales whose time is over."""
    return [_sale(row) for row in await connection.fetch(SELECT_TO_END, limit)]


async def select_to_sell_out(connection: Connection, limit: int) -> list[str]:
    """Return sales whose state and counts differ about being sold out."""
    return [str(row[0]) for row in await connection.fetch(SELECT_TO_SELL_OUT, limit)]


async def select_counts(connection: Connection, pool_id: str) -> tuple[int, int]:
    """Return (total, sold) of a pool."""
    row = await connection.fetchrow(SELECT_COUNTS, pool_id)
    return row["total"], row["sold"]


async def select_leftovers(connection: Connection, limit: int) -> list[FlashSale]:
    """Return ended sales whose pool still has free units."""
    return [_sale(row) for row in await connection.fetch(SELECT_LEFTOVERS, limit)]


async def select_item_of_sku(connection: Connection, show_id: str, sku: str) -> str | None:
    """Return the bag item of a SKU."""
    item = await connection.fetchval(SELECT_ITEM_OF_SKU, show_id, sku)
    return str(item) if item else None


async def is_sku_on_flash(connection: Connection, show_id: str, sku: str) -> bool:
    """Say whether a flash sale of this SKU is armed or running."""
    return await connection.fetchval(SELECT_OTHER_RUNNING, show_id, sku) is not None


async def select_regular_of_sku(connection: Connection, show_id: str, sku: str) -> str | None:
    """Return the regular sale of a SKU: its figures change when stock is carved out."""
    sale = await connection.fetchval(SELECT_REGULAR_OF_SKU, show_id, sku)
    return str(sale) if sale else None


async def select_list_price(connection: Connection, item_id: str) -> int:
    """Return the regular price of an item of the bag, in minor units."""
    return int(await connection.fetchval(SELECT_LIST_PRICE, item_id))


async def insert_sale(connection: Connection, *, sale: FlashSale, terms: FlashSaleTerms) -> int:
    """Store an armed sale in its item's currency; return when the database will open it."""
    opens_at_ms = await connection.fetchval(
        INSERT_SALE,
        sale.id,
        sale.room_id,
        sale.show_id,
        sale.item_id,
        sale.pool_id,
        sale.sku,
        terms.price_minor,
        terms.countdown_s * 1000,
        terms.duration_s * 1000,
        terms.per_buyer,
        terms.hold_s,
        terms.grace_s,
        terms.quantity,
        hash_terms(terms),
        terms.offer_s,
    )
    return int(opens_at_ms)


async def update_reference(
    connection: Connection, sale_id: str, lowest: LowestPrice | None
) -> None:
    """Keep what the sale's price is compared with; None is nothing."""
    price_minor, days = (None, None) if lowest is None else (lowest.price_minor, lowest.days)
    await connection.execute(UPDATE_REFERENCE, sale_id, price_minor, days)


async def is_compared(connection: Connection, sale_id: str) -> bool:
    """Say whether a sale shows what its price is compared with."""
    return bool(await connection.fetchval(SELECT_IS_COMPARED, sale_id))


async def select_compared(connection: Connection, sku: str) -> list[tuple[str, str, int]]:
    """Return (sale, pool, opens_at_ms) of a SKU's sales to come that show a reference price."""
    return [tuple(row) for row in await connection.fetch(SELECT_COMPARED, sku)]


async def has_open_teams(connection: Connection, sale_id: str) -> bool:
    """Say whether a team of a sale forms; only group buys have any."""
    return await connection.fetchval(SELECT_OPEN_TEAM, sale_id) is not None


async def update_guard(
    connection: Connection, sale_id: str, guard: PriceGuard, *, is_confirmed: bool
) -> None:
    """Keep within which limits the host meant the price, and whether it was typed again."""
    text = json.dumps(msgspec.structs.asdict(guard) | {"is_confirmed": is_confirmed})
    await connection.execute(UPDATE_GUARD, sale_id, text)


async def update_quantity(connection: Connection, sale_id: str, delta: int) -> None:
    """Change how many units a sale was given; its pool is locked."""
    await connection.execute(UPDATE_QUANTITY, sale_id, delta)


async def update_state(
    connection: Connection, sale_id: str, state: str, reason: str | None = None
) -> tuple[int, int, int]:
    """Set a sale's state and return (ends_at_ms, opens_at_ms, now_ms)."""
    row = await connection.fetchrow(UPDATE_STATE, sale_id, state, reason)
    return row["ends_at_ms"], row["opens_at_ms"], row["now_ms"]


async def update_halted(connection: Connection, sale_id: str, reason: str) -> None:
    """Halt a sale whose pool is locked, or change what the room is told of a halted one."""
    await connection.execute(UPDATE_HALTED, sale_id, reason)


async def update_unhalted(connection: Connection, sale_id: str, state: str) -> None:
    """Let a halted sale go on in a state; its pool is locked."""
    await connection.execute(UPDATE_UNHALTED, sale_id, state)


def _sale(row: Any) -> FlashSale:
    fields = {name: row[name] for name in FlashSale.__struct_fields__}
    for name in ("id", "room_id", "show_id", "item_id", "pool_id"):
        fields[name] = str(fields[name])
    return FlashSale(**fields)
