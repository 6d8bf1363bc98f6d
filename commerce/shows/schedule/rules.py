"""Who may command a room, and the states of a show."""

from __future__ import annotations

from commerce.kernel.errors import forbidden
from commerce.kernel.transitions import Transitions
from commerce.shows.schedule.model import Room

SHOW = Transitions(
    "The show",
    {
        ("scheduled", "start"): "live",
        ("live", "end"): "ended",
    },
)


def check_command(room: Room, *, user_id: str, role: str) -> None:
    """Raise `forbidden` unless this is the room's own host."""
    if role != "host" or room.host_id != user_id:
        raise forbidden("Only the host of this room can do that.")


def check_moderate(room: Room, *, user_id: str, role: str) -> None:
    """Raise `forbidden` unless this is the room's host or one of its moderators."""
    is_host = role == "host" and room.host_id == user_id
    is_moderator = role == "moderator" and user_id in room.moderator_ids
    if not (is_host or is_moderator):
        raise forbidden("Only the host and the moderators of this room can do that.")


def check_watch_console(room: Room, *, user_id: str, role: str) -> bool:
    """Raise `forbidden` for outsiders; return whether this person may see money."""
    if role == "operator" or (role == "host" and room.host_id == user_id):
        return True
    check_moderate(room, user_id=user_id, role=role)
    return False
