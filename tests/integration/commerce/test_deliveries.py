"""Deliveries are kept once a gateway and event, and the console reads the last minute of them."""

from __future__ import annotations

from bisect import bisect_left

import asyncpg
import pytest

from commerce.insight.deliveries.model import DeliveryTally
from commerce.insight.deliveries.rules import BINS, BOUNDS_MS
from commerce.insight.deliveries.service import EVENTS_SHOWN, read_delivery
from commerce.insight.deliveries.store import upsert_tallies
from server.db.database import PgDatabase
from tests.support.shop import Shop, make_shop

ROW = "INSERT INTO room_events (room_id, log_offset, type, payload, at_ms)"


def bins_of(*delays: int) -> tuple[int, ...]:
    bins = [0] * BINS
    for delay in delays:
        bins[bisect_left(BOUNDS_MS, delay)] += 1
    return tuple(bins)


class Ledger:
    """A room's log with events of known age, and what gateways said about them."""

    def __init__(self, database: PgDatabase, shop: Shop) -> None:
        self.database = database
        self.room_id = shop.room.id

    async def log(self, *ages_ms: int) -> list[int]:
        """Append events that are so old; return their offsets."""
        async with self.database.transaction() as transaction:
            head = await transaction.fetchval(
                "SELECT max(log_offset) FROM room_events WHERE room_id = $1", self.room_id
            )
            offsets = [head + n for n in range(1, len(ages_ms) + 1)]
            await transaction.executemany(
                f"{ROW} VALUES ($1, $2, 'flash.opened', '{{}}', clock_ms() - $3)",
                [(self.room_id, o, age) for o, age in zip(offsets, ages_ms, strict=True)],
            )
        return offsets

    async def keep(self, offset: int, *delays: int, asked: int = 0, reporter: str = "g1:a") -> None:
        """Store what one gateway counted."""
        tally = DeliveryTally(
            self.room_id, offset, reporter, asked or len(delays), bins_of(*delays)
        )
        async with self.database.transaction() as transaction:
            await upsert_tallies(transaction, [tally])

    async def read(self) -> dict[str, object]:
        """Read what the console would."""
        async with self.database.reading() as connection:
            return await read_delivery(connection, self.room_id)


@pytest.fixture
async def ledger(database: PgDatabase) -> Ledger:
    return Ledger(database, await make_shop(database))


async def test_a_room_without_reports_claims_nothing(ledger: Ledger) -> None:
    delivery = await ledger.read()
    assert (delivery["share"], delivery["asked"], delivery["events"]) == (None, 0, [])
    assert (delivery["p50_ms"], delivery["p99_ms"]) == (None, None)


async def test_gateways_add_up_and_silence_counts_against_the_share(ledger: Ledger) -> None:
    [offset] = await ledger.log(1_000)
    await ledger.keep(offset, 40, 90, 420, asked=3)
    await ledger.keep(offset, 40, asked=2, reporter="g2:b")
    delivery = await ledger.read()
    assert delivery["share"] == pytest.approx(3 / 5)
    assert (delivery["asked"], delivery["reports"], delivery["viewers"]) == (5, 4, 4)
    assert (delivery["p50_ms"], delivery["p99_ms"]) == (90, None)
    [event] = delivery["events"]  # type: ignore[misc]
    assert event["offset"] == offset
    assert (event["asked"], event["acked"], event["within_400"]) == (5, 4, 3)


async def test_storing_a_count_again_changes_nothing(ledger: Ledger) -> None:
    [offset] = await ledger.log(1_000)
    for _ in range(3):
        await ledger.keep(offset, 40, 60)
    assert (await ledger.read())["asked"] == 2


async def test_the_share_is_of_the_last_minute_and_the_list_of_the_newest(ledger: Ledger) -> None:
    offsets = await ledger.log(600_000, 61_000, *[1_000] * EVENTS_SHOWN)
    for offset in offsets[:2]:
        await ledger.keep(offset, 3_000)
    for offset in offsets[2:]:
        await ledger.keep(offset, 40)
    delivery = await ledger.read()
    assert delivery["share"] == 1.0
    assert delivery["recent_events"] == EVENTS_SHOWN
    listed = [event["offset"] for event in delivery["events"]]  # type: ignore[attr-defined]
    assert listed == offsets[:1:-1]


async def test_another_rooms_reports_are_not_ours(database: PgDatabase, ledger: Ledger) -> None:
    other = Ledger(database, await make_shop(database, slug="other"))
    [offset] = await other.log(1_000)
    await ledger.log(1_000)
    await other.keep(offset, 40)
    assert (await ledger.read())["asked"] == 0
    assert (await other.read())["asked"] == 1


async def test_the_table_refuses_what_cannot_be_a_count(ledger: Ledger) -> None:
    [offset] = await ledger.log(1_000)
    with pytest.raises(asyncpg.CheckViolationError):
        await ledger.keep(offset, 40, 50, asked=1)
    short = DeliveryTally(ledger.room_id, offset, "g1:a", 1, (1,))
    with pytest.raises(asyncpg.CheckViolationError):
        async with ledger.database.transaction() as transaction:
            await upsert_tallies(transaction, [short])
