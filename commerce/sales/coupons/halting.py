"""The kill switch of a coupon: stop it at once, whoever has claimed it, and let it go on.

Invariants: what an order has locked before the halt committed stands, as a hold of a sale does;
from then on nobody claims one and no order takes one; a paid order is never touched.
"""

from __future__ import annotations

from commerce.kernel.errors import not_found
from commerce.kernel.ports import Connection, Transaction
from commerce.sales.flash_sales.rules import clean_halt_reason
from commerce.shows.schedule.store import lock_room

SELECT_PLACE = """
    SELECT c.room_id, m.slug FROM coupons c JOIN rooms m ON m.id = c.room_id WHERE c.id = $1
"""
# A batch of claims holds its drop's lock from its look at the coupon to its COMMIT.
LOCK_LIVE_DROPS = """
    SELECT id FROM coupon_drops WHERE coupon_id = $1 AND state IN ('armed', 'open')
    ORDER BY id FOR NO KEY UPDATE
"""
LOCK_COUPON = "SELECT halt_reason FROM coupons WHERE id = $1 FOR NO KEY UPDATE"
UPDATE_HALTED = "UPDATE coupons SET halt_reason = $2, halted_at_ms = clock_ms() WHERE id = $1"
UPDATE_UNHALTED = "UPDATE coupons SET halt_reason = NULL, halted_at_ms = NULL WHERE id = $1"


async def select_room_of(connection: Connection, coupon_id: str) -> str:
    """Return the slug of the room whose coupon it is; raises `not_found`."""
    return (await _select_place(connection, coupon_id))[1]


async def halt(transaction: Transaction, coupon_id: str, reason: str) -> None:
    """Stop a coupon and tell its room why; halting it again changes the reason alone.

    Its drop runs on and gives out nothing. Raises `invalid_request` or `not_found`.
    """
    reason = clean_halt_reason(reason)
    room_id, before = await _lock(transaction, coupon_id)
    if before == reason:
        return
    await transaction.execute(UPDATE_HALTED, coupon_id, reason)
    transaction.announce(room_id, "coupon.halted", {"coupon": coupon_id, "reason": reason})


async def unhalt(transaction: Transaction, coupon_id: str) -> None:
    """Let a coupon go on and tell its room; one that is not halted stays as it is.

    What was claimed is good until the moment it always was. Raises `not_found`.
    """
    room_id, before = await _lock(transaction, coupon_id)
    if before is None:
        return
    await transaction.execute(UPDATE_UNHALTED, coupon_id)
    transaction.announce(room_id, "coupon.unhalted", {"coupon": coupon_id})


async def _lock(transaction: Transaction, coupon_id: str) -> tuple[str, str | None]:
    """Return a coupon's room and why it is halted, once no drop, claim or order is under way."""
    room_id, _ = await _select_place(transaction, coupon_id)
    await lock_room(transaction, room_id)  # Against a drop that is being armed.
    await transaction.fetch(LOCK_LIVE_DROPS, coupon_id)
    return room_id, await transaction.fetchval(LOCK_COUPON, coupon_id)


async def _select_place(connection: Connection, coupon_id: str) -> tuple[str, str]:
    row = await connection.fetchrow(SELECT_PLACE, coupon_id)
    if row is None:
        raise not_found("coupon")
    return str(row["room_id"]), str(row["slug"])
