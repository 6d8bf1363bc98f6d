"""A batch of joins, and its audit, read their own rows, however many have joined the campaign.

Rows are counted, not milliseconds: PostgreSQL tells how many a transaction has read of each table.
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from commerce.insight.audit import store
from commerce.insight.audit.group_checks import GROUP_CHECKS
from commerce.insight.audit.model import Keys
from commerce.sales.group_buys.model import Joining, JoinRequest, Wish
from commerce.sales.group_buys.store import join_batch
from server.db.database import PgDatabase, open_reserve_pool
from tests.support.grouping import open_group_buy
from tests.support.shop import make_shop

JOINED = 600
WISHES = 30
# A named team is met six times: among the open ones, for its sale, for its lock, for its state,
# among those whose units are promised, and written. Joined flat, a wish read 20 seats and 20 teams.
READ_A_WISH_MAX = 8
READ_ROWS = """
    SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::integer
    FROM pg_stat_xact_user_tables
    WHERE relname IN ('reservations', 'sale_buyers', 'buy_groups', 'group_campaigns')
"""

# Each check of a buyer's seats reads that buyer's row, their reservations, and a team or two.
READ_A_BUYER_MAX = 10


def wishes_of(
    sale: str, count: int, team: str | None = None, *, is_new: bool = False
) -> list[JoinRequest]:
    """Return wishes of as many strangers."""
    wish = Wish.OPEN if is_new else Wish.NAMED if team else Wish.ANY
    return [
        JoinRequest(str(uuid.uuid4()), sale, str(uuid.uuid4()), 1, wish, team) for _ in range(count)
    ]


async def count_reads(connection: Any, pool: str, wishes: list[JoinRequest]) -> int:
    """Return how many rows a batch that seats everybody reads."""
    async with connection.transaction():
        before = await connection.fetchval(READ_ROWS)
        result = await join_batch(
            connection, pool_id=pool, sale_id=wishes[0].sale_id, requests=wishes
        )
        after = await connection.fetchval(READ_ROWS)
    assert set(result.outcomes) == {Joining.JOINED}
    return int(after - before)


@pytest.mark.parametrize("known", ["the tables were small", "they are as they are"])
@pytest.mark.parametrize("wish", ["any", "named", "new"])
async def test_a_batch_reads_its_own_rows(
    database: PgDatabase, database_url: str, known: str, wish: str
) -> None:
    """Whatever the planner believes: on the day of a campaign its statistics are old."""
    shop = await make_shop(database, stock=2_000)
    sale = await open_group_buy(database, shop, need=3, quantity=1_800)
    async with await open_reserve_pool(database_url) as pools, pools.acquire() as connection:
        pool = str(await connection.fetchval("SELECT pool_id FROM sales WHERE id = $1", sale))

        async def fill() -> None:
            for _ in range(JOINED // 200):
                await join_batch(
                    connection, pool_id=pool, sale_id=sale, requests=wishes_of(sale, 200)
                )

        if known == "the tables were small":
            await connection.execute("ANALYZE reservations, sale_buyers, buy_groups")
            await fill()
        else:
            await fill()
            await connection.execute("ANALYZE reservations, sale_buyers, buy_groups")
        opened = wishes_of(sale, WISHES, is_new=True)
        result = await join_batch(connection, pool_id=pool, sale_id=sale, requests=opened)
        teams = [str(team) for team in result.group_ids]
        for _ in range(2):  # The second time with plans that the connection has kept.
            wishes = wishes_of(sale, WISHES, is_new=wish == "new")
            if wish == "named":
                wishes = [wishes_of(sale, 1, team)[0] for team in teams]
            read = await count_reads(connection, pool, wishes)
            assert read <= WISHES * READ_A_WISH_MAX, read


async def test_the_audit_of_some_buyers_reads_their_seats_alone(
    database: PgDatabase, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the first minute of a rush there are no statistics, and the auditor comes by."""
    sale = await open_group_buy(database, await make_shop(database), need=3, quantity=900)
    async with await open_reserve_pool(database_url) as pools, pools.acquire() as connection:
        pool = str(await connection.fetchval("SELECT pool_id FROM sales WHERE id = $1", sale))
        for _ in range(JOINED // 200):
            wishes = wishes_of(sale, 200)
            await join_batch(connection, pool_id=pool, sale_id=sale, requests=wishes)
    monkeypatch.setattr(store, "CHECKS", [one for one in GROUP_CHECKS if one.kind == "buyer"])
    async with database.reading() as reading:
        await store.only_look_up(reading)
        before = await reading.fetchval(READ_ROWS)
        keys = Keys(buyer={(sale, wish.user_id) for wish in wishes[:WISHES]})
        found = await store.select_offenders(reading, "buyer", keys, is_kept=False, now_ms=0)
        read = await reading.fetchval(READ_ROWS) - before
    assert found == []
    assert read <= WISHES * READ_A_BUYER_MAX, read
