"""SQL of the rules of who may press: rules as they are stored, and what a person has done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from commerce.goods.press_rules.model import Dropped, PressRules
from commerce.kernel.ports import Connection

# Letting go at once is a change of mind; a hold kept longer kept a unit from others. So does
# whoever changes it all the time, and presses again.
CHANGE_OF_MIND_MS = 5_000
CHANGES_OF_MIND_MAX = 3
DROPS_COUNT_FOR_MS = 86_400_000

UPDATE_RULES = "UPDATE sales SET rules = $2::text::jsonb WHERE id = $1"
# Found by `reservations_of_user`. Own presses and seats count. An offer of the waiting list, or a
# unit that was drawn, comes when nobody looks: it counts once it was on an order (`extended`), or
# whoever waits could keep units from others time and again. A seat that its team took with it, or
# whose money was granted, is no drop. A release by the host has no `released_at_ms`. Dead at read
# time, swept or not.
SELECT_DROPPED = f"""
    WITH mine AS (
        SELECT r.state, r.origin, r.decided_at_ms, r.release_at_ms, r.released_at_ms,
            r.seated_at_ms, r.extended, n.now_ms,
            CASE g.state WHEN 'failed' THEN g.ended_at_ms END AS team_failed_at_ms
        FROM (SELECT clock_ms() AS now_ms) n, reservations r
        LEFT JOIN buy_groups g ON g.id = r.group_id
        WHERE r.user_id = $1 AND r.sale_id = $2
    ), ended AS (
        SELECT m.now_ms, CASE m.state WHEN 'released' THEN m.released_at_ms
                ELSE least(m.release_at_ms, m.now_ms) END AS ended_at_ms,
            m.state = 'released' AND m.released_at_ms <= m.decided_at_ms + {CHANGE_OF_MIND_MS}
                AS is_change_of_mind
        FROM mine m
        WHERE (m.origin IN ('walk_in', 'group') OR m.extended) AND m.seated_at_ms IS NULL
          AND (m.state = 'expired' AND (m.origin = 'walk_in'
                OR m.release_at_ms <= least(m.now_ms, m.team_failed_at_ms))
            OR m.state IN ('held', 'paying') AND m.release_at_ms <= m.now_ms
            OR m.state = 'released' AND m.released_at_ms IS NOT NULL)
          AND m.decided_at_ms > coalesce((
            SELECT max(b.decided_at_ms) FROM mine b WHERE b.state IN ('sold', 'refunded')), 0)
    ), recent AS (
        SELECT e.*, row_number() OVER (PARTITION BY e.is_change_of_mind ORDER BY e.ended_at_ms)
            AS nth
        FROM ended e WHERE e.ended_at_ms > e.now_ms - {DROPS_COUNT_FOR_MS}
    )
    SELECT count(*), min(d.now_ms - d.ended_at_ms) FROM recent d
    WHERE NOT d.is_change_of_mind OR d.nth > {CHANGES_OF_MIND_MAX}
"""  # noqa: S608 - our own numbers.
# A retry meets its own row: a press, a place in the line, an entry of a draw, a coupon's claim.
SELECT_KNOWN = """
    SELECT r.id::text FROM reservations r WHERE r.id = ANY ($1::uuid[])
    UNION ALL SELECT w.id::text FROM waiting_list w WHERE w.id = ANY ($1::uuid[])
    UNION ALL SELECT d.id::text FROM draw_entries d WHERE d.id = ANY ($1::uuid[])
    UNION ALL SELECT k.id::text FROM coupon_claims k WHERE k.id = ANY ($1::uuid[])
"""


def read_rules(stored: str | None) -> PressRules | None:
    """Return the rules of a sale's row."""
    return None if stored is None else msgspec.json.decode(stored, type=PressRules)


async def update_rules(connection: Connection, sale_id: str, rules: PressRules) -> None:
    """Store a sale's rules; its pool is not open to anybody yet."""
    await connection.execute(UPDATE_RULES, sale_id, msgspec.json.encode(rules).decode())


async def select_dropped(connection: Any, *, user_id: str, sale_id: str) -> Dropped:
    """Return the holds of a sale that a user let end unpaid since they last bought of it."""
    row = await connection.fetchrow(SELECT_DROPPED, user_id, sale_id)
    return Dropped(row[0], row[1] or 0)


async def select_known(connection: Any, ids: Sequence[str]) -> frozenset[str]:
    """Return those of the ids that a reservation, an entry or a coupon's claim has."""
    return frozenset(row[0] for row in await connection.fetch(SELECT_KNOWN, list(ids)))
