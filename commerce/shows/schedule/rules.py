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
    if not _is_own_host(room, user_id=user_id, role=role):
        raise forbidden("Only the host of this room can do that.")


def check_stop_sales(room: Room, *, user_id: str, role: str) -> None:
    """Raise `forbidden` unless this is the room's own host or an operator."""
    if not may_see_money(room, user_id=user_id, role=role):
        raise forbidden("Only the host of this room or an operator can stop its sales.")


def check_moderate(room: Room, *, user_id: str, role: str) -> None:
    """Raise `forbidden` unless this is the room's host or one of its moderators."""
    is_moderator = role == "moderator" and user_id in room.moderator_ids
    if not (is_moderator or _is_own_host(room, user_id=user_id, role=role)):
        raise forbidden("Only the host and the moderators of this room can do that.")


def check_keep_order(room: Room, *, user_id: str, role: str) -> None:
    """Raise `forbidden` unless this is who may moderate the room, or an operator."""
    if role != "operator":
        check_moderate(room, user_id=user_id, role=role)


def check_watch_console(room: Room, *, user_id: str, role: str) -> bool:
    """Raise `forbidden` for outsiders; return whether this person may see money."""
    if may_see_money(room, user_id=user_id, role=role):
        return True
    check_moderate(room, user_id=user_id, role=role)
    return False


def check_see_money(room: Room, *, user_id: str, role: str) -> None:
    """Raise `forbidden` unless this is the room's own host or an operator."""
    if not may_see_money(room, user_id=user_id, role=role):
        raise forbidden("Only the host of this room sees its orders.")


def may_see_money(room: Room, *, user_id: str, role: str) -> bool:
    """Return whether this is the room's own host or an operator."""
    return role == "operator" or _is_own_host(room, user_id=user_id, role=role)


def _is_own_host(room: Room, *, user_id: str, role: str) -> bool:
    return role == "host" and room.host_id == user_id
