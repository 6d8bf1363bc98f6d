"""A room works end to end: connect, hello, state, sale events, commands, chat, across processes."""

from __future__ import annotations

from tests.integration.realtime.house import House, Served, eventually, serve


async def test_a_joiner_gets_hello_and_the_whole_state(served: Served, house: House) -> None:
    house.state["likes"] = 5
    client = await served.open()
    hello = await client.read()
    assert hello[0] == "h"
    assert hello[1]["conn"].startswith(served.gateway.process.name)
    assert hello[1]["user"] == {"id": "guest-ann", "name": "ann", "role": "guest"}
    assert hello[1]["rec"] == "fresh"
    state = await client.read()
    assert state[:3] == ["Z", "epoch-1", 0]
    assert (state[3]["viewers"], state[3]["likes"]) == (1, 5)


async def test_sale_events_reach_the_viewers_of_two_processes_in_order(
    served: Served, house: House, redis_url: str, redis_prefix: str
) -> None:
    async with serve(house, redis_url, redis_prefix) as other:
        here, there = await served.open(), await other.open("guest/bob")
        await here.until("Z")
        await there.until("Z")
        for _ in range(5):
            await served.gateway.publisher.sale("r1", [house.commit("flash.opened")])
        await here.until_offset(5)
        await there.until_offset(5)
        assert here.offsets == there.offsets == [1, 2, 3, 4, 5]
        assert here.frames[-1][2][0][0] == "flash.opened"


async def test_a_command_reaches_its_handler_and_is_answered(served: Served) -> None:
    client = await served.open()
    await client.send("q", 1, "echo", {"qty": 2}, "key-1")
    assert await client.until("r") == ["r", 1, {"user": "guest-ann", "args": {"qty": 2}}]
    await client.send("q", 2, "sold_out", {})
    refusal = await client.until("e")
    assert refusal[1] == 2
    assert refusal[2]["code"] == "sold_out"
    assert refusal[2]["detail"] == {"version": 7}
    await client.send("q", "t", "time", {})
    assert (await client.until("r"))[2]["now_ms"] > 1_000_000


async def test_chat_is_seen_in_both_processes_and_stored(
    served: Served, house: House, redis_url: str, redis_prefix: str
) -> None:
    async with serve(house, redis_url, redis_prefix) as other:
        ann, bob = await served.open(), await other.open("guest/bob")
        await bob.until("Z")
        await ann.send("c", "x1", "hello  there")
        line_id = (await ann.until("r"))[2]["line"]
        for client in (ann, bob):
            chat = await client.until("L")
            assert chat[2][0][:5] == [line_id, "guest-ann", "ann", "hello there", []]
            assert chat[3] == 0
        await eventually(lambda: [line.id for line in house.saved] == [line_id])


async def test_hints_and_state_reach_every_viewer(served: Served) -> None:
    hints: list[tuple[str, set[str]]] = []
    hub = served.gateway.hub
    hub.on_hint(lambda room_id, keys: hints.append((room_id, keys)))
    client = await served.open()
    await client.until("Z")
    assert ("r1", {"*"}) in hints
    await served.gateway.publisher.hint("r1", ["stock:s1"])
    await eventually(lambda: ("r1", {"stock:s1"}) in hints)
    hub.set_state("r1", "stock:s1", [3, 1, 0])
    await client.until_state("stock:s1", [3, 1, 0])
    assert hub.active_rooms == ["r1"]


async def test_a_direct_message_reaches_its_user_alone(served: Served) -> None:
    ann, bob = await served.open(), await served.open("guest/bob")
    await ann.until("Z")
    await bob.until("Z")
    await served.gateway.publisher.direct("r1", "guest-ann", "order.paid", b'{"order":1}')
    assert await ann.until("D") == ["D", "order.paid", {"order": 1}]
    await served.gateway.publisher.sale("r1", [])
    await bob.send("p")
    assert not [frame for frame in bob.frames if frame[0] == "D"]
