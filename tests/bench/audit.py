"""Measure a round of the auditor: a million reservations, a thousand of them changed.

Inside the measured path: `look_at_changes` as the worker calls it, from BEGIN to COMMIT. Outside:
the turn's slice, which is measured apart, and the full run. A tenth of the reservations lies in
one pool, the rest in pools of a thousand; half of the changes are in the large one. The last line
is one JSON object.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import orjson

from commerce.insight.audit.rounds import look_at_a_slice, look_at_changes
from commerce.insight.audit.service import audit
from server.db.database import PgDatabase, open_pool
from server.db.migrate import migrate
from server.ops.embedded import Embedded

RESERVATIONS = 1_000_000
LARGE_POOL = 100_000
SMALL_POOL = 1_000
CHANGED = 1_000
ROUNDS = 7

# The triggers are off while rows are made: this is a shop that was there before the auditor.
FILL = f"""
    SET session_replication_role = replica;
    INSERT INTO stock (pool_id, sku, sale_id, total, claimed, version)
    SELECT md5('pool' || p)::uuid, 'sku' || p, md5('sale' || p)::uuid, size, size, 2
    FROM (SELECT p, CASE p WHEN 0 THEN {LARGE_POOL} ELSE {SMALL_POOL} END AS size
        FROM generate_series(0, {(RESERVATIONS - LARGE_POOL) // SMALL_POOL}) p) q;
    INSERT INTO stock_journal (pool_id, version, claimed_delta, total_delta, reason, at_ms)
    SELECT pool_id, v, CASE v WHEN 1 THEN 0 ELSE claimed END,
        CASE v WHEN 1 THEN total ELSE 0 END, 'bench', 1
    FROM stock, generate_series(1, 2) v;
    INSERT INTO reservations (id, pool_id, sale_id, user_id, qty, unit_price_minor, version, seq,
        decided_at_ms, shown_until_ms, release_at_ms)
    SELECT gen_random_uuid(), md5('pool' || p)::uuid, md5('sale' || p)::uuid,
        md5('user' || n)::uuid, 1, 100, 2, n, 1, 1, 9e12::bigint
    FROM (SELECT n, CASE WHEN n < {LARGE_POOL} THEN 0
        ELSE 1 + (n - {LARGE_POOL}) / {SMALL_POOL} END AS p
        FROM generate_series(0, {RESERVATIONS - 1}) n) q;
    INSERT INTO sale_buyers (sale_id, user_id, qty)
    SELECT sale_id, user_id, sum(qty) FROM reservations GROUP BY sale_id, user_id;
    SET session_replication_role = origin
"""
# As the core does it: fifty holds at a time, through the function that frees them.
CHANGE = """
    SELECT count(*) FROM (
        SELECT q.pool_id, array_agg(q.id) AS ids FROM (
            SELECT r.pool_id, r.id, row_number() OVER () AS place FROM (
                (SELECT pool_id, id FROM reservations
                WHERE pool_id = md5('pool0')::uuid AND state = 'held' LIMIT $1 / 2)
                UNION ALL
                (SELECT pool_id, id FROM reservations
                WHERE pool_id <> md5('pool0')::uuid AND state = 'held' LIMIT $1 / 2)
            ) r
        ) q GROUP BY q.pool_id, q.place / 50
    ) b
    CROSS JOIN LATERAL free_reservations(b.pool_id, b.ids, ARRAY['held'], 'expired', clock_ms())
"""
ROWS_READ = """
    SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint
    FROM pg_stat_user_tables WHERE relname IN ('reservations', 'sale_buyers', 'stock_journal')
"""


async def rows_read(database: PgDatabase) -> int:
    """Return how many rows of the large tables were read so far."""
    async with database.pool.acquire() as connection:
        await connection.fetchval("SELECT pg_stat_force_next_flush()")
        return int(await connection.fetchval(ROWS_READ))


async def bench(database_url: str) -> None:
    """Fill, settle, then change and audit in turns."""
    await migrate(database_url)
    pool = await open_pool(database_url)
    database = PgDatabase(pool)
    async with pool.acquire() as connection:
        await connection.execute("SET statement_timeout = 0")
        await connection.execute(FILL, timeout=600)
        await connection.execute("VACUUM ANALYZE", timeout=600)
    print(f"{RESERVATIONS:,} reservations are there", flush=True)
    started_s = time.perf_counter()
    report = await audit(database)
    full_s = time.perf_counter() - started_s
    took_ms, read, slices_ms = [], [], []
    for number in range(ROUNDS + 2):
        async with pool.acquire() as connection:
            await connection.fetchval(CHANGE, CHANGED)
        before = await rows_read(database)
        started_s = time.perf_counter()
        round_report = await look_at_changes(database)
        took = (time.perf_counter() - started_s) * 1000
        after = await rows_read(database)
        started_s = time.perf_counter()
        await look_at_a_slice(database)
        slice_ms = (time.perf_counter() - started_s) * 1000
        print(
            f"round {number}: {took:.0f} ms, {after - before:,} rows read, slice {slice_ms:.0f} ms,"
            f" {round_report.checked}",
            flush=True,
        )
        if number >= 2:  # Pools are read whole when they are seen for the first time.
            took_ms.append(took)
            read.append(after - before)
            slices_ms.append(slice_ms)
        if not round_report.ok or (round_report.behind and number >= 2):
            raise SystemExit(f"not what was expected: {round_report}")
    await database.close()
    figures = {
        "round_ms": round(statistics.median(took_ms), 1),
        "round_ms_max": round(max(took_ms), 1),
        "rows_read": round(statistics.median(read)),
        "slice_ms": round(statistics.median(slices_ms), 1),
        "full_s": round(full_s, 1),
        "reservations": RESERVATIONS,
        "changed": CHANGED,
        "violations": len(report.violations),
    }
    print(orjson.dumps(figures).decode())


def main() -> None:
    """Start a PostgreSQL of its own, measure, and stop it."""
    with tempfile.TemporaryDirectory(prefix="hubbub-bench-") as folder:
        servers = Embedded(Path(folder), with_redis=False)
        servers.start(say=lambda line: print(line, file=sys.stderr))
        assert servers.database_url is not None
        try:
            asyncio.run(bench(servers.database_url))
        finally:
            servers.stop()


if __name__ == "__main__":
    main()
