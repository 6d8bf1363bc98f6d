"""Durable coupon claims a second, next to reservations in the same run; the last line is JSON.

Two questions, each asked of both over the same connections, 1,000 waiting at a time. *Everybody
wins*: 20,000 decisions that each write a row. *A rush*: 1,000 for 20,000 people, who get all of it
or an answer. Inside the measured path: the service, its batcher, the driver, PostgreSQL with fsync
on, COMMIT. Outside: sockets and HTTP. The auditor has the last word.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson
import uvloop

from commerce.goods.inventory.model import Reserved
from commerce.goods.inventory.service import InventoryService
from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from commerce.sales.coupons.model import CouponTerms, DropTerms
from commerce.sales.coupons.service import Drops, arm_drop, make_coupon
from server.db.database import PgDatabase, open_pool, open_reserve_pool
from server.db.migrate import migrate
from server.ops.embedded import Embedded
from server.wiring.sources import monotonic_ms
from tests.support.shop import Shop, Silence, arm_flash, make_shop

PEOPLE = 20_000
RUSH_UNITS = 1_000
WAITING = 1_000
ROUNDS = 3
FILL = """
    INSERT INTO users (id, name, role)
    SELECT gen_random_uuid(), 'guest ' || n, 'guest' FROM generate_series(1, $1::integer) n
    RETURNING id::text
"""

Press = Callable[[str], Awaitable[bool]]
"""Asks for one thing for a person; says whether they got it."""


class Bench:
    """A shop, its people, and both ways to give something out."""

    def __init__(
        self, database: PgDatabase, inventory: InventoryService, shop: Shop, people: list[str]
    ) -> None:
        self.database = database
        self.inventory = inventory
        self.shop = shop
        self.people = people

    async def drop(self, quantity: int) -> Press:
        """Drop coupons in a process that knows nothing of it yet."""
        async with self.database.transaction() as transaction:
            coupon = await make_coupon(
                transaction,
                self.shop.room,
                CouponTerms(title="x", amount_minor=1, quantity=quantity),
                key=str(uuid.uuid4()),
                currency="CNY",
            )
            terms = DropTerms(coupon=coupon, quantity=quantity, countdown_s=0, duration_s=600)
            drop = await arm_drop(transaction, self.shop.room, terms, key=str(uuid.uuid4()))
        drops = Drops(self.database, self.inventory, monotonic_ms)

        async def press(person: str) -> bool:
            try:
                await drops.claim(user_id=person, drop_id=drop.id, key="k")
            except CommerceError as error:
                if error.code != "coupons_gone":
                    raise
                return False
            return True

        return press

    async def sale(self, quantity: int) -> Press:
        """Open a flash sale in a shop of its own."""
        shop = await make_shop(self.database, stock=quantity, slug=f"r-{uuid.uuid4().hex[:8]}")
        sale = await arm_flash(self.database, shop, quantity=quantity)

        async def press(person: str) -> bool:
            answer = await self.inventory.reserve(user_id=person, sale_id=sale, qty=1, key="k")
            return isinstance(answer, Reserved)

        return press

    async def run(self, press: Press, *, winners: int) -> float:
        """Let everybody press once; return the answers a second."""
        people = iter(self.people)
        got = 0

        async def wait_in_turn() -> None:
            nonlocal got
            for person in people:
                has_got = await press(person)
                got += has_got

        started_s = time.perf_counter()
        await asyncio.gather(*(wait_in_turn() for _ in range(WAITING)))
        took_s = time.perf_counter() - started_s
        assert got == winners, f"{got} got one, not {winners}"
        return len(self.people) / took_s


async def measure(url: str, rounds: int) -> dict[str, float | int]:
    """Measure all four, one after the other, several times."""
    await migrate(url)
    database = PgDatabase(await open_pool(url))
    connections = await open_reserve_pool(url)
    inventory = InventoryService(connections, database, Silence(), monotonic_ms)
    async with database.transaction() as transaction:
        people = [row[0] for row in await transaction.fetch(FILL, PEOPLE)]
    bench = Bench(database, inventory, await make_shop(database), people)
    found: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        for name, open_one, units in (
            ("coupon_claims_per_s", bench.drop, PEOPLE),
            ("reservations_per_s", bench.sale, PEOPLE),
            ("drop_answers_per_s", bench.drop, RUSH_UNITS),
            ("flash_answers_per_s", bench.sale, RUSH_UNITS),
        ):
            rate = await bench.run(await open_one(units), winners=units)
            print(f"round {number}: {name} {rate:,.0f}", flush=True)
            if number:  # The first warms caches and plans.
                found.setdefault(name, []).append(rate)
    violations = len((await audit(database)).violations)
    await connections.close()
    await database.close()
    figures: dict[str, float | int] = {k: round(statistics.median(v)) for k, v in found.items()}
    figures["ratio"] = round(figures["coupon_claims_per_s"] / figures["reservations_per_s"], 2)
    return {**figures, "people": PEOPLE, "rush_units": RUSH_UNITS, "violations": violations}


def main() -> None:
    """Start a PostgreSQL of its own, measure, stop it, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.coupons", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds that count")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hubbub-bench-") as folder:
        servers = Embedded(Path(folder), with_redis=False)
        servers.start(say=lambda line: print(line, file=sys.stderr))
        assert servers.database_url is not None
        try:
            figures = uvloop.run(measure(servers.database_url, flags.rounds))
        finally:
            servers.stop()
    print(orjson.dumps(figures).decode())


if __name__ == "__main__":
    main()
