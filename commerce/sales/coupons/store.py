"""SQL of coupons: terms, drops, claims and what they take off.

Lock order: drop, coupon, claim; a claim that is made locks its drop alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from commerce.goods.inventory.model import Request
from commerce.goods.press_rules.store import read_rules
from commerce.kernel.errors import not_found
from commerce.kernel.ports import Connection
from commerce.sales.coupons.model import (
    ClaimBatch,
    ClaimView,
    CouponFigures,
    CouponTerms,
    CouponView,
    DropRow,
    DropTerms,
    DropView,
    KnownDrop,
)
from commerce.sales.coupons.rules import hash_terms, rules_of

TERMS = """
    c.id AS coupon_id, m.slug AS room, c.title, c.title_zh, c.amount_minor, c.percent, c.max_minor,
    c.threshold_minor, c.skus, c.sources, c.currency, c.valid_s, c.per_person,
    c.per_card, c.scope, c.halt_reason
"""
INSERT_COUPON = """
    INSERT INTO coupons (id, room_id, currency, request_hash, title, title_zh, amount_minor,
        percent, max_minor, threshold_minor, skus, sources, valid_s, per_person, quantity,
        budget_minor, per_card, scope)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
"""
SELECT_REQUEST_HASH = """
    SELECT request_hash FROM coupons WHERE id = $1
    UNION ALL SELECT request_hash FROM coupon_drops WHERE id = $1
"""
SELECT_FIGURES = f"""
    SELECT {TERMS}, c.quantity, c.granted, c.budget_minor, c.spent_minor,
        q.claimed, q.locked, c.on_orders - q.locked AS used
    FROM coupons c JOIN rooms m ON m.id = c.room_id
    CROSS JOIN LATERAL (
        SELECT coalesce((SELECT sum(d.claimed) FROM coupon_drops d WHERE d.coupon_id = c.id), 0)
                ::integer AS claimed,
            (SELECT count(*) FROM coupon_claims k
                WHERE k.coupon_id = c.id AND k.state = 'locked')::integer AS locked
    ) q
"""  # noqa: S608 - our own words.
SELECT_FIGURES_OF_ROOM = (
    SELECT_FIGURES + " WHERE c.room_id = $1 ORDER BY c.created_at_ms DESC, c.id LIMIT $2"
)
SELECT_FIGURES_OF_COUPON = SELECT_FIGURES + " WHERE c.id = $1"
# Carves a drop out of what the coupon may still give out; takes the coupon's lock.
GRANT = """
    UPDATE coupons SET granted = granted + $3
    WHERE id = $1 AND room_id = $2 AND granted + $3 <= quantity RETURNING id
"""
SELECT_LEFT = "SELECT quantity - granted FROM coupons WHERE id = $1 AND room_id = $2"
SELECT_HALT_REASON = "SELECT halt_reason FROM coupons WHERE id = $1"
SELECT_HALT_REASON_OF_DROP = """
    SELECT c.halt_reason FROM coupons c JOIN coupon_drops d ON d.coupon_id = c.id WHERE d.id = $1
"""
HAS_LIVE_DROP = """
    SELECT EXISTS (SELECT 1 FROM coupon_drops
        WHERE coupon_id = $1 AND state IN ('armed', 'open'))
"""
INSERT_DROP = """
    INSERT INTO coupon_drops (id, coupon_id, room_id, show_id, state, quantity, opens_at_ms,
        ends_at_ms, min_age_s, rules, request_hash)
    SELECT $1, $2, $3, $4, 'armed', $5, n.now_ms + $6::bigint, n.now_ms + $6::bigint + $7::bigint,
        $8, $9::text::jsonb, $10
    FROM (SELECT clock_ms() AS now_ms) n
"""
SELECT_DROPS = f"""
    SELECT d.id, d.state, d.quantity, d.quantity - d.claimed AS left_over, d.opens_at_ms,
        d.ends_at_ms, d.min_age_s, {TERMS}
    FROM coupon_drops d JOIN coupons c ON c.id = d.coupon_id JOIN rooms m ON m.id = d.room_id
"""  # noqa: S608 - our own words.
SELECT_DROPS_OF_SHOW = SELECT_DROPS + " WHERE d.show_id = $1 ORDER BY d.created_at_ms, d.id"
SELECT_DROP = SELECT_DROPS + " WHERE d.id = $1"
SELECT_KNOWN_DROP = "SELECT id, room_id, rules::text AS rules FROM coupon_drops WHERE id = $1"
LOCK_DROP = """
    SELECT d.id, d.coupon_id, d.room_id, m.slug AS room, d.state, d.quantity, d.claimed
    FROM coupon_drops d JOIN rooms m ON m.id = d.room_id WHERE d.id = $1
    FOR NO KEY UPDATE OF d
"""
OPEN_DROP = """
    UPDATE coupon_drops SET state = 'open'
    WHERE id = $1 AND state = 'armed' AND opens_at_ms <= clock_ms() RETURNING id
"""
# What nobody claimed is no longer the drop's.
CLOSE_DROP = """
    UPDATE coupon_drops SET state = $2, quantity = claimed,
        ends_at_ms = greatest(opens_at_ms, least(ends_at_ms, clock_ms()))
    WHERE id = $1 RETURNING ends_at_ms
"""
GIVE_BACK = "UPDATE coupons SET granted = granted - $2 WHERE id = $1"
SELECT_TO_OPEN = """
    SELECT id FROM coupon_drops WHERE state = 'armed' AND opens_at_ms <= clock_ms()
        AND ends_at_ms > clock_ms() ORDER BY opens_at_ms LIMIT $1
"""
SELECT_TO_CLOSE = """
    SELECT id,
        CASE WHEN state = 'open' AND claimed = quantity THEN 'run_out' ELSE 'end' END AS event
    FROM coupon_drops
    WHERE state IN ('armed', 'open') AND (ends_at_ms <= clock_ms()
        OR state = 'open' AND claimed = quantity) ORDER BY ends_at_ms LIMIT $1
"""
SELECT_LIVE_OF_SHOW = """
    SELECT id FROM coupon_drops WHERE show_id = $1 AND state IN ('armed', 'open') ORDER BY id
"""
SELECT_LEFT_OF_ROOMS = """
    SELECT room_id::text, id::text, quantity - claimed FROM coupon_drops
    WHERE room_id = ANY ($1::uuid[]) AND state IN ('armed', 'open')
"""
CLAIM_BATCH = "SELECT * FROM claim_coupons_batch($1, $2, $3)"
SELECT_CLAIMERS = "SELECT DISTINCT user_id::text FROM coupon_claims WHERE drop_id = $1"
SELECT_CLAIMS = f"""
    SELECT k.id, k.drop_id,
        CASE WHEN k.state = 'claimed' AND k.expires_at_ms <= clock_ms() THEN 'expired'
            WHEN k.state = 'claimed' AND c.halt_reason IS NOT NULL THEN 'halted'
            ELSE k.state END AS state,
        k.claimed_at_ms, k.expires_at_ms, k.order_id, k.off_minor, {TERMS}
    FROM coupon_claims k JOIN coupons c ON c.id = k.coupon_id JOIN rooms m ON m.id = c.room_id
    WHERE k.user_id = $1
"""  # noqa: S608 - our own words.
SELECT_CLAIMS_OF_USER = SELECT_CLAIMS + " ORDER BY k.claimed_at_ms DESC, k.id DESC LIMIT $2"
SELECT_CLAIM_OF_USER = SELECT_CLAIMS + " AND k.id = $2"
# What can still be used; the newest are the likeliest.
SELECT_USABLE_OF_USER = (
    SELECT_CLAIMS
    + " AND k.state = 'claimed' AND k.expires_at_ms > clock_ms()"
    + " ORDER BY k.claimed_at_ms DESC, k.id DESC LIMIT $2"
)
SELECT_TERMS_OF_CLAIM = f"""
    SELECT {TERMS} FROM coupon_claims k JOIN coupons c ON c.id = k.coupon_id
    JOIN rooms m ON m.id = c.room_id WHERE k.id = $1
"""  # noqa: S608 - our own words.


async def insert_coupon(
    connection: Connection,
    terms: CouponTerms,
    *,
    id: str,
    room_id: str,
    currency: str,
) -> None:
    """Store a coupon's terms, which nothing changes."""
    await connection.execute(
        INSERT_COUPON,
        id,
        room_id,
        currency,
        hash_terms(terms),
        terms.title.strip(),
        terms.title_zh.strip() if terms.title_zh else None,
        terms.amount_minor,
        terms.percent,
        terms.max_minor,
        terms.threshold_minor,
        list(terms.skus),
        list(terms.sources),
        terms.valid_s,
        terms.per_person,
        terms.quantity,
        terms.budget_minor,
        terms.per_card,
        terms.scope,
    )


async def select_request_hash(connection: Connection, id: str) -> str | None:
    """Return what a coupon or a drop was asked with, or None when there is none."""
    text = await connection.fetchval(SELECT_REQUEST_HASH, id)
    return None if text is None else str(text)


async def select_figures_of_room(
    connection: Connection, room_id: str, limit: int
) -> list[CouponFigures]:
    """Return a room's coupons with their figures, newest first."""
    return [_figures(row) for row in await connection.fetch(SELECT_FIGURES_OF_ROOM, room_id, limit)]


async def select_figures(connection: Connection, coupon_id: str) -> CouponFigures:
    """Return a coupon that exists, with its figures."""
    return _figures(await connection.fetchrow(SELECT_FIGURES_OF_COUPON, coupon_id))


async def grant(connection: Connection, coupon_id: str, room_id: str, quantity: int) -> bool:
    """Lock a room's coupon and take a drop out of it; False when so many are not left."""
    return await connection.fetchval(GRANT, coupon_id, room_id, quantity) is not None


async def select_left(connection: Connection, coupon_id: str, room_id: str) -> int | None:
    """Return how many of a room's coupon no drop has yet; None when there is no such coupon."""
    left: int | None = await connection.fetchval(SELECT_LEFT, coupon_id, room_id)
    return left


async def select_halt_reason(connection: Connection, coupon_id: str) -> str | None:
    """Return why a coupon is halted; None when it is not."""
    reason: str | None = await connection.fetchval(SELECT_HALT_REASON, coupon_id)
    return reason


async def select_halt_reason_of_drop(connection: Any, drop_id: str) -> str | None:
    """Return why the coupon of a drop is halted; None when it is not."""
    reason: str | None = await connection.fetchval(SELECT_HALT_REASON_OF_DROP, drop_id)
    return reason


async def has_live_drop(connection: Connection, coupon_id: str) -> bool:
    """Say whether a drop of a coupon is armed or open."""
    return bool(await connection.fetchval(HAS_LIVE_DROP, coupon_id))


async def insert_drop(
    connection: Connection,
    terms: DropTerms,
    *,
    id: str,
    place: tuple[str, str],
) -> None:
    """Arm a drop in a (room, show); its window is counted from the database's now."""
    rules = rules_of(terms)
    await connection.execute(
        INSERT_DROP,
        id,
        terms.coupon,
        *place,
        terms.quantity,
        terms.countdown_s * 1000,
        terms.duration_s * 1000,
        terms.min_age_s,
        None if rules is None else msgspec.json.encode(rules).decode(),
        hash_terms(terms),
    )


async def select_drops(connection: Connection, show_id: str) -> list[DropView]:
    """Return the drops of a show, oldest first."""
    return [_drop(row) for row in await connection.fetch(SELECT_DROPS_OF_SHOW, show_id)]


async def select_drop(connection: Connection, drop_id: str) -> DropView:
    """Return a drop; raises `not_found`."""
    row = await connection.fetchrow(SELECT_DROP, drop_id)
    if row is None:
        raise not_found("drop")
    return _drop(row)


async def select_known_drop(connection: Any, drop_id: str) -> KnownDrop | None:
    """Return what never changes of a drop."""
    row = await connection.fetchrow(SELECT_KNOWN_DROP, drop_id)
    return KnownDrop(str(row[0]), str(row[1]), read_rules(row[2])) if row else None


async def lock_drop(connection: Connection, drop_id: str) -> DropRow | None:
    """Lock a drop and return it."""
    row = await connection.fetchrow(LOCK_DROP, drop_id)
    if row is None:
        return None
    ids = {name: str(row[name]) for name in ("id", "coupon_id", "room_id")}
    return DropRow(**{**dict(row), **ids})


async def open_drop(connection: Connection, drop_id: str) -> bool:
    """Open a locked drop whose moment has come; say whether it was armed until now."""
    return await connection.fetchval(OPEN_DROP, drop_id) is not None


async def close_drop(connection: Connection, drop: DropRow, state: str) -> int:
    """Close a locked drop and give what nobody claimed back to its coupon; return its end."""
    ends_at_ms = await connection.fetchval(CLOSE_DROP, drop.id, state)
    if drop.quantity > drop.claimed:
        await connection.execute(GIVE_BACK, drop.coupon_id, drop.quantity - drop.claimed)
    return int(ends_at_ms)


async def select_to_open(connection: Connection, limit: int) -> list[str]:
    """Return armed drops whose moment has come."""
    return [str(row[0]) for row in await connection.fetch(SELECT_TO_OPEN, limit)]


async def select_to_close(connection: Connection, limit: int) -> list[tuple[str, str]]:
    """Return (drop, event) of drops whose time is over, or that nothing is left of."""
    return [(str(row[0]), row[1]) for row in await connection.fetch(SELECT_TO_CLOSE, limit)]


async def select_live_drops(connection: Connection, show_id: str) -> list[str]:
    """Return the drops of a show that are armed or open, ascending."""
    return [str(row[0]) for row in await connection.fetch(SELECT_LIVE_OF_SHOW, show_id)]


async def select_left_of_rooms(
    connection: Connection, room_ids: Sequence[str]
) -> list[tuple[str, str, int]]:
    """Return (room, drop, left) of the drops that are armed or open."""
    return [tuple(row) for row in await connection.fetch(SELECT_LEFT_OF_ROOMS, list(room_ids))]


async def claim_batch(connection: Any, drop_id: str, requests: Sequence[Request]) -> ClaimBatch:
    """Decide a batch of claims and commit it, in one round trip; outside any transaction."""
    row = await connection.fetchrow(
        CLAIM_BATCH,
        drop_id,
        [request.id for request in requests],
        [request.user_id for request in requests],
    )
    return ClaimBatch(**row)


async def select_claimers(connection: Any, drop_id: str) -> frozenset[str]:
    """Return everybody who has a claim of a drop."""
    return frozenset(row[0] for row in await connection.fetch(SELECT_CLAIMERS, drop_id))


async def select_claims(
    connection: Connection, user_id: str, limit: int, *, is_usable: bool = False
) -> list[ClaimView]:
    """Return a person's coupons, newest first; with `is_usable` those that can be used."""
    query = SELECT_USABLE_OF_USER if is_usable else SELECT_CLAIMS_OF_USER
    return [_claim(row) for row in await connection.fetch(query, user_id, limit)]


async def select_claim(connection: Connection, user_id: str, claim_id: str) -> ClaimView | None:
    """Return a person's own coupon."""
    row = await connection.fetchrow(SELECT_CLAIM_OF_USER, user_id, claim_id)
    return _claim(row) if row else None


async def select_terms(connection: Connection, claim_id: str) -> CouponView | None:
    """Return the terms of a claim, whatever has become of it."""
    row = await connection.fetchrow(SELECT_TERMS_OF_CLAIM, claim_id)
    return _coupon(row) if row else None


def _coupon(row: Any) -> CouponView:
    fields = {name: row[name] for name in CouponView.__struct_fields__ if name != "id"}
    return CouponView(id=str(row["coupon_id"]), **fields)


def _drop(row: Any) -> DropView:
    return DropView(
        id=str(row["id"]),
        coupon=_coupon(row),
        state=row["state"],
        quantity=row["quantity"],
        left=row["left_over"],
        opens_at_ms=row["opens_at_ms"],
        ends_at_ms=row["ends_at_ms"],
        min_age_s=row["min_age_s"],
    )


def _figures(row: Any) -> CouponFigures:
    fields = {name: row[name] for name in CouponFigures.__struct_fields__ if name != "coupon"}
    return CouponFigures(coupon=_coupon(row), **fields)


def _claim(row: Any) -> ClaimView:
    return ClaimView(
        id=str(row["id"]),
        drop=str(row["drop_id"]),
        state=row["state"],
        coupon=_coupon(row),
        claimed_at_ms=row["claimed_at_ms"],
        expires_at_ms=row["expires_at_ms"],
        order=str(row["order_id"]) if row["order_id"] else None,
        off_minor=row["off_minor"],
    )
