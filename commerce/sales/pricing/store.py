"""SQL of prices: what is offered now, and the log that a trigger writes at every change."""

from __future__ import annotations

from collections.abc import Sequence

from commerce.kernel.ports import Connection
from commerce.sales.pricing.model import ItemOffers, LowestPrice, Offer
from commerce.sales.pricing.rules import DAY_MS, REFERENCE_DAYS, describe_lowest

# A price for whoever joins a team was not offered to everybody. A row holds until the sale's next
# one; a sale whose time is over offers nothing, noted or not.
SELECT_LOWEST = """
    WITH offered AS (
        SELECT l.price_minor, l.at_ms AS from_ms, least(
            lead(l.at_ms) OVER (
                PARTITION BY l.sale_id, l.campaign_price_id ORDER BY l.at_ms, l.id
            ), s.ends_at_ms, c.until_ms
        ) AS to_ms
        FROM price_log l LEFT JOIN sales s ON s.id = l.sale_id
        LEFT JOIN campaign_prices c ON c.id = l.campaign_price_id
        WHERE l.sku = $1 AND s.kind IS DISTINCT FROM 'group'
    )
    SELECT min(from_ms) AS first_ms,
        min(price_minor) FILTER (WHERE to_ms IS NULL OR to_ms > $2::bigint - $3::bigint)
            AS price_minor
    FROM offered
    WHERE price_minor IS NOT NULL AND from_ms < $2::bigint AND (to_ms IS NULL OR to_ms > from_ms)
"""
# The window decides, as at a press; a group's price is for whoever joins a group.
SELECT_OFFERS = """
    SELECT i.id AS item, s.sku, s.currency, s.id AS sale,
        CASE WHEN c.is_lower THEN c.price_minor ELSE s.price_minor END AS price_minor,
        CASE WHEN s.kind = 'flash' THEN 'flash' WHEN c.is_lower THEN 'campaign' ELSE 'list' END
            AS source
    FROM bag_items i JOIN sales s ON s.item_id = i.id
    CROSS JOIN LATERAL (
        SELECT q.price_minor, s.kind = 'regular' AND q.price_minor < s.price_minor AS is_lower
        FROM (SELECT campaign_price(s.sku, clock_ms()) AS price_minor) q
    ) c
    WHERE i.id = ANY ($1::uuid[]) AND i.removed_at_ms IS NULL AND s.kind IN ('regular', 'flash')
      AND s.state IN ('armed', 'open') AND s.opens_at_ms <= clock_ms()
      AND (s.ends_at_ms IS NULL OR s.ends_at_ms > clock_ms())
"""


async def select_offers(connection: Connection, items: Sequence[str]) -> dict[str, ItemOffers]:
    """Return by bag item what it is offered at; an item that nothing offers is left out."""
    found: dict[str, ItemOffers] = {}
    for row in await connection.fetch(SELECT_OFFERS, list(items)):
        offer = Offer(str(row["sale"]), row["source"], row["price_minor"])
        item = str(row["item"])
        before = found[item].offers if item in found else []
        found[item] = ItemOffers(row["sku"], row["currency"], [*before, offer])
    return found


async def select_lowest_of_30_days(
    connection: Connection, sku: str, before_ms: int
) -> LowestPrice | None:
    """Return the lowest price of a SKU in the 30 days before `before_ms`, as the rule has it."""
    row = await connection.fetchrow(SELECT_LOWEST, sku, before_ms, REFERENCE_DAYS * DAY_MS)
    if row["price_minor"] is None:
        return None
    return describe_lowest(row["price_minor"], first_ms=row["first_ms"], before_ms=before_ms)
