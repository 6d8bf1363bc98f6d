"""The database seats people exactly as the pure rules do, whatever comes when."""

from __future__ import annotations

import asyncio
import uuid
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from commerce.goods.inventory.rules import SaleTerms
from commerce.goods.inventory.store import free_reservations, lock_pools
from commerce.insight.audit.service import audit
from commerce.sales.group_buys.campaigns import fail_due_teams
from commerce.sales.group_buys.model import KEPT_UNTIL_MS, Batch, Joining, JoinRequest, Wish
from commerce.sales.group_buys.rules import decide_joins
from commerce.sales.group_buys.store import SELECT_TEAMS, _team, join_batch
from server.db.database import PgDatabase, open_pool, open_reserve_pool
from tests.support.grouping import open_group_buy
from tests.support.shop import Shop, make_shop
from tests.support.stories import stories

USERS = [str(uuid.UUID(int=n)) for n in range(1, 15)]
NEED, PER_BUYER = 3, 2
JOIN = st.tuples(
    st.just("join"),
    st.lists(
        st.tuples(st.sampled_from(USERS), st.sampled_from(list(Wish)), st.integers(0, 5)),
        min_size=1,
        max_size=10,
        unique_by=lambda wish: wish[0],
    ),
)
OTHER = st.tuples(
    st.sampled_from(["free", "reopen", "sell", "fail", "again", "window"]), st.integers(0, 7)
)
# The money of a formed team's member is gone: the seat waits for other money, in nobody's way.
REOPEN = """
    UPDATE reservations SET state = 'paying', reopened_at_ms = clock_ms() WHERE id = (
        SELECT id FROM reservations WHERE sale_id = $1 AND state = 'sold'
        ORDER BY version, seq LIMIT 1
    )
"""
# What a campaign may have come to, and whether by a halt; its teams go on in some of them.
STATES = (
    ("open", None),
    ("ended", None),
    ("halted", "open"),
    ("cancelled", None),
    ("ended", "open"),
)
STEPS = st.lists(st.one_of(JOIN, JOIN, OTHER), min_size=3, max_size=14)


class World:
    """One campaign: the database's rows, read as the rules want them."""

    def __init__(self, database: PgDatabase, connection: object, sale: str, pool: str) -> None:
        self.database, self.connection = database, connection
        self.sale, self.pool = sale, pool
        self.state: str = "open"
        self.halted_from: str | None = None
        self.sent: list[JoinRequest] = []
        self.ids = (str(uuid.uuid4()) for _ in count())

    async def find(self) -> tuple[Batch, int]:
        """Read what a batch finds, and the clock."""
        async with self.database.reading() as reading:
            teams = await reading.fetch(
                SELECT_TEAMS + " WHERE g.sale_id = $1 ORDER BY g.deadline_ms, g.id", self.sale
            )
            rows = await reading.fetch("SELECT * FROM reservations WHERE sale_id = $1", self.sale)
            stock = await reading.fetchrow("SELECT * FROM stock WHERE pool_id = $1", self.pool)
            now_ms = await reading.fetchval("SELECT clock_ms()")
        bought: dict[str, int] = {}
        for row in rows:
            is_live = row["state"] in ("held", "paying", "sold")
            bought[str(row["user_id"])] = bought.get(str(row["user_id"]), 0) + is_live
        seated = [
            r for r in rows if r["state"] in ("held", "paying") and r["reopened_at_ms"] is None
        ]
        batch = Batch(
            free=stock["total"] - stock["claimed"],
            unsold=sum(row["state"] in ("held", "paying") for row in rows),
            teams=[_team(row) for row in teams],
            granted={str(row["id"]): str(row["group_id"]) for row in rows},
            seated=frozenset(str(row["user_id"]) for row in seated),
            bought=bought,
            was_halted=self.state == "ended" and self.halted_from is not None,
        )
        return batch, now_ms

    async def join(self, requests: list[JoinRequest]) -> None:
        """Let both sides decide, and compare."""
        batch, now_ms = await self.find()
        terms = SaleTerms(self.sale, self.state, 0, KEPT_UNTIL_MS, PER_BUYER), NEED
        expected = decide_joins(batch, terms, requests, (f"new{n}" for n in count()), now_ms)
        result = await join_batch(
            self.connection, pool_id=self.pool, sale_id=self.sale, requests=requests
        )
        assert [Joining(n) for n in result.outcomes] == [answer for answer, _ in expected]
        fresh: dict[str, str] = {}
        for found, (answer, team) in zip(result.group_ids, expected, strict=True):
            if answer in (Joining.JOINED, Joining.REPLAYED):
                assert found is not None
                assert team is not None
                is_new = team.startswith("new")
                assert fresh.setdefault(team, found) == found if is_new else team == found
        self.sent += requests

    async def act(self, act: str, n: int) -> None:
        """Let time, buyers or money do something to the n-th live seat."""
        async with self.database.transaction() as transaction:
            await lock_pools(transaction, [self.pool])
            if act == "window":
                self.state, self.halted_from = STATES[n % len(STATES)]
                await transaction.execute(
                    "UPDATE sales SET state = $2, ends_at_ms = $3, halted_from = $4 WHERE id = $1",
                    self.sale,
                    self.state,
                    KEPT_UNTIL_MS,
                    self.halted_from,
                )
                return
            if act == "reopen":
                await transaction.execute(REOPEN, self.sale)
                return
            live = await transaction.fetch(
                "SELECT id, group_id FROM reservations WHERE sale_id = $1"
                " AND state IN ('held', 'paying') ORDER BY version, seq",
                self.sale,
            )
            if not live:
                return
            seat = live[n % len(live)]
            if act == "free":
                await free_reservations(
                    transaction,
                    pool_id=self.pool,
                    reservation_ids=[seat["id"]],
                    from_states=["held"],
                    to_state="released",
                )
            elif act == "fail":
                await transaction.execute(
                    "UPDATE buy_groups SET opened_at_ms = clock_ms() - 2,"
                    " deadline_ms = clock_ms() - 1 WHERE id = $1",
                    seat["group_id"],
                )
            elif act == "sell":
                await transaction.execute(
                    "UPDATE buy_groups SET state = 'formed', paid = need, ended_at_ms = clock_ms()"
                    " WHERE id = $1 AND joined = need AND state = 'forming'",
                    seat["group_id"],
                )
                await transaction.execute(
                    "UPDATE reservations r SET state = 'sold' FROM buy_groups g"
                    " WHERE g.id = r.group_id AND g.state = 'formed' AND r.state = 'held'"
                    " AND g.id = $1",
                    seat["group_id"],
                )
        if act == "fail" and n % 2:
            await fail_due_teams(self.database)
        if act == "again" and self.sent:
            await self.join([self.sent[n % len(self.sent)]])

    async def check(self) -> None:
        """Hold the rows against each other."""
        async with self.database.reading() as reading:
            wrong = await reading.fetch(
                """
                SELECT g.id FROM buy_groups g LEFT JOIN LATERAL (
                    SELECT count(*) AS live, array_agg(r.user_id ORDER BY r.version, r.seq) AS who
                    FROM reservations r WHERE r.group_id = g.id AND r.state IN ('held', 'paying')
                ) q ON true
                WHERE g.state = 'forming' AND (q.live <> g.joined OR NOT g.leader_id = ANY (q.who))
                   OR g.state = 'failed' AND q.live > 0
                """
            )
        assert wrong == []


async def play(database_url: str, steps: list) -> None:
    """Play a story in a campaign of its own."""
    database = PgDatabase(await open_pool(database_url))
    pool = await open_reserve_pool(database_url)
    try:
        shop: Shop = await make_shop(database, slug=f"room-{uuid.uuid4().hex[:8]}")
        sale = await open_group_buy(database, shop, quantity=12)
        async with database.reading() as reading:
            pool_id = str(await reading.fetchval("SELECT pool_id FROM sales WHERE id = $1", sale))
        async with pool.acquire() as connection:
            world = World(database, connection, sale, pool_id)
            for act, what in steps:
                if act != "join":
                    await world.act(act, what)
                    continue
                batch, _ = await world.find()
                names = [team.id for team in batch.teams] or [str(uuid.uuid4())]
                await world.join(
                    [
                        JoinRequest(
                            next(world.ids),
                            sale,
                            user,
                            1,
                            kind,
                            names[n % len(names)] if kind is Wish.NAMED else None,
                        )
                        for user, kind, n in what
                    ]
                )
                await world.check()
        await world.check()
        found = (await audit(database)).violations
        # Units are sold here without orders, which is no matter of seats.
        assert [one for one in found if one.check != "sold_is_on_one_paid_order"] == []
    finally:
        await pool.close()
        await database.close()


@stories(25)
@given(steps=STEPS)
def test_the_database_decides_as_the_rules_do(
    database_url: str, loop: asyncio.AbstractEventLoop, steps: list
) -> None:
    loop.run_until_complete(play(database_url, steps))
