"""Say what rooms need from the server around them, and what a member of a room can do.

The server implements these; realtime never learns what is behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from realtime.protocol.close_codes import CloseCode
from realtime.protocol.codec import Blob
from realtime.protocol.errors import CommandError
from realtime.protocol.messages import ChatLine, LogEntry


class Identity(msgspec.Struct, frozen=True):
    """A signed-in user; `role` is guest, host, moderator or operator."""

    user_id: str
    name: str
    role: str
    expires_ms: int


class RoomRef(msgspec.Struct, frozen=True):
    """A room as the server knows it; `offset` is the newest of its log."""

    id: str
    slug: str
    epoch: str
    host_id: str
    offset: int


class Snapshot(msgspec.Struct, frozen=True):
    """The whole room state, raw JSON, as it was at `offset`."""

    epoch: str
    offset: int
    state: bytes


class Modes(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a room's chat is kept in order; each mode is off by default, and then not sent."""

    slow_s: int = 0
    """Seconds between two lines of one author; 0 is off."""
    emote_only: bool = False
    links_off: bool = False


class HouseRules(msgspec.Struct, frozen=True):
    """What a process must know of a room before anybody speaks in it."""

    mutes: dict[str, int] = {}
    """User id → until_ms of the mutes in force."""
    modes: Modes = Modes()


class RoomSource(Protocol):
    """Reads rooms; every method may raise anything, which is retried or refused as overload."""

    async def find(self, slug: str) -> RoomRef | None:
        """Return the room with this slug."""

    async def snapshot(self, room_id: str) -> Snapshot:
        """Read the whole state and its offset in one transaction."""

    async def read_log(self, room_id: str, after: int, limit: int) -> list[LogEntry]:
        """Return up to `limit` events with offsets after `after`, ascending."""

    async def house_rules(self, room_id: str) -> HouseRules:
        """Return the mutes and modes in force."""


class Authenticator(Protocol):
    """Reads tokens."""

    def identify(self, token: str) -> Identity | None:
        """Return whose token this is; None when it is forged, expired or malformed."""


class Caller(msgspec.Struct, frozen=True):
    """Who asks for a command, where, and over which connection.

    `present_ms` is how long this very connection has been in the room, by a clock that never
    jumps; `address` is where it comes from.
    """

    identity: Identity
    room: RoomRef
    conn: str
    address: str = ""
    present_ms: int = 0


Reply = Callable[[bytes | CommandError], None]
"""Told the raw JSON result of a command, or its refusal."""


class CommandHandler(Protocol):
    """Carries out business commands."""

    async def __call__(self, caller: Caller, command: str, args: bytes, key: str | None) -> bytes:
        """Return the raw JSON result; raise `CommandError` to refuse."""

    def take(
        self, caller: Caller, command: str, args: bytes, key: str | None, reply: Reply
    ) -> bool:
        """Take a command on without a task of its own, or return False to be called.

        `reply` is called once, now or later, with what a call would return or raise. Whoever
        presses when a sale opens is one of thousands: a task for each would cost a third more.
        """

    def left(self, conn: str) -> None:
        """Hear that a connection has gone, whether it ever asked for anything or not."""

    def sent_away(self, conn: str) -> None:
        """Hear that a connection is about to be told to come back later; `left` follows."""


class ChatStore(Protocol):
    """Keeps chat lines for moderation and replay."""

    async def save(self, room_id: str, lines: Sequence[ChatLine]) -> None:
        """Store a batch; a line id that is known already is skipped."""


class LikeStore(Protocol):
    """Keeps like totals."""

    async def add(self, room_id: str, count: int) -> int:
        """Add likes and return the durable total."""


class DeliveryReport(msgspec.Struct, frozen=True):
    """How one sale event reached the viewers whom one run of a process (`reporter`) asked.

    `bins` counts the acknowledged delays; `realtime.delivery.rules.BOUNDS_MS` says in what steps.
    """

    room_id: str
    offset: int
    reporter: str
    asked: int
    bins: tuple[int, ...]


class DeliveryStore(Protocol):
    """Keeps how sale events were delivered."""

    async def keep_deliveries(self, reports: Sequence[DeliveryReport]) -> None:
        """Store a batch; a report that is known already is replaced by the same."""


class Member(Protocol):
    """One viewer's connection, as a room sees it. No method blocks or raises."""

    slot: int
    """Index in the room's member list; -1 when in none."""
    offset: int
    """Newest sale event written; -1 while it waits for a snapshot."""

    @property
    def is_staff(self) -> bool:
        """Whether this is one of the shop's own people; they do not count as viewers."""

    @property
    def user_id(self) -> str | None:
        """Whose connection this is; None for a visitor."""

    def greet(self, rec: str, *, epoch: str, offset: int) -> bytes:
        """Return the framed hello, or nothing when it was sent before."""

    def pick(self, blob: Blob) -> bytes:
        """Return the blob's frames in the form that this client takes."""

    def write(self, frames: bytes) -> None:
        """Write frames that must arrive: greetings, replays, direct messages."""

    def write_sale(self, blob: Blob, last: int) -> None:
        """Write live sale events that end at `last`, or stop the lane and remember where."""

    def write_tick(self, blob: Blob, lines: int) -> int:
        """Write a tick's state and chat, or skip it when the member reads too slowly.

        `lines` is how many chat lines the tick tells of, shown or left out. Returns the bytes
        that were written.
        """

    def close(self, code: CloseCode, retry_ms: int | None = None) -> None:
        """Say goodbye, with the moment to come back when there is one, and close."""


class Process(msgspec.Struct, frozen=True):
    """What one process brings: its name, and its sources of time, chance and ids."""

    name: str
    now_ms: Callable[[], int]
    random: Callable[[], float]
    new_id: Callable[[], str]
    cpu_s: Callable[[], float]
    """Seconds of processor time that this process has used."""
