"""Where commerce and realtime meet: committed changes become messages, commands become acts.

Invariant: nothing is published here that is not committed, and a publish that fails loses
nothing: the log is re-published by the worker, figures are re-read, holds are re-asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec
import orjson

from commerce.goods.inventory.model import Answer, Hold, Refused, Reserved
from commerce.goods.inventory.service import InventoryService
from commerce.goods.inventory.store import select_figures, select_figures_of_room
from commerce.goods.inventory.views import (
    refusal_error,
    view_answer,
    view_ended,
    view_reservation,
)
from commerce.goods.press_rules.model import Press
from commerce.goods.press_rules.rules import decide_permit
from commerce.goods.presses.service import PressCounter
from commerce.goods.waiting_list.service import WaitingList
from commerce.goods.waiting_list.views import view_entry
from commerce.kernel.errors import CommerceError
from commerce.records.room_log.model import StoredEvent
from commerce.records.room_log.store import mark_published
from commerce.sales.coupons.service import Drops
from commerce.sales.draws.service import Draws
from commerce.sales.draws.views import view_entry as view_draw_entry
from commerce.sales.draws.views import view_receipt
from commerce.sales.group_buys.service import GroupBuys
from commerce.sales.group_buys.views import view_seat
from realtime.brokers.ports import BrokerUnavailableError
from realtime.protocol.errors import CommandError
from realtime.protocol.messages import ChatLine, LogEntry
from realtime.rooms.hub import Hub
from realtime.rooms.ports import Caller, Reply
from realtime.rooms.publisher import RoomPublisher
from server.arguments import Wish, check_id, check_key, check_qty, read_seat_wish
from server.auth.permits import LIFETIME_MS, Permits
from server.command_args import (
    ClaimArgs,
    JoinGroupArgs,
    LeaveArgs,
    LeaveDrawArgs,
    PermitArgs,
    ReleaseArgs,
    ReserveArgs,
    decode_args,
)
from server.db.database import PgDatabase, Told
from server.db.faults import UNAVAILABLE

log = logging.getLogger(__name__)

# How long changed figures gather before one hint tells of them all.
HINT_EVERY_S = 0.05
# Figures are read for viewers at most this often, whatever the press rate.
FIGURES_EVERY_S = 0.1
# Every active room's figures are re-read this often even when no hint came.
REFRESH_EVERY_S = 5.0


class Announcer:
    """Tells rooms what was committed in this process; the `publish` of its database."""

    def __init__(self, publisher: RoomPublisher) -> None:
        self._publisher = publisher
        self.database: PgDatabase | None = None
        self.carry_line: Callable[[str, ChatLine], bool] | None = None
        """Takes a line of the house for a room, to be carried within the room's budget."""

    async def publish(self, told: Told) -> None:
        """Send everything that one transaction had to tell."""
        await self.publish_events(told.events)
        for room_id, line in told.lines:
            shown = ChatLine(line.id, "", line.name, line.text, (line.flag,), line.at_ms)
            assert self.carry_line is not None, "nobody carries the lines of the house"
            self.carry_line(room_id, shown)
        for room_id, user_id, type, payload in told.direct:
            await self._publisher.direct(room_id, user_id, type, payload)
        by_room: dict[str, list[str]] = defaultdict(list)
        for room_id, sale_id in sorted(told.touched):
            # One key names both figures of the sale: its stock, and who waits for it.
            by_room[room_id].append(f"stock:{sale_id}")
        for room_id, keys in by_room.items():
            await self._publisher.hint(room_id, keys)

    async def publish_events(self, events: list[StoredEvent]) -> None:
        """Send log entries room by room and note that they went out."""
        by_room: dict[str, list[LogEntry]] = defaultdict(list)
        for event in events:
            by_room[event.room_id].append(
                LogEntry(event.offset, event.type, event.payload, event.at_ms)
            )
        for room_id, entries in by_room.items():
            await self._publisher.sale(room_id, entries)
        if events and self.database is not None:
            async with self.database.transaction() as transaction:
                await mark_published(transaction, events)


class InventoryNews:
    """Gathers what batches changed and tells it in bounded steps; commerce's `News` port."""

    def __init__(self, publisher: RoomPublisher, presses: PressCounter) -> None:
        self._publisher = publisher
        self._presses = presses
        self._changed: dict[str, set[str]] = defaultdict(set)
        self._expired: list[tuple[str, Hold]] = []

    def stock_changed(self, room_id: str, sale_id: str) -> None:
        """Note that a sale's figures changed."""
        self._changed[room_id].add(f"stock:{sale_id}")

    def hold_expired(self, room_id: str, hold: Hold) -> None:
        """Note whom to tell that a hold has ended."""
        self._expired.append((room_id, hold))

    def pressed(self, sale_id: str, answer: str) -> None:
        """Count a press."""
        self._presses.add(sale_id, answer)

    async def run(self) -> None:
        """Tell what gathered, for ever."""
        while True:
            await asyncio.sleep(HINT_EVERY_S)
            changed, self._changed = self._changed, defaultdict(set)
            expired, self._expired = self._expired, []
            try:
                for room_id, keys in changed.items():
                    await self._publisher.hint(room_id, sorted(keys))
                for room_id, hold in expired:
                    await self._publisher.direct(
                        room_id, hold.user_id, "reservation.expired", orjson.dumps(view_ended(hold))
                    )
            except BrokerUnavailableError:
                log.warning("a hint could not be published; figures are re-read anyway")


class StockBoard:
    """Reads the figures that viewers see, at most ten times a second, for this process's rooms.

    A sale whose figures are seen is a sale that may be pressed soon: the inventory learns it, so
    that the crowd of its opening need not wait for it, and who sees a unit free is not refused
    from the memory of a moment when none was.
    """

    def __init__(self, database: PgDatabase, hub: Hub, inventory: InventoryService) -> None:
        self._database = database
        self._hub = hub
        self._inventory = inventory
        self._dirty: set[str] = set()
        self._dirty_rooms: set[str] = set()

    def hint(self, room_id: str, keys: set[str]) -> None:
        """Note which keys of a room are to be read again."""
        if "*" in keys:
            self._dirty_rooms.add(room_id)
        self._dirty |= {key.removeprefix("stock:") for key in keys if key.startswith("stock:")}

    async def run(self) -> None:
        """Read what is dirty, for ever."""
        waited_s = 0.0
        while True:
            await asyncio.sleep(FIGURES_EVERY_S)
            waited_s += FIGURES_EVERY_S
            if waited_s >= REFRESH_EVERY_S:
                waited_s = 0.0
                self._dirty_rooms.update(self._hub.active_rooms)
            if self._dirty or self._dirty_rooms:
                await self._read()

    async def _read(self) -> None:
        sales, self._dirty = self._dirty, set()
        rooms, self._dirty_rooms = self._dirty_rooms, set()
        try:
            async with self._database.reading() as connection:
                figures = await select_figures(connection, sorted(sales))
                for room_id in rooms:
                    figures |= await select_figures_of_room(connection, room_id)
        except UNAVAILABLE:
            log.warning("figures could not be read; they are read again")
            self._dirty |= sales
            self._dirty_rooms |= rooms
            return
        for sale_id, seen in figures.items():
            if seen.stock[0] > 0:
                self._inventory.saw_free(sale_id)
            self._hub.set_state(seen.room_id, f"stock:{sale_id}", list(seen.stock))
            if seen.waiting is not None:
                self._hub.set_state(seen.room_id, f"waiting:{sale_id}", list(seen.waiting))
        with contextlib.suppress(CommerceError, *UNAVAILABLE):  # Else the first press learns it.
            for sale_id in figures:
                await self._inventory.find_sale(sale_id)


class RoomCommands:
    """Carries out what viewers ask over the socket; realtime's `CommandHandler`."""

    def __init__(  # noqa: PLR0913 - one for each kind of thing that is asked for.
        self,
        inventory: InventoryService,
        waiting_list: WaitingList,
        draws: Draws,
        groups: GroupBuys,
        permits: Permits,
        *,
        drops: Drops,
    ) -> None:
        self._inventory = inventory
        self._waiting_list = waiting_list
        self._draws = draws
        self._groups = groups
        self._permits = permits
        self._drops = drops

    async def __call__(self, caller: Caller, command: str, args: bytes, key: str | None) -> bytes:
        """Run one command and return its JSON result; a refusal raises CommandError."""
        try:
            return orjson.dumps(await self._run(caller, command, args, key))
        except CommerceError as error:
            raise _command_error(error) from None
        except UNAVAILABLE as error:
            raise CommandError(
                "database_unavailable", "The database does not answer.", True, retry_ms=1000
            ) from error

    def take(
        self, caller: Caller, command: str, args: bytes, key: str | None, reply: Reply
    ) -> bool:
        """Take a press on that needs no task: malformed, refused by the latch, or queued."""
        if command != "reserve":
            return False
        try:
            wanted = decode_args(args, ReserveArgs)
            qty, key = check_qty(wanted.qty), check_key(key)
        except CommerceError as error:
            reply(_command_error(error))
            return True
        return self._inventory.take(
            user_id=caller.identity.user_id,
            sale_id=wanted.sale,
            qty=qty,
            key=key,
            on_answer=lambda answer: reply(_answer_reserve(answer)),
            press=lambda: self._press(caller, wanted.sale, wanted.permit),
        )

    def left(self, conn: str) -> None:
        """End the permits of whoever has left."""
        self._permits.leave(conn)

    def sent_away(self, conn: str) -> None:
        """Keep the permits of whoever is told to come back."""
        self._permits.excuse(conn)

    async def _run(
        self, caller: Caller, command: str, args: bytes, key: str | None
    ) -> dict[str, Any]:
        user_id = caller.identity.user_id
        if command == "reserve":
            answer = await self._inventory.decide(**self._wish(caller, args, key))
            return view_answer(answer)
        if command == "permit":
            return await self._permit(caller, decode_args(args, PermitArgs))
        if command == "release":
            check_key(key)
            named = check_id(decode_args(args, ReleaseArgs).reservation, "reservation")
            released = await self._inventory.release(user_id=user_id, reservation_id=named)
            return {"reservation": view_reservation(released)}
        if command == "join_waiting_list":
            entry = await self._waiting_list.join(**self._wish(caller, args, key))
            return {"entry": view_entry(entry)}
        if command == "leave_waiting_list":
            check_key(key)
            named = check_id(decode_args(args, LeaveArgs).entry, "entry")
            left = await self._waiting_list.leave(user_id=user_id, entry_id=named)
            return {"entry": view_entry(left)}
        if command == "enter_draw":
            entered = await self._draws.enter(**self._wish(caller, args, key))
            return {"entry": view_draw_entry(entered)}
        if command == "join_group":
            return await self._join_group(caller, decode_args(args, JoinGroupArgs), check_key(key))
        if command == "claim_coupon":
            return await self._claim(caller, decode_args(args, ClaimArgs), check_key(key))
        if command == "leave_draw":
            check_key(key)
            return await self._leave_draw(user_id, decode_args(args, LeaveDrawArgs))
        raise CommandError("unknown_command", f"There is no command {command[:32]!r}.")

    def _wish(self, caller: Caller, args: bytes, key: str | None) -> Wish:
        """Return what a caller wants of a sale; raises what its parts do."""
        wanted = decode_args(args, ReserveArgs)
        sale_id = check_id(wanted.sale, "sale")
        return {
            "user_id": caller.identity.user_id,
            "sale_id": sale_id,
            "qty": check_qty(wanted.qty),
            "key": check_key(key),
            "press": self._press(caller, sale_id, wanted.permit),
        }

    def _press(self, caller: Caller, sale_id: str, permit: str | None) -> Press:
        """Return a press over this socket, which shows its room and how long it is there."""
        state = self._permits.judge(permit, user_id=caller.identity.user_id, sale_id=sale_id)
        return Press(caller.address, caller.room.id, caller.present_ms, state)

    async def _permit(self, caller: Caller, wanted: PermitArgs) -> dict[str, Any]:
        """Give whoever has been here long enough what a press over HTTP shows."""
        sale = await self._inventory.find_sale(check_id(wanted.sale, "sale"))
        press = self._press(caller, sale.id, wanted.permit)
        refusal = decide_permit(sale.rules, press, sale.room_id) if sale.rules else None
        if refusal is not None:
            raise refusal
        token = self._permits.issue(
            user_id=caller.identity.user_id, sale_id=sale.id, conn=caller.conn
        )
        return {"permit": token, "expires_in_ms": LIFETIME_MS}

    async def _join_group(self, caller: Caller, wanted: JoinGroupArgs, key: str) -> dict[str, Any]:
        wish, named = read_seat_wish(wanted.group, wanted.open)
        sale_id = check_id(wanted.sale, "sale")
        seat = await self._groups.join(
            user_id=caller.identity.user_id,
            sale_id=sale_id,
            key=key,
            wish=wish,
            group_id=named,
            press=self._press(caller, sale_id, wanted.permit),
        )
        return view_seat(seat)

    async def _claim(self, caller: Caller, wanted: ClaimArgs, key: str) -> dict[str, Any]:
        drop_id = check_id(wanted.drop, "drop")
        claimed = await self._drops.claim(
            user_id=caller.identity.user_id,
            drop_id=drop_id,
            key=key,
            press=self._press(caller, drop_id, None),
        )
        return {"claim": msgspec.to_builtins(claimed)}

    async def _leave_draw(self, user_id: str, named: LeaveDrawArgs) -> dict[str, Any]:
        sale_id = check_id(named.sale, "sale")
        return view_receipt(await self._draws.withdraw(user_id=user_id, sale_id=sale_id))


def _answer_reserve(answer: Answer | CommerceError) -> bytes | CommandError:
    if isinstance(answer, Reserved):
        return orjson.dumps(view_answer(answer))
    return _refusal(answer) if isinstance(answer, Refused) else _command_error(answer)


@lru_cache(maxsize=64)
def _refusal(refused: Refused) -> CommandError:
    """Return the error of a refusal, to be told, not raised: a latch refuses a crowd alike."""
    return _command_error(refusal_error(refused))


def _command_error(error: CommerceError) -> CommandError:
    return CommandError(
        error.code,
        error.message,
        error.retryable,
        retry_ms=error.retry_ms,
        detail=error.detail,
    )
