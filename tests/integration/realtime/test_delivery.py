"""Viewers who are asked acknowledge sale events; what they claim is counted once, and bounded."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
from websockets.exceptions import ConnectionClosed

from realtime.delivery.rules import BOUNDS_MS, DeliveryLimits
from realtime.gateway.limits import GatewayLimits
from realtime.protocol.close_codes import CloseCode
from realtime.protocol.messages import LogEntry
from tests.integration.realtime.house import Client, House, Served, eventually, now_ms, serve

ENDS = (*BOUNDS_MS, 10**9)
LIMITS = DeliveryLimits(flush_every_s=0.05)


class Clock:
    """The gateway's wall clock, which moves when the test says so."""

    def __init__(self) -> None:
        self.ms = now_ms()

    def __call__(self) -> int:
        return self.ms


class Stage:
    """A gateway, its house and its clock, and the acts of a test."""

    def __init__(self, house: House, served: Served, clock: Clock) -> None:
        self.house = house
        self.served = served
        self.clock = clock
        self.counters = served.gateway.counters

    async def enter(self, token: str | None = "guest/ann", *, extra: str = "") -> Client:
        """Let a client in, up to the present."""
        client = await self.served.open(token, extra=extra)
        await client.until("K")
        return client

    async def sell(self, *clients: Client, age_ms: int = 0, count: int = 1) -> int:
        """Announce events that were committed `age_ms` ago; return the newest once all have it."""
        entries = []
        for _ in range(count):
            entry = self.house.commit("flash.opened")
            aged = LogEntry(entry.offset, entry.type, entry.payload, self.clock.ms - age_ms)
            self.house.log[-1] = aged
            entries.append(aged)
        await self.served.gateway.publisher.sale("r1", entries)
        for client in clients:
            await client.until_offset(entries[-1].offset)
        return entries[-1].offset

    async def send(self, client: Client, *frame: object) -> None:
        """Send a frame and wait until the gateway has taken it in."""
        before = self.counters.frames_in
        await client.send(*frame)
        await eventually(lambda: self.counters.frames_in > before)

    async def settle(self, offset: int) -> tuple[int, list[int]]:
        """Let time pass until an event's count is final; return who was asked, and the delays."""
        self.clock.ms += LIMITS.closes_after_ms
        await eventually(lambda: any(one.offset == offset for one in self.house.deliveries))
        [report] = [one for one in self.house.deliveries if one.offset == offset]
        delays = [end for end, n in zip(ENDS, report.bins, strict=True) for _ in range(n)]
        return report.asked, delays


@pytest.fixture
async def stage(house: House, redis_url: str, redis_prefix: str) -> AsyncIterator[Stage]:
    clock, limits = Clock(), GatewayLimits(delivery=LIMITS)
    async with serve(house, redis_url, redis_prefix, limits=limits, clock=clock) as served:
        yield Stage(house, served, clock)


@pytest.fixture
async def narrow(house: House, redis_url: str, redis_prefix: str) -> AsyncIterator[Stage]:
    """A gateway that asks one viewer of a room."""
    clock = Clock()
    limits = GatewayLimits(delivery=DeliveryLimits(flush_every_s=0.05, asked_max=1))
    async with serve(house, redis_url, redis_prefix, limits=limits, clock=clock) as served:
        yield Stage(house, served, clock)


def hello_of(client: Client) -> dict[str, object]:
    hello: dict[str, object] = next(frame[1] for frame in client.frames if frame[0] == "h")
    return hello


async def test_viewers_are_asked_and_staff_are_not(stage: Stage) -> None:
    tokens = ("guest/ann", None, "host/xi", "moderator/mo")
    asked = [hello_of(await stage.enter(token))["ack"] for token in tokens]
    assert asked == [True, True, False, False]


async def test_what_was_drawn_when_is_counted(stage: Stage) -> None:
    ann, bob, host = [await stage.enter(t) for t in ("guest/ann", None, "host/xi")]
    offset = await stage.sell(ann, bob, host, age_ms=30)
    stage.clock.ms += 500
    await stage.send(ann, "a", offset, 120)
    await stage.send(bob, "a", offset, 401)
    assert await stage.settle(offset) == (2, [150, 450])
    assert (stage.counters.sale_deliveries_asked, stage.counters.sale_deliveries_acked) == (2, 2)
    assert stage.counters.sale_delivery_sum_ms == 521


async def test_one_frame_acknowledges_a_batch(stage: Stage) -> None:
    ann = await stage.enter()
    first = await stage.sell(ann, age_ms=100)
    stage.clock.ms += 300
    newest = await stage.sell(ann, count=3)
    stage.clock.ms += 300
    await stage.send(ann, "a", newest, 40)
    assert await stage.settle(newest) == (1, [40])
    # It was drawn 40 ms after the newest, which came 400 ms after this one.
    assert await stage.settle(first) == (1, [450])
    assert stage.counters.sale_acks_ignored == 0


async def test_lies_are_cut_to_what_can_be_true(stage: Stage) -> None:
    early, late, unsynced = [await stage.enter() for _ in range(3)]
    offset = await stage.sell(early, late, unsynced, age_ms=45)
    stage.clock.ms += 200
    await stage.send(early, "a", offset, 0)
    await stage.send(late, "a", offset, 10**12)
    await stage.send(unsynced, "a", offset, None)
    assert await stage.settle(offset) == (3, [50, 250, 250])


async def test_what_nobody_asked_about_is_ignored(stage: Stage) -> None:
    ann, host = await stage.enter(), await stage.enter("host/xi")
    offset = await stage.sell(ann, host)
    await stage.send(host, "a", offset, 1)
    await stage.send(ann, "a", offset + 7, 1)
    await stage.send(ann, "a", offset, 20)
    await stage.send(ann, "a", offset, 1)
    assert stage.counters.sale_acks_ignored == 3
    assert await stage.settle(offset) == (1, [10])
    await stage.send(ann, "a", offset, 1)
    assert stage.counters.sale_acks_ignored == 4


async def test_an_answer_after_the_count_is_final_is_ignored(stage: Stage) -> None:
    ann = await stage.enter()
    offset = await stage.sell(ann)
    assert await stage.settle(offset) == (1, [])
    await stage.send(ann, "a", offset, 1)
    assert stage.counters.sale_acks_ignored == 1
    assert stage.counters.sale_deliveries_acked == 0


async def test_a_viewer_whose_snapshot_was_ahead_is_not_asked_about_it(stage: Stage) -> None:
    ann = await stage.enter()
    entry = stage.house.commit("flash.opened")
    stage.clock.ms += 1_000  # The newest snapshot is too old to be shared.
    ahead = await stage.enter(None)
    assert [frame[2] for frame in ahead.frames if frame[0] == "Z"] == [entry.offset]
    await stage.served.gateway.publisher.sale("r1", [entry])
    await ann.until_offset(entry.offset)
    assert await stage.settle(entry.offset) == (1, [])


async def test_an_event_that_came_by_replay_or_snapshot_is_not_asked_about(stage: Stage) -> None:
    ann = await stage.enter()
    epoch = hello_of(ann)["epoch"]
    seen = await stage.sell(ann)
    await stage.send(ann, "a", seen, 0)
    missed = await stage.sell(ann)
    await stage.settle(missed)
    back = await stage.enter(extra=f"&e={epoch}&o={missed - 1}")
    fresh = await stage.enter(None)
    assert missed in back.offsets
    await stage.send(back, "a", missed, 60_000)
    await stage.send(fresh, "a", missed, 60_000)
    assert stage.counters.sale_acks_ignored == 2
    offset = await stage.sell(ann, back, fresh)
    assert (await stage.settle(offset))[0] == 3
    assert [one.asked for one in stage.house.deliveries] == [1, 1, 3]


async def test_whoever_leaves_at_once_is_excused_and_later_is_not(stage: Stage) -> None:
    stays, leaves, breaks = [await stage.enter() for _ in range(3)]
    offset = await stage.sell(stays, leaves, breaks)
    room = stage.served.gateway.hub.room("r1")
    assert room is not None
    await leaves.socket.close()
    await eventually(lambda: len(room.members) == 2)
    stage.clock.ms += LIMITS.leaving_grace_ms + 1
    await breaks.socket.close()
    await eventually(lambda: len(room.members) == 1)
    assert await stage.settle(offset) == (2, [])


async def test_a_hidden_page_is_no_viewer_until_it_shows_again(stage: Stage) -> None:
    shown, hidden = await stage.enter(), await stage.enter()
    before = await stage.sell(shown, hidden)
    await stage.send(hidden, "v", False)
    while_hidden = await stage.sell(shown, hidden)
    await stage.send(hidden, "v", True)
    after = await stage.sell(shown, hidden)
    await stage.settle(after)
    await stage.settle(before)
    asked = {one.offset: one.asked for one in stage.house.deliveries}
    assert asked == {before: 1, while_hidden: 1, after: 2}


async def test_the_question_moves_on_when_the_one_who_was_asked_leaves(narrow: Stage) -> None:
    first = await narrow.enter()
    second = await narrow.enter()
    assert (hello_of(first)["ack"], hello_of(second)["ack"]) in {(True, False), (True, True)}
    asked, other = (second, first) if hello_of(second)["ack"] else (first, second)
    if asked is second:
        assert await first.until("a") == ["a", False]
    await asked.socket.close()
    assert await other.until("a") == ["a", True]
    offset = await narrow.sell(other)
    await narrow.send(other, "a", offset, 0)
    assert await narrow.settle(offset) == (1, [10])


async def test_no_more_than_the_sample_is_asked_and_each_is_told(narrow: Stage) -> None:
    crowd = [await narrow.enter() for _ in range(12)]
    offset = await narrow.sell(*crowd)
    believing = 0
    for client in crowd:
        words = [f[1]["ack"] if f[0] == "h" else f[1] for f in client.frames if f[0] in {"h", "a"}]
        believing += words[-1]
    assert believing == 1
    assert (await narrow.settle(offset))[0] == 1


async def test_a_room_in_which_nobody_is_asked_costs_and_stores_nothing(stage: Stage) -> None:
    host = await stage.enter("host/xi")
    room = stage.served.gateway.hub.room("r1")
    assert room is not None
    assert room.on_sale is None
    await stage.sell(host)
    ann = await stage.enter()
    assert room.on_sale is not None
    await ann.socket.close()
    await eventually(lambda: room.on_sale is None)
    assert stage.house.deliveries == []


async def test_counts_wait_for_a_database_that_is_away(stage: Stage) -> None:
    ann = await stage.enter()
    offset = await stage.sell(ann)
    await stage.send(ann, "a", offset, 0)
    stage.house.is_down = True
    stage.clock.ms += LIMITS.closes_after_ms
    await eventually(lambda: stage.counters.delivery_save_failures > 1)
    stage.house.is_down = False
    assert await stage.settle(offset) == (1, [10])


async def test_acknowledging_every_event_of_a_busy_room_is_no_flood(stage: Stage) -> None:
    ann = await stage.enter()
    for _ in range(80):
        offset = await stage.sell(ann)
        await ann.send("a", offset, 0)
    await ann.send("q", 1, "time", {})
    assert (await ann.until("r"))[1] == 1
    # So many that a machine which stands still for seconds in between gives no time to send them.
    with contextlib.suppress(ConnectionClosed):
        for _ in range(800):
            await ann.send("a", offset, 0)
    assert await ann.close_code() == CloseCode.FLOOD
