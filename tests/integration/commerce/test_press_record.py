"""What is written beside a reservation: how far its room had been told, and its sale's rules."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import pytest

from commerce.sales.flash_sales.model import FlashSaleTerms
from commerce.sales.flash_sales.service import arm
from commerce.sales.pricing.model import PriceGuard
from server.wiring.sources import FreshIds
from tests.support.shop import make_shop
from tests.support.till import Till


async def terms_of(till: Till, sale: str) -> list[tuple[int, dict[str, Any]]]:
    """Return the versions of a sale's rules as (pool version, row)."""
    async with till.database.reading() as connection:
        rows = await connection.fetch(
            "SELECT pool_version, terms FROM sale_terms WHERE sale_id = $1 ORDER BY version", sale
        )
    return [(row["pool_version"], json.loads(row["terms"])) for row in rows]


async def test_the_offset_is_written_by_the_reservation_s_own_transaction(till: Till) -> None:
    """It is the newest event that was committed then, and nothing changes it afterwards."""
    shop, sale = await till.sale()
    head = "SELECT log_offset FROM room_log_heads WHERE room_id = $1"
    first_head = (await till.row(head, shop.room.id))[0]
    buyers = [(await till.buyer()).id for _ in range(2)]
    first = await till.reserve(sale, buyers[0])
    async with till.database.transaction() as transaction:
        transaction.announce(shop.room.id, "announcement", {"text": "hello"})
    second = await till.reserve(sale, buyers[1])
    noted = [
        await till.row(
            "SELECT p.log_offset, p.room_id::text, p.xmin = j.xmin AS is_one FROM reservations r"
            " JOIN press_offsets p ON (p.pool_id, p.version) = (r.pool_id, r.version)"
            " JOIN stock_journal j ON (j.pool_id, j.version) = (r.pool_id, r.version)"
            " WHERE r.id = $1",
            reservation,
        )
        for reservation in (first, second)
    ]
    assert [tuple(row) for row in noted] == [
        (first_head, shop.room.id, True),
        (first_head + 1, shop.room.id, True),
    ]
    for table in ("press_offsets", "sale_terms"):
        with pytest.raises(asyncpg.PostgresError, match="only ever added"):
            await till.change(f"DELETE FROM {table}")


async def test_an_event_that_is_not_committed_is_not_counted_as_told(till: Till) -> None:
    """A press beside an open transaction of the host has not seen what that will announce."""
    shop, sale = await till.sale()
    buyer = await till.buyer()
    async with till.database.transaction() as transaction:
        advanced = await transaction.fetchval(
            "UPDATE room_log_heads SET log_offset = log_offset + 1 WHERE room_id = $1"
            " RETURNING log_offset",
            shop.room.id,
        )
        reservation = await till.reserve(sale, buyer.id)
    noted = await till.row(
        "SELECT p.log_offset FROM reservations r JOIN press_offsets p"
        " ON (p.pool_id, p.version) = (r.pool_id, r.version) WHERE r.id = $1",
        reservation,
    )
    assert noted["log_offset"] == advanced - 1


async def test_every_version_of_a_sale_s_rules_is_kept_where_it_began(till: Till) -> None:
    """By the version of its pool: what was reserved above it was decided under it."""
    _, sale = await till.sale(per_buyer=3)
    first = await till.reserve(sale, (await till.buyer()).id)
    await till.change("UPDATE sales SET per_buyer = 1 WHERE id = $1", sale)
    await till.change("UPDATE sales SET per_buyer = 1 WHERE id = $1", sale)
    second = await till.reserve(sale, (await till.buyer()).id)
    version = "SELECT version FROM reservations WHERE id = $1"
    versions = [(await till.row(version, id))["version"] for id in (first, second)]
    kept = await terms_of(till, sale)
    assert [(row["state"], row["per_buyer"]) for _, row in kept] == [
        ("armed", 3),
        ("open", 3),
        ("open", 1),
    ], "what changes nothing is no version"
    assert kept[1][0] < versions[0] <= kept[2][0] < versions[1]


@pytest.mark.parametrize("confirmed", [None, 100])
async def test_the_guard_of_a_price_is_kept_with_the_host_s_answer(
    till: Till, confirmed: int | None
) -> None:
    """Who says that a price was a slip is answered by it having been typed twice."""
    shop = await make_shop(till.database)
    guard = PriceGuard(floor_minor=5_000 if confirmed else 50)
    terms = FlashSaleTerms(
        sku=shop.sku,
        price_minor=100,
        quantity=2,
        per_buyer=1,
        countdown_s=0,
        duration_s=60,
        guard=guard,
        confirm_price_minor=confirmed,
    )
    async with till.database.transaction() as transaction:
        sale, _ = await arm(transaction, FreshIds(), shop.room, terms, key="once")
    assert (await terms_of(till, sale))[-1][1]["guard"] == {
        "floor_minor": guard.floor_minor,
        "max_cut_percent": None,
        "is_confirmed": confirmed is not None,
    }
