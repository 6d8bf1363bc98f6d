"""SQL of the press counts."""

from __future__ import annotations

from collections.abc import Mapping

from commerce.kernel.ports import Connection

ADD = """
    INSERT INTO sale_presses AS p (sale_id, second_ms, answer, count)
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[])
    ON CONFLICT (sale_id, second_ms, answer) DO UPDATE SET count = p.count + excluded.count
"""
SELECT_ANSWERS = """
    SELECT answer, sum(count)::bigint FROM sale_presses WHERE sale_id = $1 GROUP BY answer
"""
SELECT_FIRST_SECONDS = """
    SELECT second_ms, sum(count)::bigint FROM sale_presses WHERE sale_id = $1
    GROUP BY second_ms ORDER BY second_ms LIMIT $2
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


async def select_answers(connection: Connection, sale_id: str) -> dict[str, int]:
    """Return how often each answer was given in a sale."""
    return dict(await connection.fetch(SELECT_ANSWERS, sale_id))


async def select_first_seconds(
    connection: Connection, sale_id: str, limit: int
) -> list[tuple[int, int]]:
    """Return (second in Unix ms, presses) of a sale's first seconds with any press."""
    rows = await connection.fetch(SELECT_FIRST_SECONDS, sale_id, limit)
    return [(row[0], row[1]) for row in rows]
