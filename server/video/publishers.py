"""Say whether somebody may still publish into a room, by what is committed now."""

from __future__ import annotations

from commerce.kernel.errors import CommerceError
from commerce.kernel.ports import Connection
from commerce.members.accounts.store import select_user
from commerce.shows.schedule.model import Room
from commerce.shows.schedule.rules import check_moderate
from commerce.shows.stream_keys.store import select_keys
from server.video.tickets import KEY_HOLDER, USER_HOLDER, is_key


async def may_publish(connection: Connection, room: Room, holder: str) -> bool:
    """Say whether a ticket's holder is the room's host, a moderator of it, or a key that is good.

    A ticket says who it was for an hour; a role and a key are taken away at once.
    """
    if is_key(holder):
        keys = await select_keys(connection, room.id)
        return holder.removeprefix(KEY_HOLDER) in {key.id for key in keys}
    if not holder.startswith(USER_HOLDER):
        return False
    try:
        user = await select_user(connection, holder.removeprefix(USER_HOLDER))
        check_moderate(room, user_id=user.id, role=user.role)
    except CommerceError:
        return False
    return True
