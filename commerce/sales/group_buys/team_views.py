"""SQL of teams as people see them: anybody's preview, and one's own seats."""

from __future__ import annotations

from typing import Any

from commerce.kernel.errors import not_found
from commerce.kernel.ports import Connection
from commerce.sales.group_buys.model import MySeat, TeamView
from commerce.sales.group_buys.rules import mask_leader
from commerce.sales.group_buys.store import IN_LIVING_SHOW

# What one pays alone is the shop's campaign price, where it has one now.
# Names and ids of members stay here; a preview has numbers alone.
COLUMNS = """
    g.id, g.sale_id AS sale, m.slug AS room, s.sku, v.title, v.title_zh, v.picture, s.price_minor,
    least(v.price_minor, campaign_price(s.sku, clock_ms())) AS normal_price_minor, s.currency,
    g.need, g.joined, g.paid, g.state,
    coalesce(u.name, '') AS leader, g.deadline_ms, g.reason,
    g.completed_by IS NOT NULL AS is_completed,
    greatest(0, g.deadline_ms - clock_ms()) AS ends_in_ms,
    g.state = 'forming' AND g.joined < g.need AND g.deadline_ms > clock_ms()
        AND s.state <> 'cancelled' AND s.halted_from IS NULL AS is_open,
    s.state = 'open' AND s.ends_at_ms > clock_ms() AS can_open
"""
TABLES = """
    JOIN sales s ON s.id = g.sale_id
    JOIN rooms m ON m.id = s.room_id
    JOIN named_variants v ON v.sku = s.sku
    LEFT JOIN users u ON u.id = g.leader_id
"""
SELECT_VIEW = f"SELECT {COLUMNS} FROM buy_groups g {TABLES} WHERE g.id = $1"  # noqa: S608
SELECT_OF_CAMPAIGNS = f"""
    SELECT {COLUMNS} FROM buy_groups g {TABLES}
    WHERE s.kind = 'group' AND g.pool_id = s.pool_id AND (s.show_id = $1 OR g.state = 'forming')
        AND s.show_id IN (
            SELECT h.id FROM shows h WHERE h.id = $1 OR {IN_LIVING_SHOW}
                AND h.room_id = (SELECT o.room_id FROM shows o WHERE o.id = $1))
    ORDER BY g.state <> 'forming', g.deadline_ms, g.id LIMIT $2
"""  # noqa: S608 - our own words.
SELECT_MINE = f"""
    SELECT {COLUMNS}, r.id AS reservation, r.state AS seat_state, g.leader_id = r.user_id AS leads,
        l.order_id
    FROM reservations r JOIN buy_groups g ON g.id = r.group_id {TABLES}
    LEFT JOIN order_lines l ON l.reservation_id = r.id
    WHERE r.user_id = $1 AND ($2::uuid IS NULL OR r.group_id = $2)
    ORDER BY r.decided_at_ms DESC, r.id LIMIT $3
"""  # noqa: S608 - our own words.


async def select_team_view(connection: Connection, group_id: str) -> TeamView:
    """Return a team as anybody may see it; raises `not_found`."""
    row = await connection.fetchrow(SELECT_VIEW, group_id)
    if row is None:
        raise not_found("group")
    return _view(row)


async def select_teams_of_show(connection: Connection, show_id: str, limit: int) -> list[TeamView]:
    """Return the teams of a show, and of its room's other shows those that form.

    Those that form come first, soonest to end.
    """
    return [_view(row) for row in await connection.fetch(SELECT_OF_CAMPAIGNS, show_id, limit)]


async def select_my_seats(
    connection: Connection, user_id: str, limit: int, group_id: str | None = None
) -> list[MySeat]:
    """Return a buyer's seats, newest first, also those that are over; of one team if named."""
    return [
        MySeat(
            group=_view(row),
            reservation=str(row["reservation"]),
            state=row["seat_state"],
            is_leader=row["leads"],
            order=str(row["order_id"]) if row["order_id"] else None,
        )
        for row in await connection.fetch(SELECT_MINE, user_id, group_id, limit)
    ]


def _view(row: Any) -> TeamView:
    fields = {name: row[name] for name in TeamView.__struct_fields__ if name != "leader"}
    fields["id"], fields["sale"] = str(fields["id"]), str(fields["sale"])
    return TeamView(leader=mask_leader(row["leader"]), **fields)
