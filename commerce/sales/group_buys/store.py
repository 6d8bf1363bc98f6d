"""SQL of group buys: campaigns, and the teams of their members.

A team's row changes under its pool's lock alone; who holds that waits for no other team.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from commerce.goods.inventory.model import Hold
from commerce.kernel.errors import not_found
from commerce.kernel.ports import Connection
from commerce.sales.group_buys.model import (
    KEPT_UNTIL_MS,
    Campaign,
    CampaignTerms,
    CampaignView,
    JoinBatch,
    JoinRequest,
    Member,
    OpenTeam,
    Team,
)
from commerce.sales.group_buys.rules import hash_terms, mask_leader

# The campaign of a sale, beside its other columns; `read_campaign` takes them out again.
CAMPAIGN_COLUMNS = "gc.need AS group_need, gc.lasts_ms AS group_lasts_ms"
JOIN_BATCH = """
    SELECT outcomes, states, group_ids::text[] AS group_ids, versions, prices, shown_until, now_ms,
        pool_version, available, expired_ids, expired_sales, expired_users
    FROM join_group_batch($1, $2, $3, $4, $5, $6)
"""
SELECT_CAMPAIGNS = """
    SELECT s.id, s.room_id, m.slug AS room, s.show_id, s.item_id, s.pool_id, s.sku, s.state,
        s.ends_at_ms, c.need, c.lasts_ms, s.request_hash
    FROM group_campaigns c JOIN sales s ON s.id = c.sale_id JOIN rooms m ON m.id = s.room_id
"""
SELECT_CAMPAIGN = SELECT_CAMPAIGNS + " WHERE s.id = $1"
# One that is halted for the sake of its teams had ended before: it goes back to that.
IS_OVER = "(s.state IN ('ended', 'cancelled') OR s.halted_from IS NOT DISTINCT FROM 'ended')"
SELECT_RUNNING = (
    SELECT_CAMPAIGNS + " WHERE s.kind = 'group' AND s.show_id = $1"
    f" AND NOT {IS_OVER} ORDER BY s.pool_id"
)
SELECT_TO_END = (
    SELECT_CAMPAIGNS + f" WHERE s.kind = 'group' AND NOT {IS_OVER}"
    " AND s.ends_at_ms <= (SELECT clock_ms()) ORDER BY s.ends_at_ms, s.id LIMIT $1"
)
SELECT_LEFTOVERS = (
    SELECT_CAMPAIGNS + " JOIN stock k ON k.pool_id = s.pool_id"
    f" WHERE s.kind = 'group' AND {IS_OVER}"
    " AND k.total - k.claimed > promised_to_groups(s.id) LIMIT $1"
)
SELECT_OTHER_RUNNING = f"""
    SELECT 1 FROM sales s WHERE s.show_id = $1 AND s.sku = $2 AND s.kind = 'group' AND NOT {IS_OVER}
"""  # noqa: S608 - our own words.
# A team is opened before its show ends, and lives for five days; a day more is for the jobs.
IN_LIVING_SHOW = "coalesce(h.ended_at_ms, clock_ms()) > clock_ms() - 6 * 86400000"
SELECT_OUTLIVING = f"""
    SELECT s.id FROM shows h JOIN sales s ON s.show_id = h.id AND s.kind = 'group'
    WHERE h.room_id = $1 AND h.id IS DISTINCT FROM $2::uuid AND {IN_LIVING_SHOW} AND EXISTS (
        SELECT 1 FROM buy_groups g WHERE g.sale_id = s.id AND g.state = 'forming')
    ORDER BY s.ends_at_ms DESC, s.id LIMIT $3
"""  # noqa: S608 - our own words.
SELECT_PROMISED = "SELECT promised_to_groups($1)"
INSERT_SALE = """
    INSERT INTO sales (id, room_id, show_id, item_id, pool_id, kind, sku, price_minor, currency,
        state, opens_at_ms, ends_at_ms, per_buyer, hold_s, grace_s, quantity, request_hash)
    SELECT $1, $2, $3, $4, $5, 'group', $6, $7, r.currency, 'open', t.now_ms, t.now_ms + $8, $9,
        $10, $11, $12, $13
    FROM (SELECT clock_ms() AS now_ms) t,
        (SELECT currency FROM sales WHERE item_id = $4 AND kind = 'regular') r
"""
INSERT_CAMPAIGN = "INSERT INTO group_campaigns (sale_id, need, lasts_ms) VALUES ($1, $2, $3)"
SELECT_TEAMS = """
    SELECT g.id, g.sale_id, g.pool_id, s.room_id, g.need, g.joined, g.paid, g.state, g.leader_id,
        g.deadline_ms, g.reason, g.completed_by
    FROM buy_groups g JOIN sales s ON s.id = g.sale_id
"""
SELECT_TEAM = SELECT_TEAMS + " WHERE g.id = $1"
LOCK_TEAM = SELECT_TEAM + " FOR NO KEY UPDATE OF g"
SELECT_FORMING = (
    SELECT_TEAMS + " WHERE s.id = $1 AND g.pool_id = s.pool_id AND g.state = 'forming'"
    " ORDER BY g.id LIMIT $2"
)
SELECT_DUE = (
    SELECT_TEAMS + " WHERE g.state = 'forming' AND g.deadline_ms <= (SELECT clock_ms())"
    " ORDER BY g.deadline_ms, g.id LIMIT $1"
)
END_DEADLINES = """
    UPDATE buy_groups g
    SET deadline_ms = greatest(g.opened_at_ms + 1, least(g.deadline_ms, clock_ms()))
    FROM sales s WHERE s.id = $1 AND g.pool_id = s.pool_id AND g.state = 'forming'
"""
FAIL_TEAM = """
    UPDATE buy_groups SET state = 'failed', reason = $2, ended_at_ms = clock_ms() WHERE id = $1
"""
COMPLETE_TEAM = """
    UPDATE buy_groups SET state = 'formed', completed_by = $2, ended_at_ms = clock_ms()
    WHERE id = $1
"""
SEAT_MEMBER = """
    UPDATE reservations r SET seated_at_ms = clock_ms(), release_at_ms = $2,
        shown_until_ms = g.deadline_ms
    FROM buy_groups g WHERE r.id = $1 AND g.id = r.group_id AND r.seated_at_ms IS NULL
    RETURNING r.id
"""
# The last one who pays forms the team; whoever pays in a completed one is counted.
COUNT_PAID = """
    UPDATE buy_groups SET paid = paid + 1,
        state = CASE WHEN paid + 1 = need THEN 'formed' ELSE state END,
        ended_at_ms = CASE WHEN paid + 1 = need THEN coalesce(ended_at_ms, clock_ms())
            ELSE ended_at_ms END
    WHERE id = $1
"""
LOCK_SEATS = """
    SELECT id FROM reservations WHERE group_id = $1 AND state IN ('held', 'paying')
    ORDER BY id FOR UPDATE
"""
SELECT_MEMBERS = """
    SELECT r.id AS reservation_id, r.user_id, coalesce(u.name, '') AS name,
        r.seated_at_ms IS NOT NULL AS is_paid
    FROM reservations r LEFT JOIN users u ON u.id = r.user_id
    WHERE r.group_id = $1 AND r.state IN ('held', 'paying', 'sold', 'refunded')
    ORDER BY r.version, r.seq
"""
# Those that viewers of a room see: a team that is over for them is not among them, nor one of a
# show that is over, whose sales they do not see; there may be enough to crowd out all others.
SELECT_OPEN_OF_ROOMS = """
    SELECT q.room_id, q.id, q.sale_id, q.joined, q.need, q.deadline_ms, u.name AS leader FROM (
        SELECT s.room_id, g.id, g.sale_id, g.joined, g.need, g.deadline_ms, g.leader_id,
            row_number() OVER (PARTITION BY s.room_id ORDER BY g.deadline_ms, g.id) AS place
        FROM shows h JOIN sales s ON s.show_id = h.id AND s.kind = 'group'
        JOIN buy_groups g ON g.sale_id = s.id
            AND g.state = 'forming' AND g.joined < g.need AND g.deadline_ms > clock_ms()
        WHERE h.room_id = ANY ($1::uuid[]) AND h.status = 'live'
          AND s.state <> 'cancelled' AND s.halted_from IS NULL
    ) q LEFT JOIN users u ON u.id = q.leader_id
    WHERE q.place <= $2 ORDER BY q.room_id, q.place
"""


async def join_batch(
    connection: Any, *, pool_id: str, sale_id: str, requests: Sequence[JoinRequest]
) -> JoinBatch:
    """Decide a batch of wishes and commit it, in one round trip; outside any transaction."""
    row = await connection.fetchrow(
        JOIN_BATCH,
        pool_id,
        sale_id,
        [request.id for request in requests],
        [request.user_id for request in requests],
        [int(request.wish) for request in requests],
        [request.group_id for request in requests],
    )
    expired = zip(
        row["expired_ids"] or (),
        row["expired_sales"] or (),
        row["expired_users"] or (),
        strict=True,
    )
    fields = {name: row[name] for name in JoinBatch.__struct_fields__ if name != "expired"}
    holds = [Hold(str(id), str(sale), str(user)) for id, sale, user in expired]
    return JoinBatch(expired=holds, **fields)


async def find_campaign(connection: Connection, sale_id: str) -> Campaign | None:
    """Return a campaign, or None."""
    row = await connection.fetchrow(SELECT_CAMPAIGN, sale_id)
    return _campaign(row) if row else None


async def select_campaign(connection: Connection, sale_id: str) -> Campaign:
    """Return a campaign; raises `not_found`."""
    campaign = await find_campaign(connection, sale_id)
    if campaign is None:
        raise not_found("group buy")
    return campaign


async def select_running(connection: Connection, show_id: str) -> list[Campaign]:
    """Return the campaigns of a show that are not over."""
    return [_campaign(row) for row in await connection.fetch(SELECT_RUNNING, show_id)]


async def select_outliving(
    connection: Connection, room_id: str, show_id: str | None, limit: int
) -> list[str]:
    """Return the campaigns of a room's shows, but for one show, of which a team still forms."""
    rows = await connection.fetch(SELECT_OUTLIVING, room_id, show_id, limit)
    return [str(row["id"]) for row in rows]


async def select_to_end(connection: Connection, limit: int) -> list[Campaign]:
    """Return campaigns in which no team can be opened any more."""
    return [_campaign(row) for row in await connection.fetch(SELECT_TO_END, limit)]


async def select_leftovers(connection: Connection, limit: int) -> list[Campaign]:
    """Return ended campaigns whose pool has units that no team needs."""
    return [_campaign(row) for row in await connection.fetch(SELECT_LEFTOVERS, limit)]


async def is_sku_grouped(connection: Connection, show_id: str, sku: str) -> bool:
    """Say whether a campaign of this SKU runs."""
    return await connection.fetchval(SELECT_OTHER_RUNNING, show_id, sku) is not None


async def select_promised(connection: Connection, sale_id: str) -> int:
    """Return the units that open teams of a campaign still need."""
    return int(await connection.fetchval(SELECT_PROMISED, sale_id))


async def insert_campaign(
    connection: Connection,
    *,
    ids: tuple[str, str],
    place: tuple[str, str, str],
    terms: CampaignTerms,
) -> None:
    """Store an open campaign; `ids` are (sale, pool), `place` is (room, show, item)."""
    sale_id, pool_id = ids
    await connection.execute(
        INSERT_SALE,
        sale_id,
        *place,
        pool_id,
        terms.sku,
        terms.price_minor,
        terms.duration_s * 1000,
        terms.per_buyer,
        terms.hold_s,
        terms.grace_s,
        terms.quantity,
        hash_terms(terms),
    )
    await connection.execute(INSERT_CAMPAIGN, sale_id, terms.need, terms.lasts_s * 1000)


async def find_team(connection: Connection, group_id: str) -> Team | None:
    """Return a team, or None."""
    row = await connection.fetchrow(SELECT_TEAM, group_id)
    return _team(row) if row else None


async def select_team(connection: Connection, group_id: str) -> Team:
    """Return a team; raises `not_found`."""
    team = await find_team(connection, group_id)
    if team is None:
        raise not_found("group")
    return team


async def lock_team(connection: Connection, group_id: str) -> Team:
    """Lock a team that exists; its pool is locked already."""
    return _team(await connection.fetchrow(LOCK_TEAM, group_id))


async def select_forming(connection: Connection, sale_id: str, limit: int) -> list[Team]:
    """Return teams of a campaign that form, ids ascending."""
    return [_team(row) for row in await connection.fetch(SELECT_FORMING, sale_id, limit)]


async def end_deadlines(connection: Connection, sale_id: str) -> None:
    """End the time of every team of a campaign that forms; its pool is locked."""
    await connection.execute(END_DEADLINES, sale_id)


async def select_due(connection: Connection, limit: int) -> list[Team]:
    """Return teams whose deadline has passed, the earliest first."""
    return [_team(row) for row in await connection.fetch(SELECT_DUE, limit)]


async def fail_team(connection: Connection, group_id: str, reason: str) -> None:
    """Note that a locked team has failed."""
    await connection.execute(FAIL_TEAM, group_id, reason)


async def complete_team(connection: Connection, group_id: str, host_id: str) -> None:
    """Note that the shop completed a locked team with fewer members."""
    await connection.execute(COMPLETE_TEAM, group_id, host_id)


async def seat_member(connection: Connection, *, group_id: str, reservation_id: str) -> None:
    """Keep a locked seat whose money is granted, and count it once in its locked team."""
    if await connection.fetchval(SEAT_MEMBER, reservation_id, KEPT_UNTIL_MS) is not None:
        await connection.execute(COUNT_PAID, group_id)


async def lock_seats(connection: Connection, group_id: str) -> list[str]:
    """Lock the seats of a locked team that are not sold, ascending; return their ids."""
    return [str(row["id"]) for row in await connection.fetch(LOCK_SEATS, group_id)]


async def select_members(connection: Connection, group_id: str) -> list[Member]:
    """Return who is in a team, in the order in which they joined."""
    return [
        Member(str(row["reservation_id"]), str(row["user_id"]), row["name"], row["is_paid"])
        for row in await connection.fetch(SELECT_MEMBERS, group_id)
    ]


async def select_open_of_rooms(
    connection: Connection, room_ids: Sequence[str], limit: int
) -> list[OpenTeam]:
    """Return at most `limit` teams of each room that have a seat free, soonest to end first."""
    rows = await connection.fetch(SELECT_OPEN_OF_ROOMS, list(room_ids), limit)
    return [
        OpenTeam(
            str(row["room_id"]),
            str(row["id"]),
            str(row["sale_id"]),
            row["joined"],
            row["need"],
            row["deadline_ms"],
            mask_leader(row["leader"] or ""),
        )
        for row in rows
    ]


def read_campaign(fields: dict[str, Any]) -> CampaignView | None:
    """Take the campaign's columns out of a sale's; None for a sale of another kind."""
    need, lasts_ms = fields.pop("group_need"), fields.pop("group_lasts_ms")
    return None if need is None else CampaignView(need, lasts_ms)


def _campaign(row: Any) -> Campaign:
    fields = {name: row[name] for name in Campaign.__struct_fields__}
    for name in ("id", "room_id", "show_id", "item_id", "pool_id"):
        fields[name] = str(fields[name])
    return Campaign(**fields)


def _team(row: Any) -> Team:
    fields = {name: row[name] for name in Team.__struct_fields__}
    for name in ("id", "sale_id", "pool_id", "room_id", "leader_id"):
        fields[name] = str(fields[name])
    if fields["completed_by"] is not None:
        fields["completed_by"] = str(fields["completed_by"])
    return Team(**fields)
