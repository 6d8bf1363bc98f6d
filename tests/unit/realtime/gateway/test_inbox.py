"""A crowd is heard in its order, in turns that leave the loop time for everybody else."""

from __future__ import annotations

import asyncio
import time

from realtime.gateway.inbox import TURN_S, Inbox


class Slow:
    """A reader that takes half a turn, and keeps in `heard` what the loop did before it."""

    def __init__(self, name: int, heard: list[int | str]) -> None:
        self._name = name
        self._heard = heard

    def read_arrived(self) -> None:
        ends_s = time.monotonic() + TURN_S / 2
        while time.monotonic() < ends_s:
            pass
        self._heard.append(self._name)


async def test_readers_have_their_turn_in_the_order_they_came() -> None:
    heard: list[int | str] = []
    inbox = Inbox(asyncio.get_running_loop())
    for number in range(8):
        inbox.add(Slow(number, heard))
    assert heard == []
    while len(heard) < 8:
        await asyncio.sleep(0)
    assert heard == list(range(8))


async def test_the_loop_hears_others_before_the_crowd_is_done() -> None:
    heard: list[int | str] = []
    loop = asyncio.get_running_loop()
    inbox = Inbox(loop)
    answered = loop.create_future()
    answered.add_done_callback(lambda _: heard.append("the database"))
    for number in range(20):
        inbox.add(Slow(number, heard))
    loop.call_later(TURN_S, answered.set_result, None)
    while len(heard) < 21:
        await asyncio.sleep(0)
    assert heard.index("the database") < 20


async def test_who_comes_later_has_a_turn_as_well() -> None:
    heard: list[int | str] = []
    inbox = Inbox(asyncio.get_running_loop())
    inbox.add(Slow(1, heard))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    inbox.add(Slow(2, heard))
    while len(heard) < 2:
        await asyncio.sleep(0)
    assert heard == [1, 2]
