"""SQL of the press counts."""

from __future__ import annotations

from collections.abc import Mapping

from commerce.kernel.ports import Connection

ADD = """
    INSERT INTO sale_presses AS p (sale_id, second_ms, answer, count)
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[])
    ON CONFLICT (sale_id, second_ms, answer) DO UPDATE SET count = p.count + excluded.count
"""
SELECT_OF_SALE = """
    SELECT second_ms, answer, count FROM sale_presses WHERE sale_id = $1 ORDER BY second_ms
"""


async def add(connection: Connection, counts: Mapping[tuple[str, int, str], int]) -> None:
    """Add counts by (sale, second, answer); keys are sorted so that processes never deadlock."""
    rows = sorted(counts.items())
    await connection.execute(
        ADD,
        [sale for (sale, _, _), _ in rows],
        [second for (_, second, _), _ in rows],
        [answer for (_, _, answer), _ in rows],
        [count for _, count in rows],
    )


async def select_of_sale(connection: Connection, sale_id: str) -> list[tuple[int, str, int]]:
    """Return (second in Unix ms, answer, count) of a sale."""
    return [tuple(row) for row in await connection.fetch(SELECT_OF_SALE, sale_id)]
