"""Make group buys in a test's own database, and let their time pass without waiting."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from commerce.kernel.errors import CommerceError
from commerce.sales.group_buys.campaigns import finish_campaign, open_campaign
from commerce.sales.group_buys.model import CampaignTerms, Seat, Team, Wish
from commerce.sales.group_buys.service import GroupBuys
from commerce.sales.group_buys.store import select_team
from server.db.database import PgDatabase
from server.wiring.sources import FreshIds
from tests.support.shop import Shop


async def open_group_buy(database: PgDatabase, shop: Shop, **overrides: Any) -> str:
    """Open a campaign of the shop's SKU, teams of 3 out of 30 units, and return its id."""
    terms = {"need": 3, "quantity": 30, "per_buyer": 2, "lasts_s": 3600} | overrides
    async with database.transaction() as transaction:
        sale_id, _ = await open_campaign(
            transaction,
            FreshIds(),
            shop.room,
            CampaignTerms(sku=shop.sku, price_minor=9_900, **terms),
            key=str(uuid.uuid4()),
        )
    return sale_id


async def join(
    groups: GroupBuys,
    sale_id: str,
    *,
    user: str | None = None,
    team: str | None = None,
    is_new: bool = False,
) -> Seat:
    """Join any team, the named one, or a new one, as somebody."""
    wish = Wish.OPEN if is_new else Wish.NAMED if team else Wish.ANY
    return await groups.join(
        user_id=user or str(uuid.uuid4()),
        sale_id=sale_id,
        key=str(uuid.uuid4()),
        wish=wish,
        group_id=team,
    )


async def refusal(groups: GroupBuys, sale: str, **wish: object) -> str:
    """Return the code with which a wish is refused."""
    with pytest.raises(CommerceError) as refused:
        await join(groups, sale, **wish)  # type: ignore[arg-type]
    return refused.value.code


async def finish(database: PgDatabase, sale: str, event: str) -> None:
    """End or cancel a campaign."""
    async with database.transaction() as transaction:
        await finish_campaign(transaction, sale, event)


async def read_team(database: PgDatabase, group_id: str) -> Team:
    """Return a team's row."""
    async with database.reading() as connection:
        return await select_team(connection, group_id)


async def pass_deadline(database: PgDatabase, group_id: str) -> None:
    """Let a team's time be over, as if it had passed; its opening moves with it."""
    async with database.transaction() as transaction:
        await transaction.execute(
            "UPDATE buy_groups SET opened_at_ms = opened_at_ms - deadline_ms + clock_ms() - 1,"
            " deadline_ms = clock_ms() - 1 WHERE id = $1",
            group_id,
        )


async def end_seats(database: PgDatabase, sale_id: str) -> None:
    """Let the holds of a campaign that nobody has paid reach their end."""
    async with database.transaction() as transaction:
        await transaction.execute(
            "UPDATE reservations SET release_at_ms = clock_ms() - 1 WHERE sale_id = $1"
            " AND state IN ('held', 'paying') AND seated_at_ms IS NULL",
            sale_id,
        )
