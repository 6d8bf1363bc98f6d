"""Delete lines, mute people, set modes: acts that every viewer's page must follow."""

from __future__ import annotations

import msgspec

from commerce.community.moderation import store
from commerce.community.moderation.model import ChatModes
from commerce.kernel.errors import CommerceError, invalid, not_found
from commerce.kernel.ports import Transaction
from commerce.shows.schedule.model import Room
from commerce.shows.schedule.store import lock_room

# A week; whoever deserves more is a matter for the shop, not for a button.
MUTE_MINUTES_MAX = 10_080
REASON_CHARS_MAX = 120
# Five minutes; who wants less talk than that wants another mode.
SLOW_S_MAX = 300


async def delete_line(transaction: Transaction, room: Room, line_id: str, by: str) -> None:
    """Delete a chat line for everybody; repeating it raises `not_found`."""
    if not await store.delete_line(transaction, room_id=room.id, line_id=line_id, by=by):
        raise not_found("chat line")
    transaction.announce(room.id, "chat.deleted", {"line": line_id})


async def mute(
    transaction: Transaction,
    room: Room,
    user_id: str,
    *,
    minutes: int,
    by: tuple[str, str | None],
) -> int:
    """Mute a user in a room and return until when; `by` is (actor, reason)."""
    actor, reason = by
    if not 1 <= minutes <= MUTE_MINUTES_MAX:
        raise invalid(f"minutes must be 1 to {MUTE_MINUTES_MAX}.", field="minutes")
    if reason is not None and len(reason) > REASON_CHARS_MAX:
        raise invalid(f"A reason has at most {REASON_CHARS_MAX} characters.", field="reason")
    if user_id in (actor, room.host_id, *room.moderator_ids):
        raise CommerceError("staff_not_muted", "Those who keep order here are not muted.")
    until_ms = await store.upsert_mute(
        transaction, room_id=room.id, user_id=user_id, muted_ms=minutes * 60_000, by=by
    )
    if until_ms is None:
        raise not_found("user")
    transaction.announce(room.id, "user.muted", {"user": user_id, "until_ms": until_ms})
    return until_ms


async def unmute(transaction: Transaction, room: Room, user_id: str) -> None:
    """End a mute; a user who is not muted stays so."""
    if await store.delete_mute(transaction, room_id=room.id, user_id=user_id):
        transaction.announce(room.id, "user.muted", {"user": user_id, "until_ms": 0})


async def set_modes(transaction: Transaction, room: Room, modes: ChatModes, by: str) -> None:
    """Set all of a room's modes; what they were already is not told again."""
    if not 0 <= modes.slow_s <= SLOW_S_MAX:
        raise invalid(f"slow_s must be 1 to {SLOW_S_MAX}, or 0 for off.", field="slow_s")
    # Two who set modes at once are told to the room in the order in which they are stored.
    await lock_room(transaction, room.id)
    if await store.select_modes(transaction, room.id) == modes:
        return
    await store.upsert_modes(transaction, room.id, modes, by)
    transaction.announce(room.id, "chat.modes", {"modes": msgspec.to_builtins(modes)})
