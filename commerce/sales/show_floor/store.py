"""SQL of the show floor: the public bag, the public sales, and regular sales."""

from __future__ import annotations

from typing import Any

import msgspec

from commerce.goods.press_rules.store import read_rules
from commerce.kernel.ports import Connection
from commerce.sales.campaign_prices.store import (
    CAMPAIGN_PRICE_COLUMNS,
    CAMPAIGN_PRICE_JOIN,
    read_campaign_price,
)
from commerce.sales.coupons.store import select_drops
from commerce.sales.draws.store import DRAW_COLUMNS, read_draw
from commerce.sales.group_buys.store import CAMPAIGN_COLUMNS, read_campaign
from commerce.sales.show_floor.model import (
    GRACE_S,
    HOLD_S,
    BagItem,
    Floor,
    SaleView,
    ShowView,
)
from commerce.sales.unlocks.store import UNLOCK_COLUMNS, read_unlock
from commerce.shows.bag.store import select_pinned
from commerce.shows.schedule.model import Room, Show
from commerce.shows.schedule.store import select_current_show

SELECT_BAG = """
    SELECT i.id AS item, i.no, i.sku, v.title, v.title_zh, v.picture, s.price_minor, s.currency,
        s.id AS sale
    FROM bag_items i
    JOIN named_variants v ON v.sku = i.sku
    JOIN sales s ON s.item_id = i.id AND s.kind = 'regular'
    WHERE i.show_id = $1 AND i.removed_at_ms IS NULL ORDER BY i.no
"""
SELECT_SALES = f"""
    SELECT s.id, s.kind, s.sku, s.price_minor, s.currency, s.state, s.opens_at_ms, s.ends_at_ms,
        s.per_buyer, s.item_id AS item, v.price_minor AS normal_price_minor, s.hold_s,
        CASE WHEN s.state = 'halted' THEN s.reason END AS reason,
        s.reference_minor, s.reference_days, s.rules::text AS rules,
        f.available, f.held, f.sold, p.waiting, p.offered, {DRAW_COLUMNS}, {CAMPAIGN_COLUMNS},
        {UNLOCK_COLUMNS}, {CAMPAIGN_PRICE_COLUMNS}
    FROM sales s
    LEFT JOIN public_draws d ON d.sale_id = s.id
    LEFT JOIN group_campaigns gc ON gc.sale_id = s.id
    LEFT JOIN price_unlocks pu ON pu.sale_id = s.id
    JOIN pool_figures f ON f.pool_id = s.pool_id
    JOIN pool_waiting p ON p.pool_id = s.pool_id
    JOIN variants v ON v.sku = s.sku
    JOIN bag_items i ON i.id = s.item_id
    {CAMPAIGN_PRICE_JOIN}
"""  # noqa: S608 - our own words.
SELECT_SALES_OF_SHOW = (
    SELECT_SALES
    + " WHERE s.show_id = $1 AND (i.removed_at_ms IS NULL OR s.kind <> 'regular')"
    + " ORDER BY s.created_at_ms, i.no, s.id"
)
SELECT_SALE = SELECT_SALES + " WHERE s.id = $1"
INSERT_REGULAR = """
    INSERT INTO sales (id, room_id, show_id, item_id, pool_id, kind, sku, price_minor, currency,
        state, opens_at_ms, hold_s, grace_s)
    SELECT $1, $2, $3, $4, k.pool_id, 'regular', v.sku, v.price_minor, $6,
        CASE WHEN $7 THEN 'open' ELSE 'armed' END, CASE WHEN $7 THEN clock_ms() END, $8, $9
    FROM variants v JOIN stock k ON k.sku = v.sku AND k.sale_id IS NULL
    WHERE v.sku = $5 RETURNING id
"""
OPEN_REGULAR = """
    UPDATE sales SET state = CASE WHEN state = 'armed' THEN 'open' ELSE state END,
        opens_at_ms = clock_ms()
    WHERE show_id = $1 AND kind = 'regular'
      AND (state = 'armed' OR (state = 'halted' AND opens_at_ms IS NULL))
"""
END_REGULAR = """
    UPDATE sales SET state = 'ended', ends_at_ms = clock_ms()
    WHERE kind = 'regular' AND state IN ('armed', 'open', 'halted')
      AND (show_id = $1 AND $2::uuid IS NULL OR item_id = $2)
"""
SELECT_SHOW_POOLS = "SELECT DISTINCT pool_id FROM sales WHERE show_id = $1"


async def select_floor(connection: Connection, room: Room) -> Floor:
    """Return everything the room's current show offers."""
    show = await select_current_show(connection, room.id)
    if show is None:
        return Floor(None, None, [], [], [], room.announcement)
    is_over = show.status == "ended"
    return Floor(
        show=view_show(show),
        pinned=None if is_over else await select_pinned(connection, show.id),
        bag=[] if is_over else await select_bag(connection, show.id),
        sales=[] if is_over else await select_sales(connection, show.id),
        drops=[] if is_over else await select_drops(connection, show.id),
        announcement=room.announcement,
    )


async def select_bag(connection: Connection, show_id: str) -> list[BagItem]:
    """Return the bag in the order of its numbers."""
    rows = await connection.fetch(SELECT_BAG, show_id)
    return [
        BagItem(**{**dict(row), "item": str(row["item"]), "sale": str(row["sale"])}) for row in rows
    ]


async def select_sales(connection: Connection, show_id: str) -> list[SaleView]:
    """Return the show's sales, oldest first, with the figures of this instant."""
    return [_sale(row) for row in await connection.fetch(SELECT_SALES_OF_SHOW, show_id)]


async def select_sale_view(connection: Connection, sale_id: str) -> SaleView:
    """Return one sale as viewers see it."""
    return _sale(await connection.fetchrow(SELECT_SALE, sale_id))


def _sale(row: Any) -> SaleView:
    fields = dict(row)
    stock = (fields.pop("available"), fields.pop("held"), fields.pop("sold"))
    line = (fields.pop("waiting"), fields.pop("offered"))
    fields["id"], fields["item"] = str(fields["id"]), str(fields["item"])
    fields["rules"] = read_rules(fields["rules"])
    draw = read_draw(fields)
    if draw is not None:
        fields |= {"fairness": "draw", "draw": draw}
    fields["group"] = read_campaign(fields)
    fields["unlock"] = read_unlock(fields)
    fields["campaign_price"] = read_campaign_price(fields)
    return SaleView(stock=stock, waiting=line if any(line) else msgspec.UNSET, **fields)


async def insert_regular_sale(
    connection: Connection, *, id: str, show: Show, item: tuple[str, str], currency: str
) -> bool:
    """Offer a bag item, (id, SKU), at its normal price; False when there is no such SKU."""
    inserted = await connection.fetchval(
        INSERT_REGULAR,
        id,
        show.room_id,
        show.id,
        *item,
        currency,
        show.status == "live",
        HOLD_S,
        GRACE_S,
    )
    return inserted is not None


async def open_regular_sales(connection: Connection, show_id: str) -> None:
    """Open what waits for the show to start; what is halted stays so."""
    await connection.execute(OPEN_REGULAR, show_id)


async def end_regular_sales(
    connection: Connection, show_id: str, item_id: str | None = None
) -> None:
    """End the regular sales of a show, or of one item; their pools must be locked."""
    await connection.execute(END_REGULAR, show_id, item_id)


async def select_show_pools(connection: Connection, show_id: str) -> list[str]:
    """Return every pool that a sale of this show takes from."""
    return [str(row[0]) for row in await connection.fetch(SELECT_SHOW_POOLS, show_id)]


def view_show(show: Show) -> ShowView:
    """Return a show as viewers see it."""
    return ShowView(show.id, show.title, show.status, show.starts_at_ms, show.started_at_ms)
