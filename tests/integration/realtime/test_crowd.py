"""Chat, likes and viewers: what one person does, and what everybody sees of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from realtime.brokers.redis import RedisBroker
from realtime.chat.rules import ChatLimits
from realtime.chat.sender import LineSender
from realtime.gateway.limits import GatewayLimits
from realtime.presence.service import count_viewers
from realtime.protocol.messages import ChatLine
from realtime.rooms.ladder import Ladder, Rung
from realtime.rooms.limits import RoomLimits
from realtime.rooms.ports import Modes
from realtime.rooms.publisher import RoomPublisher
from tests.integration.realtime.house import Client, House, Served, eventually, now_ms, serve


async def test_a_fast_talker_is_slowed_down(served: Served) -> None:
    client = await served.open()
    await client.until("Z")
    for number in range(4):
        await client.send("c", number, f"line {number}")
    refusal = await client.until("e")
    assert refusal[1] == 3
    assert refusal[2]["code"] == "slow_down"
    assert 0 < refusal[2]["retry_ms"] <= 1001


async def test_a_muted_user_is_told_and_not_heard_in_any_process(
    served: Served, house: House, redis_url: str, redis_prefix: str
) -> None:
    async with serve(house, redis_url, redis_prefix) as other:
        ann, staff = await other.open(), await served.open("host/h")
        await ann.until("Z")
        await staff.until("Z")
        until_ms = now_ms() + 60_000
        payload = {"user": "guest-ann", "until_ms": until_ms}
        await served.gateway.publisher.sale("r1", [house.commit("user.muted", payload)])
        assert await ann.until("D") == ["D", "muted", {"until_ms": until_ms}]
        await ann.send("c", 1, "hello")
        refusal = (await ann.until("e"))[2]
        assert (refusal["code"], refusal["retry_ms"] > 50_000) == ("muted", True)
        payload = {"user": "guest-ann", "until_ms": 0}
        await served.gateway.publisher.sale("r1", [house.commit("user.muted", payload)])
        await ann.until("D")
        await ann.send("c", 2, "hello")
        await ann.until("r")
        assert (await staff.until("L"))[2][0][3] == "hello"


async def test_a_mute_from_before_the_process_started_is_kept(served: Served, house: House) -> None:
    house.muted["guest-ann"] = now_ms() + 60_000
    client = await served.open()
    await client.send("c", 1, "hello")
    assert (await client.until("e"))[2]["code"] == "muted"


async def test_a_line_deleted_before_its_tick_is_never_shown(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    # The longest tick there is, so that the line is still waiting for it when it is deleted.
    limits = GatewayLimits(rooms=RoomLimits(tick_min_ms=1000))
    async with serve(house, redis_url, redis_prefix, limits=limits) as served:
        client = await served.open("host/h")
        await client.until("Z")
        room = served.gateway.hub.room("r1")
        assert room is not None
        await client.send("c", 1, "oops")
        line_id = (await client.until("r"))[2]["line"]
        await eventually(lambda: room._lines)
        room.apply([house.commit("chat.deleted", {"line": line_id})])
        await client.send("c", 2, "better")
        shown = await client.until("L")
        assert [row[3] for row in shown[2]] == ["better"]
        assert client.offsets == [1]


async def test_a_crowded_room_samples_and_says_so_but_authors_see_their_own(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    limits = GatewayLimits(chat=ChatLimits(room_lines_per_s=2))
    async with serve(house, redis_url, redis_prefix, limits=limits) as served:
        reader = await served.open("guest/reader")
        await reader.until("Z")
        talkers = [await served.open(f"guest/t{number}") for number in range(8)]
        for number, talker in enumerate(talkers):
            await talker.send("c", number, f"hello from {number}")
        for number, talker in enumerate(talkers):
            while f"hello from {number}" not in [
                row[3] for frame in talker.frames if frame[0] == "L" for row in frame[2]
            ]:
                await talker.read()
        left_out = 0
        seen = 0
        while seen + left_out < 8:
            frame = await reader.until("L")
            seen += len(frame[2])
            left_out += frame[3]
        assert (seen + left_out, left_out > 0) == (8, True)
        await eventually(lambda: len(house.saved) == 8)


async def test_likes_of_two_processes_add_up_and_are_stored(
    served: Served, house: House, redis_url: str, redis_prefix: str
) -> None:
    async with serve(house, redis_url, redis_prefix) as other:
        ann, bob = await served.open(), await other.open("guest/bob")
        await ann.until("Z")
        await bob.until("Z")
        await ann.send("k", 3)
        await ann.send("k", 4)
        await bob.send("k", 5)
        await ann.until_state("likes", 12)
        await bob.until_state("likes", 12)
        assert house.likes == 12
        late = await other.open("guest/late")
        assert (await late.until("Z"))[3]["likes"] == 12


async def test_viewers_of_two_processes_are_counted_and_gone_ones_are_not(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    broker = RedisBroker(redis_url, prefix=redis_prefix)
    limits = GatewayLimits(presence_every_s=0.1)
    async with serve(house, redis_url, redis_prefix, limits=limits) as one:
        ann = await one.open()
        await ann.until("Z")
        async with serve(house, redis_url, redis_prefix, limits=limits) as other:
            bob = await other.open("guest/bob")
            await bob.until("Z")
            await ann.until_state("viewers", 2)
            assert await count_viewers(broker, "r1", now_ms=now_ms()) == 2
        await ann.until_state("viewers", 1)
        assert await count_viewers(broker, "r1", now_ms=now_ms()) == 1
    await broker.close()


async def test_chat_that_cannot_be_stored_is_stored_later(served: Served, house: House) -> None:
    client = await served.open()
    await client.until("Z")
    house.is_down = True
    await client.send("c", 1, "keep this")
    await client.until("L")
    await eventually(lambda: served.gateway.counters.chat_save_failures > 0)
    house.is_down = False
    await eventually(lambda: [line.text for line in house.saved] == ["keep this"])


async def test_a_room_that_cannot_be_stored_holds_up_no_other(
    served: Served, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = house.save

    async def refuse_the_first(room_id: str, lines: Sequence[ChatLine]) -> None:
        if room_id == "r0":
            raise ConnectionError("this room is broken")
        await save(room_id, lines)

    monkeypatch.setattr(house, "save", refuse_the_first)
    for room_id in ("r0", "r1"):
        served.gateway.chat._keep(room_id, ChatLine(room_id, "u", "n", "hello", (), 0))
    await eventually(lambda: [line.id for line in house.saved] == ["r1"])


async def test_a_room_that_was_left_takes_no_memory(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    limits = GatewayLimits(presence_every_s=0.05, rooms=RoomLimits(room_linger_ms=0))
    async with serve(house, redis_url, redis_prefix, limits=limits) as served:
        client = await served.open()
        await client.until("Z")
        await eventually(lambda: served.gateway.chat.processes == {"r1": 1})
        await client.socket.close()
        await eventually(lambda: served.gateway.chat.processes == {})


async def test_lines_alike_come_as_one_and_their_authors_see_their_own(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    limits = GatewayLimits(chat=ChatLimits(room_lines_per_s=4, flush_ms=400))
    async with serve(house, redis_url, redis_prefix, limits=limits) as served:
        reader = await served.open("guest/reader")
        await reader.until("Z")
        talkers = [await served.open(f"guest/t{number}") for number in range(8)]
        for talker in talkers:
            await talker.until("Z")
        for number, talker in enumerate(talkers):
            await talker.send("c", number, "6" * (3 + number))
        seen = 0
        while seen < 8:
            frame = await reader.until("L")
            assert frame[3] == 0
            seen += sum(stands_for(row) for row in frame[2])
        rows = [row for frame in reader.frames if frame[0] == "L" for row in frame[2]]
        assert len(rows) < 8
        for number, talker in enumerate(talkers):
            while "6" * (3 + number) not in texts_of(talker):
                await talker.read()
        counters = served.gateway.counters
        assert len(rows) + counters.chat_collapsed + counters.chat_sampled_out == 8
        await eventually(lambda: len(house.saved) == 8)
        assert {line.flags for line in house.saved} == {()}


async def test_a_thousand_orders_at_once_are_carried_at_a_bounded_rate(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    async with serve(house, redis_url, redis_prefix) as served:
        reader = await served.open("guest/reader")
        await reader.until("Z")
        started_ms = now_ms()
        for number in range(1000):
            order = ChatLine(f"o{number}", "", "l***a", "3 Tea bowl", ("order",), started_ms)
            served.gateway.chat.carry("r1", order)
        shown = dropped = 0
        while shown + dropped < 1000:
            frame = await reader.until("L")
            shown += len(frame[2])
            dropped += frame[3]
        assert shown + dropped == 1000
        # At most the whole room's second that a lone process has saved up, and what came since.
        assert 0 < shown <= 40 * (1 + (now_ms() - started_ms) / 1000) + 1
        assert house.saved == []  # Their own transaction has stored them.


async def test_a_hot_process_carries_a_quarter_of_its_chat(served: Served) -> None:
    reader = await served.open("guest/reader")
    await reader.until("Z")
    served.gateway.hub.load._ladder = Ladder(Rung.CHAT)
    chat = served.gateway.chat
    chat.processes["r1"] = 1
    for number in range(100):
        chat.carry("r1", ChatLine(f"o{number}", "", "l***a", "3 Bowl", ("order",), now_ms()))
    frame = await reader.until("L")
    assert (len(frame[2]), frame[3]) == (10, 90)


async def test_a_worker_that_knows_nothing_of_the_room_takes_its_part_only(
    served: Served, redis_url: str, redis_prefix: str
) -> None:
    reader = await served.open("guest/reader")
    await reader.until("Z")
    broker = RedisBroker(redis_url, prefix=redis_prefix)
    house = LineSender(
        lambda: 5_000,  # Its clock stands still, so nothing is refilled.
        publisher=RoomPublisher(broker),
        limits=ChatLimits(),
        counters=served.gateway.counters,
    )
    taken = [
        house.carry("r1", ChatLine(f"o{n}", "", "l***a", "3 Bowl", ("order",), 0))
        for n in range(2_500)
    ]
    assert taken.count(True) == ChatLimits().waiting_lines_max == 500
    await house.flush()
    frame = await reader.until("L")
    assert (len(frame[2]), frame[3]) == (10, 2_490)
    await broker.close()


async def test_slow_mode_holds_over_processes_and_not_for_staff(
    served: Served, house: House, redis_url: str, redis_prefix: str
) -> None:
    async with serve(house, redis_url, redis_prefix) as other:
        ann, same, staff = await served.open(), await other.open(), await other.open("host/h")
        for client in (ann, same, staff):
            await client.until("Z")
        event = house.commit("chat.modes", {"modes": {"slow_s": 60}})
        await served.gateway.publisher.sale("r1", [event])
        for client in (ann, same, staff):
            await client.until_offset(1)
        await ann.send("c", 1, "hello")
        await same.until("L")
        for client in (ann, same):
            await client.send("c", 2, "again")
            refusal = (await client.until("e"))[2]
            assert (refusal["code"], 50_000 < refusal["retry_ms"] <= 60_000) == ("slow_mode", True)
        for number in range(2):
            await staff.send("c", number, f"staff {number}")
            await staff.until("r")


async def test_slow_mode_counts_a_line_that_was_left_out(
    house: House, redis_url: str, redis_prefix: str
) -> None:
    house.modes = Modes(slow_s=60)
    limits = GatewayLimits(chat=ChatLimits(room_lines_per_s=0))
    async with (
        serve(house, redis_url, redis_prefix, limits=limits) as one,
        serve(house, redis_url, redis_prefix) as other,
    ):
        ann, same = await one.open(), await other.open()
        await ann.until("Z")
        await same.until("Z")
        await ann.send("c", 1, "hello")
        assert (await same.until("L"))[2:] == [[], 1]
        await same.send("c", 2, "again")
        assert (await same.until("e"))[2]["code"] == "slow_mode"


async def test_modes_from_before_the_process_started_are_kept(house: House, served: Served) -> None:
    house.modes = Modes(links_off=True, emote_only=True)
    client = await served.open()
    await client.send("c", 1, "t.me/x")
    assert (await client.until("e"))[2]["code"] == "emote_only"
    await client.send("c", 2, "🎉")
    await client.until("r")


async def test_modes_of_a_restored_database_are_read_anew(house: House, served: Served) -> None:
    client = await served.open()
    await client.until("Z")
    house.epoch, house.modes = "epoch-2", Modes(emote_only=True)
    room = served.gateway.hub.room("r1")
    assert room is not None
    served.gateway.hub._resync(served.gateway.hub._active["r1"])
    await client.until("Z")
    await eventually(lambda: room.modes.emote_only)


def stands_for(row: list[Any]) -> int:
    """How many lines a row of an `L` frame is."""
    return sum(int(flag[1:]) for flag in row[4] if flag[0] == "x") or 1


def texts_of(client: Client) -> list[str]:
    """Every chat text a client has read."""
    return [row[3] for frame in client.frames if frame[0] == "L" for row in frame[2]]
