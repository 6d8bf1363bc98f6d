"""The ways over everything, in small steps: the turn and the full run go along the same six.

Each step names some keys behind a cursor, in the order of an index; nothing is read twice, and
what is made behind the cursor meanwhile is marked as changed.
"""

from __future__ import annotations

import msgspec

from commerce.insight.audit.model import Keys, Kind
from commerce.kernel.ports import Connection

START = ("00000000-0000-0000-0000-000000000000",) * 2


class Walk(msgspec.Struct, frozen=True):
    """One way: which table it counts, and the query of a step: cursor and limit to keys.

    A row has the key's columns, in the order of the cursor, and `weight`: how many rows looking at
    it reads; 0 when another walk does.
    """

    name: str
    kind: Kind
    table: str
    query: str
    keys_max: int


WALKS = (
    Walk(
        "pools",
        "pool",
        "stock",
        "SELECT pool_id, pool_id AS again, claimed + version AS weight FROM stock"
        " WHERE pool_id > $1 AND $2::uuid IS NOT NULL ORDER BY pool_id LIMIT $3",
        500,
    ),
    Walk(
        "buyers",
        "buyer",
        "sale_buyers",
        "SELECT sale_id, user_id, 1 AS weight FROM sale_buyers"
        " WHERE (sale_id, user_id) > ($1, $2) ORDER BY sale_id, user_id LIMIT $3",
        2_000,
    ),
    # Those of whom no sum is kept at all; the others were the last walk's.
    Walk(
        "holders",
        "buyer",
        "reservations",
        """
        SELECT r.user_id, r.sale_id, (CASE WHEN EXISTS (SELECT 1 FROM sale_buyers b
            WHERE b.sale_id = r.sale_id AND b.user_id = r.user_id) THEN 0 ELSE 1 END) AS weight
        FROM reservations r
        WHERE (r.user_id, r.sale_id) > ($1, $2) ORDER BY r.user_id, r.sale_id LIMIT $3
        """,
        5_000,
    ),
    Walk(
        "orders",
        "order",
        "orders",
        "SELECT id, id AS again, 1 AS weight FROM orders"
        " WHERE id > $1 AND $2::uuid IS NOT NULL ORDER BY id LIMIT $3",
        2_000,
    ),
    Walk(
        "logs",
        "room",
        "room_log_heads",
        "SELECT room_id, room_id AS again, log_offset AS weight FROM room_log_heads"
        " WHERE room_id > $1 AND $2::uuid IS NOT NULL ORDER BY room_id LIMIT $3",
        200,
    ),
    Walk(
        "coupons",
        "coupon",
        "coupons",
        "SELECT id, id AS again, granted + 1 AS weight FROM coupons"
        " WHERE id > $1 AND $2::uuid IS NOT NULL ORDER BY id LIMIT $3",
        200,
    ),
)
BY_NAME = {walk.name: walk for walk in WALKS}


class Step(msgspec.Struct, frozen=True):
    """Keys to look at, how many were passed, and where to go on (None: the way is at its end)."""

    keys: Keys
    passed: int
    cursor: tuple[str, str] | None


async def next_step(
    connection: Connection, walk: Walk, cursor: tuple[str, str], *, weight_max: int
) -> Step:
    """Return the next keys; together they weigh at most `weight_max`, or are a single one."""
    rows = await connection.fetch(walk.query, *cursor, walk.keys_max)
    keys, passed, weight = Keys(), 0, 0
    for first, second, row_weight in rows:
        weight += row_weight
        if passed and weight > weight_max:
            break
        passed += 1
        cursor = (first, second)
        if walk.kind == "buyer":
            if row_weight:
                keys.buyer.add((second, first) if walk.name == "holders" else (first, second))
        else:
            getattr(keys, walk.kind).add(first)
    return Step(keys, passed, cursor if rows else None)


def next_walk(name: str) -> Walk | None:
    """Return the walk after the named one ("": the first), or None after the last."""
    names = ["", *BY_NAME]
    place = names.index(name) if name in names else 0
    return WALKS[place] if place < len(WALKS) else None
