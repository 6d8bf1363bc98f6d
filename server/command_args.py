"""The arguments of what viewers ask over the socket, and how they are read."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from commerce.kernel.errors import invalid

Args = TypeVar("Args")


class ReserveArgs(msgspec.Struct, frozen=True):
    """Arguments of `reserve`, `join_waiting_list`, `enter_draw`; a permit mends a lost line."""

    sale: str
    qty: int = 1
    permit: str | None = None


class PermitArgs(msgspec.Struct, frozen=True):
    """Arguments of `permit`; one that is still good is renewed in the room without a wait."""

    sale: str
    permit: str | None = None


class ReleaseArgs(msgspec.Struct, frozen=True):
    """Arguments of `release`."""

    reservation: str


class LeaveDrawArgs(msgspec.Struct, frozen=True):
    """Arguments of `leave_draw`."""

    sale: str


class JoinGroupArgs(msgspec.Struct, frozen=True):
    """Arguments of `join_group`: the team of a link, or a new one, or neither for any."""

    sale: str
    group: str | None = None
    open: bool = False
    permit: str | None = None


class ClaimArgs(msgspec.Struct, frozen=True):
    """Arguments of `claim_coupon`."""

    drop: str


class LeaveArgs(msgspec.Struct, frozen=True):
    """Arguments of `leave_waiting_list`."""

    entry: str


def decode_args(args: bytes, type: type[Args]) -> Args:
    """Return the arguments of a command; raises `invalid_request` when they are none of its."""
    try:
        return msgspec.json.decode(args, type=type)
    except msgspec.DecodeError as error:
        raise invalid(str(error)) from None
