"""The reservation core as the product runs it: the real services on a real PostgreSQL.

Invariant: nothing but `clock_ms()` is replaced, by a row that the simulation sets, so that half an
hour passes without waiting and the same seed meets the same times.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

import asyncpg
import msgspec
import uvloop

from commerce.goods.adjustments.model import Adjustment
from commerce.goods.inventory.deciding import OWNED_MAX
from commerce.goods.inventory.model import BatchResult, Request
from commerce.goods.inventory.service import InventoryService
from commerce.goods.inventory.store import SELECT_DUE_POOLS, reserve_batch, select_owned
from commerce.goods.inventory.sweeper import sweep
from commerce.goods.waiting_list.service import WaitingList, tell_waiters, tend_lines
from commerce.goods.waiting_list.store import SELECT_TO_TEND
from commerce.insight.audit.service import audit
from commerce.kernel.ids import adjustment_id
from commerce.orders.checkout.model import PlaceOrder
from commerce.orders.checkout.service import CheckoutService
from commerce.orders.checkout.settlement import OrderSettlement
from commerce.orders.checkout.store import SELECT_DEAD
from commerce.orders.payments.model import PaymentReport
from commerce.orders.payments.ports import PaymentPorts
from commerce.orders.payments.service import SILENT_MS, PaymentService
from commerce.orders.refunds.completion import RefundCompletion
from commerce.sales.flash_sales.quantity import change_quantity
from commerce.sales.flash_sales.store import select_sale
from loadtests.journal_check import Step
from server.db.database import PgDatabase, open_pool, open_reserve_pool
from server.wiring.sources import FreshIds, monotonic_ms
from tests.simulation.core import (
    GRACE_MS,
    HOLD_MS,
    PER_BUYER,
    SALE_MS,
    UNITS,
    Books,
    EntryBook,
    OrderBook,
    ProviderDesk,
    ReservationBook,
)
from tests.simulation.desk import Desk, NodeClock
from tests.simulation.processes import JOBS
from tests.simulation.world import Killed
from tests.support.shop import Silence, arm_flash, make_shop, read_stock

Told = TypeVar("Told")
SIMULATED_CLOCK = """
    CREATE SEQUENCE simulated_clock START {start_ms};
    CREATE OR REPLACE FUNCTION clock_ms() RETURNS bigint LANGUAGE sql VOLATILE PARALLEL SAFE
    AS $$ SELECT last_value FROM simulated_clock $$;
"""
# A gateway, a worker and the auditor in one: they ask 150 in turn, and of a hundred none is kept.
STATEMENTS_KEPT = 500
INSERT_BUYERS = """
    INSERT INTO users (id, name, role) SELECT id, 'B', 'guest' FROM unnest($1::uuid[]) id
"""
SELECT_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
SELECT_TABLES = "SELECT format('%I.%I', schemaname, relname) FROM pg_stat_user_tables"
# A function, because it keeps its plans: to plan so many statements took longer than to run them.
FORGET_SALE = """
    CREATE FUNCTION forget_sale() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {deletes} END $$
"""
SELECT_RESERVATIONS = """
    SELECT id::text, user_id::text, qty, state, origin, version, decided_at_ms, release_at_ms
    FROM reservations WHERE pool_id = $1
"""
# The jobs' own questions, asked at once: rounds in vain were half of a sale. They are told what
# time it is, and set the clock for the jobs: no round trip is for that alone.
SELECT_DUE_JOBS = f"""
    SELECT setval('simulated_clock', clock_ms()),
        EXISTS ({SELECT_DUE_POOLS}) AS sweep,
        EXISTS ({SELECT_DEAD}) AS expire_orders,
        EXISTS (
            SELECT 1 FROM payment_calls WHERE state = 'pending' AND next_at_ms <= clock_ms()
        ) AS run_calls,
        EXISTS (
            SELECT 1 FROM payments p JOIN orders o ON o.id = p.order_id
            WHERE p.state IN ('created', 'declined') AND p.provider_ref IS NOT NULL
              AND o.state = 'awaiting_payment'
              AND greatest(p.created_at_ms, p.polled_at_ms) <= clock_ms() - {SILENT_MS}
        ) AS poll,
        EXISTS ({SELECT_TO_TEND})
            OR EXISTS (SELECT 1 FROM waiting_list WHERE NOT is_told) AS tend
""".replace("clock_ms()", "$3::bigint")
SELECT_PLACES = "SELECT id::text, state, reservation_id::text FROM waiting_list WHERE sale_id = $1"
SELECT_ENTRIES = """
    SELECT w.id::text, w.user_id::text, w.qty, w.state, w.reservation_id::text,
        r.version AS offered_version, w.created_at_ms AS joined_at_ms
    FROM waiting_list w LEFT JOIN reservations r ON r.id = w.reservation_id
    WHERE w.sale_id = $1 ORDER BY w.seq
"""
SELECT_ORDERS = """
    SELECT o.id::text, o.user_id::text, o.state, o.total_minor, ARRAY(
        SELECT l.reservation_id::text FROM order_lines l WHERE l.order_id = o.id
    ) AS reservation_ids, ARRAY(
        SELECT p.id::text || ' ' || p.state FROM payments p
        WHERE p.order_id = o.id ORDER BY p.created_at_ms, p.id
    ) AS payments
    FROM orders o WHERE $1::uuid IS NULL OR o.id = $1
"""
SELECT_STEPS = """
    SELECT version, claimed_delta, total_delta, at_ms FROM stock_journal
    WHERE pool_id = $1 ORDER BY version
"""


class PostgresCore:
    """One sale on a database of its own, and after it another one."""

    def __init__(
        self, url: str, desk: ProviderDesk, start_ms: int, buyers: int, units: int = UNITS
    ) -> None:
        self.runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._loop = self.runner.get_loop()
        self.now_ms = start_ms
        self.clock = NodeClock(start_ms)
        self.clock_in_database_ms = start_ms
        self._places: dict[str, tuple[str, str | None]] | None = None
        """What the line looks like; None after any work, which may have changed it."""
        self.runner.run(self._open(url, desk))
        self.run(self._begin(buyers, units))

    def reopen(self, desk: ProviderDesk, start_ms: int, buyers: int, units: int) -> None:
        """Forget everything and begin another sale, as on a database of its own.

        Deleting some hundred rows takes milliseconds; a new database takes half a second.
        """
        self.desk.desk = desk
        self.now_ms, self.clock.skew_ms = start_ms, 0
        self.run(self._forget())
        self.run(self._begin(buyers, units))

    async def _forget(self) -> None:
        # As a replica: no trigger of the product has a say, and no foreign key an order.
        await self._direct.execute(
            "BEGIN; SET LOCAL session_replication_role = replica; SELECT forget_sale(); COMMIT"
        )

    async def _open(self, url: str, desk: ProviderDesk) -> None:
        # Past the pools, whose reset is a round trip more.
        direct = self._direct = await asyncpg.connect(url)
        # What the migrations filled stays as it is.
        filled = [
            name
            for (name,) in await direct.fetch(SELECT_TABLES)
            if not await direct.fetchval(f"SELECT EXISTS (SELECT 1 FROM {name})")
        ]
        await direct.execute(
            FORGET_SALE.format(deletes="".join(f"DELETE FROM {name};" for name in filled))
        )
        await direct.execute(SIMULATED_CLOCK.format(start_ms=self.clock.at_ms))
        self.database = PgDatabase(await open_pool(url, STATEMENTS_KEPT))
        self.connections = await open_reserve_pool(url)
        self.desk = Desk(desk)
        ids = FreshIds()
        inventory = InventoryService(self.connections, self.database, Silence(), monotonic_ms)
        self.inventory = inventory
        self.line = WaitingList(self.database, inventory)
        self.settlement = OrderSettlement(self.database, ids)
        self.payments = PaymentService(
            self.database,
            ids,
            self.clock,
            PaymentPorts({"simulated": self.desk}, self.settlement, RefundCompletion()),
        )
        self.checkout = CheckoutService(self.database, self.payments)

    async def _begin(self, buyers: int, units: int) -> None:
        self.shop = await make_shop(self.database, slug=f"r{uuid.uuid4().hex[:12]}", stock=1_000)
        self.users = [str(uuid.uuid4()) for _ in range(buyers)]
        await self._direct.execute(INSERT_BUYERS, self.users)
        self.sale_id = await arm_flash(
            self.database,
            self.shop,
            quantity=units,
            per_buyer=PER_BUYER,
            duration_s=SALE_MS // 1000,
            hold_s=HOLD_MS // 1000,
            grace_s=GRACE_MS // 1000,
        )
        self.pool_id = str((await read_stock(self.database, self.sale_id))["pool_id"])

    def begin_anew(self, buyers: int) -> None:
        """Play another sale with other people, in a shop of its own, at the present time."""
        self.run(self._begin(buyers, UNITS))

    def close(self) -> None:
        """Close every connection and the loop."""
        self.runner.run(self._close())
        self.runner.close()

    async def _close(self) -> None:
        await self.connections.close()
        await self.database.close()
        await self._direct.close()

    def run(self, work: Coroutine[Any, Any, Told]) -> Told:
        """Do work at the database's present time."""
        self._places = None
        return self._loop.run_until_complete(self._at_present(work))

    async def _at_present(self, work: Coroutine[Any, Any, Told]) -> Told:
        if self.clock_in_database_ms != self.now_ms:
            self.clock.at_ms = self.clock_in_database_ms = self.now_ms
            await self._direct.fetchval("SELECT setval('simulated_clock', $1)", self.now_ms)
        try:
            return await work
        except BaseExceptionGroup as group:  # Some work is done side by side; one kill is enough.
            if group.subgroup(Killed) is None:
                raise
            raise Killed from group

    def fetch(self, query: str, *values: Any) -> list[Any]:
        """Read what does not depend on the time: it is a round trip less."""
        return list(self._loop.run_until_complete(self._direct.fetch(query, *values)))

    def backends(self) -> list[int]:
        """Return the server's processes behind our connections."""
        return [pid for (pid,) in self.fetch(SELECT_BACKENDS)]

    def jump_node_clock(self, skew_ms: int) -> None:
        """Let the services' own clock be wrong."""
        self.clock.skew_ms = skew_ms

    def reserve(self, requests: list[Request]) -> BatchResult:
        """Decide and commit one batch."""
        return self.run(self._reserve(requests))

    async def _reserve(self, requests: list[Request]) -> BatchResult:
        async with self.connections.acquire() as connection:
            return await reserve_batch(connection, self.pool_id, requests)

    def owned(self) -> dict[str, frozenset[str]]:
        """Return the ids of what holds or has units, by owner."""
        return self._loop.run_until_complete(self._owned())

    async def _owned(self) -> dict[str, frozenset[str]]:
        async with self.connections.acquire() as connection:
            owned = await select_owned(connection, self.pool_id, OWNED_MAX)
        assert owned is not None, "a simulated sale is small"
        return owned

    def release(self, user_id: str, reservation_id: str) -> None:
        """Give a hold back."""
        self.run(self.inventory.release(user_id=user_id, reservation_id=reservation_id))

    def join(self, user_id: str, qty: int, key: str) -> str:
        """Wait for units."""
        entry = self.line.join(user_id=user_id, sale_id=self.sale_id, qty=qty, key=key)
        return self.run(entry).id

    def leave(self, user_id: str, entry_id: str) -> None:
        """Leave the line."""
        self.run(self.line.leave(user_id=user_id, entry_id=entry_id))

    def look(self, entry_id: str) -> tuple[str, str | None]:
        """Return an entry's state and offer."""
        if self._places is None:
            places = self.fetch(SELECT_PLACES, self.sale_id)
            self._places = {id: (state, offer) for id, state, offer in places}
        return self._places[entry_id]

    def due_jobs(self) -> list[str]:
        """Name the jobs that would find something to do."""
        (row,) = self.fetch(SELECT_DUE_JOBS, 1, None, self.now_ms)
        self.clock.at_ms = self.clock_in_database_ms = self.now_ms
        return [job for job in JOBS if row[job]]

    def place_order(self, user_id: str, key: str, ids: Sequence[str]) -> str:
        """Order reservations."""
        return self.run(self.checkout.place_order(PlaceOrder(user_id, key, list(ids)))).id

    def read_order(self, order_id: str) -> OrderBook:
        """Return an order."""
        return self._orders(order_id)[0]

    def _orders(self, order_id: str | None) -> list[OrderBook]:
        rows = self.fetch(SELECT_ORDERS, order_id)
        return [
            OrderBook(
                **{**dict(row), "payments": [tuple(one.split(" ")) for one in row["payments"]]}
            )
            for row in rows
        ]

    def cancel(self, user_id: str, order_id: str) -> None:
        """Cancel an unpaid order."""
        self.run(self.checkout.cancel(user_id=user_id, order_id=order_id))

    def adjust(self, delta: int, key: str) -> None:
        """Change the sale's total."""
        self.run(self._adjust(delta, key))

    async def _adjust(self, delta: int, key: str) -> None:
        id = adjustment_id(self.shop.host_id, self.sale_id, key)
        wish = Adjustment(id, self.shop.host_id, self.shop.sku, delta, key, self.sale_id)
        async with self.database.transaction() as transaction:
            sale = await select_sale(transaction, self.sale_id)
            await change_quantity(transaction, sale, wish)

    def take_webhook(self, event_id: str, report: PaymentReport) -> None:
        """Take a provider's report."""
        body = msgspec.json.encode(report)
        self.run(self.payments.receive_webhook("simulated", body, event_id))

    def sweep(self) -> None:
        """Job: end due holds."""
        self.run(sweep(self.database))

    def expire_orders(self) -> None:
        """Job: end orders that have lost a reservation."""
        self.run(self.settlement.expire_orders())

    def run_calls(self) -> None:
        """Job: make the calls that are due."""
        self.run(self.payments.run_payment_calls())

    def poll(self) -> None:
        """Job: ask after silent payments."""
        self.run(self.payments.poll_silent_payments())

    def tend(self) -> None:
        """Job: serve and close the line, and tell who was served."""
        self.run(tend_lines(self.database))
        self.run(tell_waiters(self.database))

    def figures(self) -> tuple[int, int, int]:
        """Return the pool's total, what is claimed of it, and its version."""
        stock = self.run(read_stock(self.database, self.sale_id))
        return stock["total"], stock["claimed"], stock["version"]

    def read(self) -> Books:
        """Return everything, with what the auditor has to say."""
        stock = self.run(read_stock(self.database, self.sale_id))
        rows = self.fetch(SELECT_RESERVATIONS, self.pool_id)
        steps = self.fetch(SELECT_STEPS, self.pool_id)
        buyers = self.fetch(
            "SELECT user_id::text, qty FROM sale_buyers WHERE sale_id = $1", self.sale_id
        )
        entries = self.fetch(SELECT_ENTRIES, self.sale_id)
        report = self.run(audit(self.database))
        return Books(
            total=stock["total"],
            claimed=stock["claimed"],
            steps=[Step(*row) for row in steps],
            reservations={row["id"]: ReservationBook(**dict(row)) for row in rows},
            orders={order.id: order for order in self._orders(None)},
            entries=[EntryBook(**dict(row)) for row in entries],
            buyers={row[0]: row[1] for row in buyers},
            problems=[f"the auditor: {one}" for one in report.violations],
        )


def make_postgres_core(url: str) -> Callable[[ProviderDesk, int, int], PostgresCore]:
    """Return what makes a core on an empty, migrated database."""
    return partial(PostgresCore, url)
