"""SQL of campaign prices. A row changes under the locks of every room and of its SKU's pool."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from commerce.kernel.errors import not_found
from commerce.kernel.ports import Connection
from commerce.sales.campaign_prices.model import (
    CampaignPrice,
    CampaignPriceTerms,
    CampaignPriceView,
)

# The campaign price of a sale `s`, now or to come, beside its other columns;
# `read_campaign_price` takes them out again. A sale that costs less already is not changed by it.
CAMPAIGN_PRICE_COLUMNS = """
    cp.id AS cp_id, cp.price_minor AS cp_price_minor, cp.from_ms AS cp_from_ms,
    cp.until_ms AS cp_until_ms
"""
CAMPAIGN_PRICE_JOIN = """
    LEFT JOIN LATERAL (
        SELECT p.id, p.price_minor, p.from_ms, p.until_ms FROM campaign_prices p
        WHERE s.kind = 'regular' AND p.sku = s.sku AND p.until_ms > (SELECT clock_ms())
          AND p.withdrawn_at_ms IS NULL AND p.price_minor < s.price_minor
        LIMIT 1
    ) cp ON true
"""
SELECT_PRICES = """
    SELECT id, sku, price_minor, from_ms, until_ms, request_hash,
        withdrawn_at_ms IS NOT NULL AS is_withdrawn
    FROM campaign_prices
"""
SELECT_PRICE = SELECT_PRICES + " WHERE id = $1"
SELECT_CURRENT = SELECT_PRICES + " WHERE until_ms > (SELECT clock_ms()) AND withdrawn_at_ms IS NULL"
SELECT_CURRENT_OF_SKU = SELECT_CURRENT + " AND sku = $1 LIMIT 1"
INSERT_PRICE = """
    INSERT INTO campaign_prices (id, sku, price_minor, from_ms, until_ms, guard, request_hash,
        set_by)
    VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8)
"""
WITHDRAW = """
    UPDATE campaign_prices SET until_ms = $2, withdrawn_by = $3, withdrawn_at_ms = $4 WHERE id = $1
"""
LOCK_ROOMS = "SELECT id::text FROM rooms ORDER BY id FOR NO KEY UPDATE"
SELECT_ROOMS_OF_SKU = """
    SELECT DISTINCT room_id::text FROM sales
    WHERE sku = $1 AND kind = 'regular' AND state IN ('armed', 'open', 'halted')
    ORDER BY room_id::text
"""


async def lock_rooms(connection: Connection) -> None:
    """Lock every room, ascending: no bag changes and no show starts beside the shop's price."""
    await connection.fetch(LOCK_ROOMS)


async def find_price(connection: Connection, id: str) -> CampaignPrice | None:
    """Return a campaign price, or None."""
    row = await connection.fetchrow(SELECT_PRICE, id)
    return _price(row) if row else None


async def select_price(connection: Connection, id: str) -> CampaignPrice:
    """Return a campaign price; raises `not_found`."""
    price = await find_price(connection, id)
    if price is None:
        raise not_found("campaign price")
    return price


async def find_current(connection: Connection, sku: str) -> CampaignPrice | None:
    """Return the price of a SKU that holds or is to come, or None; there is one at most."""
    row = await connection.fetchrow(SELECT_CURRENT_OF_SKU, sku)
    return _price(row) if row else None


async def select_current(connection: Connection) -> dict[str, CampaignPriceView]:
    """Return by SKU every price that holds or is to come."""
    return {row["sku"]: _view(row) for row in await connection.fetch(SELECT_CURRENT)}


async def insert_price(
    connection: Connection, price: CampaignPrice, terms: CampaignPriceTerms, user_id: str
) -> None:
    """Store a price; a trigger writes the price log."""
    guard = None
    if terms.guard is not None:
        is_confirmed = terms.confirm_price_minor == terms.price_minor
        guard = json.dumps(msgspec.structs.asdict(terms.guard) | {"is_confirmed": is_confirmed})
    await connection.execute(
        INSERT_PRICE,
        price.id,
        price.sku,
        price.price_minor,
        price.from_ms,
        price.until_ms,
        guard,
        price.request_hash,
        user_id,
    )


async def withdraw_price(
    connection: Connection, id: str, *, until_ms: int, user_id: str, now_ms: int
) -> None:
    """End a price early, and keep who did it; a trigger writes the price log."""
    await connection.execute(WITHDRAW, id, until_ms, user_id, now_ms)


async def select_rooms_of_sku(connection: Connection, sku: str) -> list[str]:
    """Return the rooms in which a SKU has a regular sale that is not over."""
    return [row[0] for row in await connection.fetch(SELECT_ROOMS_OF_SKU, sku)]


def read_campaign_price(fields: dict[str, Any]) -> CampaignPriceView | None:
    """Take `CAMPAIGN_PRICE_COLUMNS` out of a row's fields; None where there is no such price."""
    row = {name: fields.pop(f"cp_{name}") for name in CampaignPriceView.__struct_fields__}
    return None if row["id"] is None else _view(row)


def _view(row: Any) -> CampaignPriceView:
    return CampaignPriceView(
        str(row["id"]),
        row["price_minor"],
        row["from_ms"],
        row["until_ms"],
    )


def _price(row: Any) -> CampaignPrice:
    fields = {name: row[name] for name in CampaignPrice.__struct_fields__}
    return CampaignPrice(**{**fields, "id": str(fields["id"])})
