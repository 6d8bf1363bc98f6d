"""No team is ever overfull and nobody is stranded, whoever presses when; and the guard is why."""

from __future__ import annotations

import asyncio
import uuid

from commerce.goods.inventory.service import InventoryService
from commerce.goods.inventory.sweeper import sweep
from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from commerce.sales.group_buys.campaigns import fail_due_teams
from commerce.sales.group_buys.model import Seat
from commerce.sales.group_buys.service import GroupBuys
from server.db.database import PgDatabase
from tests.support.grouping import end_seats, join, open_group_buy, pass_deadline
from tests.support.meeting import MEET, arrange
from tests.support.shop import make_shop

CROWD = 300
# What makes a batch wait for the one before: the pool's row, then the teams' own.
POOL_LOCK = "WHERE stock.pool_id = p_pool FOR NO KEY UPDATE"
TEAM_LOCK = "ORDER BY g.id FOR NO KEY UPDATE"
# Between its look at the teams and its writing, a batch stays a moment.
LOOKED = "    free := s.total - s.claimed;\n"


async def rewrite(database: PgDatabase, *changes: tuple[str, str]) -> None:
    """Change lines of `join_group_batch`."""
    async with database.transaction() as transaction:
        await arrange(transaction)
        source = await transaction.fetchval(
            "SELECT pg_get_functiondef('join_group_batch'::regproc)"
        )
        for old, new in changes:
            assert source.count(old) == 1, old
            source = source.replace(old, new)
        await transaction.execute(source)


async def counts(database: PgDatabase) -> tuple[int, int]:
    """Return (teams with more seats than they need, teams that count other seats than theirs)."""
    async with database.reading() as connection:
        row = await connection.fetchrow(
            """
            SELECT count(*) FILTER (WHERE q.live > g.need) AS overfull,
                count(*) FILTER (WHERE q.live <> g.joined AND g.state = 'forming') AS off
            FROM buy_groups g CROSS JOIN LATERAL (
                SELECT count(*) AS live FROM reservations r
                WHERE r.group_id = g.id AND r.state IN ('held', 'paying', 'sold')
            ) q
            """
        )
    return row["overfull"], row["off"]


async def race_for_the_last_seat(
    database: PgDatabase, cores: list[InventoryService], *changes: tuple[str, str]
) -> list[str]:
    """Let many press for one seat from several processes; return how each fared.

    They are decided by a changed `join_group_batch`.
    """
    sale = await open_group_buy(database, await make_shop(database), per_buyer=1)
    processes = [GroupBuys(database, core) for core in cores]
    first = await join(processes[0], sale)
    await join(processes[0], sale)
    await rewrite(database, *changes)

    async def press(n: int) -> str:
        try:
            await join(processes[n % len(processes)], sale, team=first.group_id)
        except CommerceError as error:
            return error.code
        return "joined"

    return list(await asyncio.gather(*(press(n) for n in range(30))))


async def test_one_of_many_gets_the_last_seat(
    database: PgDatabase, cores: list[InventoryService]
) -> None:
    slowly = (LOOKED, f"    PERFORM pg_sleep(0.2);\n{LOOKED}")
    answers = await race_for_the_last_seat(database, cores, slowly)
    assert answers.count("joined") == 1
    assert set(answers) == {"joined", "group_full"}
    assert await counts(database) == (0, 0)
    assert (await audit(database)).violations == []


async def test_without_the_locks_the_team_is_overfull(
    database: PgDatabase, cores: list[InventoryService]
) -> None:
    """The negative control: "is it full?" is read, then written, and nothing is in between."""
    async with database.transaction() as transaction:
        await transaction.execute(
            "ALTER TABLE buy_groups DROP CONSTRAINT buy_groups_never_overfull"
        )
    answers = await race_for_the_last_seat(
        database,
        cores,
        (POOL_LOCK, POOL_LOCK.removesuffix(" FOR NO KEY UPDATE")),
        (TEAM_LOCK, TEAM_LOCK.removesuffix(" FOR NO KEY UPDATE")),
        (LOOKED, f"{MEET}{LOOKED}"),
        # Without the lock two batches would meet at the journal's key; each gets its own version.
        ("s.version := s.version + 1;", "s.version := s.version + (random() * 1e12)::bigint;"),
    )
    assert answers.count("joined") > 1
    assert (await counts(database))[0] == 1


async def test_a_crowd_makes_whole_teams(
    database: PgDatabase, cores: list[InventoryService]
) -> None:
    sale = await open_group_buy(database, await make_shop(database), quantity=300, per_buyer=1)
    processes = [GroupBuys(database, core) for core in cores]
    seats: list[Seat] = await asyncio.gather(
        *(join(processes[n % len(processes)], sale) for n in range(CROWD))
    )
    teams: dict[str, int] = {}
    for seat in seats:
        teams[seat.group_id] = teams.get(seat.group_id, 0) + 1
    assert set(teams.values()) == {3}
    assert len(teams) == CROWD // 3
    assert await counts(database) == (0, 0)


async def test_joining_leaving_ending_and_failing_at_once_keeps_the_count(
    database: PgDatabase, cores: list[InventoryService]
) -> None:
    sale = await open_group_buy(database, await make_shop(database), quantity=60, per_buyer=5)
    processes = [GroupBuys(database, core) for core in cores]

    async def live(n: int) -> None:
        core, groups = cores[n % len(cores)], processes[n % len(processes)]
        user = str(uuid.uuid4())
        for turn in range(4):
            try:
                seat = await join(groups, sale, user=user, is_new=turn == 1)
            except CommerceError:
                continue
            if (n + turn) % 3 == 0:
                await core.release(user_id=user, reservation_id=seat.reservation.id)
            elif (n + turn) % 7 == 0:
                await pass_deadline(database, seat.group_id)
                await fail_due_teams(database)
            elif (n + turn) % 5 == 0:
                await end_seats(database, sale)
                await sweep(database)

    await asyncio.gather(*(live(n) for n in range(24)))
    assert await counts(database) == (0, 0)
    assert (await audit(database)).violations == []
