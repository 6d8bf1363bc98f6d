"""Every command is answered: with its result, its refusal, or `internal`."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
import pytest

from realtime.gateway.commands import CommandDesk
from realtime.protocol.counters import Counters
from realtime.protocol.errors import CommandError
from realtime.protocol.messages import Command
from realtime.rooms.ports import Caller, Identity, Reply, RoomRef

CALLER = Caller(Identity("u1", "Ann", "guest", 0), RoomRef("r1", "demo", "e", "h", 0), "g-1")


class Asker:
    """Keeps the answers."""

    def __init__(self) -> None:
        self.answers: list[Any] = []

    def answer(self, frame: bytes) -> None:
        self.answers.append(msgspec.json.decode(frame[2:] if frame[1] < 126 else frame[4:]))


class Handler:
    """Knows at once that something is gone; all else takes a moment."""

    async def __call__(self, caller: Caller, command: str, args: bytes, key: str | None) -> bytes:
        if command == "refuse":
            raise CommandError("ended", "Over.")
        if command == "crash":
            raise RuntimeError("a bug")
        await asyncio.sleep(0)
        return b'{"ok":true}'

    def take(
        self, caller: Caller, command: str, args: bytes, key: str | None, reply: Reply
    ) -> bool:
        if command == "gone":
            reply(CommandError("sold_out", "Gone."))
        elif command == "soon":
            asyncio.get_running_loop().call_soon(reply, b'{"soon":true}')
        return command in {"gone", "soon"}


async def answers(*names: str, in_flight_max: int = 9) -> list[Any]:
    asker = Asker()
    desk = CommandDesk(Handler(), counters=Counters(), in_flight_max=in_flight_max)
    async with asyncio.TaskGroup() as tasks:
        for number, name in enumerate(names):
            command = Command(number, name, msgspec.Raw(b"{}"))
            desk.submit(asker, CALLER, command, spawn=tasks.create_task)
    return asker.answers


async def test_a_result_is_answered() -> None:
    assert await answers("fine") == [["r", 0, {"ok": True}]]


async def test_what_is_refused_at_once_is_answered_before_all_else_and_takes_no_place() -> None:
    told = await answers("fine", "gone", "gone", in_flight_max=1)
    assert [(answer[1], answer[0]) for answer in told] == [(1, "e"), (2, "e"), (0, "r")]


async def test_what_was_taken_on_without_a_task_is_answered_later() -> None:
    told = await answers("soon", "fine", in_flight_max=1)
    assert ["r", 0, {"soon": True}] in told
    assert ["r", 1, {"ok": True}] in told


async def test_a_refusal_is_answered_with_its_code() -> None:
    assert (await answers("refuse"))[0][2]["code"] == "ended"


async def test_a_bug_is_answered_as_internal_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        frame = (await answers("crash"))[0]
    assert frame[2]["code"] == "internal"
    assert "a bug" not in str(frame)
    assert len(caplog.records) == 1


async def test_a_full_process_refuses_at_once() -> None:
    frames = await answers("fine", "fine", in_flight_max=1)
    assert frames[0][2]["code"] == "overloaded"
    assert frames[1] == ["r", 0, {"ok": True}]
