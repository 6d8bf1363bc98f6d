"""Decide how a client at (epoch, offset) gets to the present, and what an arriving event is.

The invariant: after the decision is carried out, the client has every event once, in order, or a
snapshot that contains them.
"""

from __future__ import annotations

import msgspec


class Position(msgspec.Struct, frozen=True):
    """A point in a room's log; offsets of different epochs cannot be compared."""

    epoch: str
    offset: int


class Replay(msgspec.Struct, frozen=True):
    """Send the events from `first` on; none when `first` is past the newest."""

    first: int


class SendSnapshot(msgspec.Struct, frozen=True):
    """Send the whole state: the missing events are not at hand or do not belong to this log."""


Recovery = Replay | SendSnapshot


def decide_recovery(client: Position | None, room: Position, *, ring_first: int) -> Recovery:
    """Choose replay or snapshot; `ring_first` is the oldest event at hand, or one past the newest.

    A client ahead of the room comes from a process that heard more, or made the number up. Either
    way a snapshot is right: it is read from the log itself, and it costs the other members nothing.
    """
    if client is None or client.epoch != room.epoch or client.offset > room.offset:
        return SendSnapshot()
    if client.offset + 1 >= ring_first:
        return Replay(client.offset + 1)
    return SendSnapshot()


class Apply(msgspec.Struct, frozen=True):
    """The event is the next one."""


class Repeat(msgspec.Struct, frozen=True):
    """The event is known already."""


class Gap(msgspec.Struct, frozen=True):
    """Events from `first` up to the one before this are missing."""

    first: int


Arrival = Apply | Repeat | Gap


def decide_arrival(offset: int, *, newest: int) -> Arrival:
    """Classify an event with `offset` for a room that has everything up to `newest`."""
    if offset <= newest:
        return Repeat()
    if offset == newest + 1:
        return Apply()
    return Gap(newest + 1)
