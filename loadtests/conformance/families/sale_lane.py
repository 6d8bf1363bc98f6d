"""The sale lane: what staff did, told to everybody once, in order."""

from __future__ import annotations

from contextlib import AsyncExitStack
from uuid import uuid4

from loadtests.conformance.ear import Ear
from loadtests.conformance.http import expect_error
from loadtests.conformance.model import NotApplicableError, check, require
from loadtests.conformance.stage import Stage

VISITORS = 3
GUESTS = 3
ANNOUNCEMENTS = 6


@check(
    "sale_lane.everybody",
    "Sale lane",
    "Everybody gets each event once, in one order.",
    needs_host=True,
)
async def everybody(stage: Stage) -> None:
    texts = [f"Conformance {number} {uuid4().hex[:6]}" for number in range(ANNOUNCEMENTS)]
    people = [None] * VISITORS + [await stage.guest() for _ in range(GUESTS)]
    async with AsyncExitStack() as stack:
        ears = [await stack.enter_async_context(stage.settled(person)) for person in people]
        for text in texts:
            await stage.announce(text)
        seen = []
        for ear in ears:
            offsets = [await _hear_announcement(ear, text) for text in texts]
            require(offsets == sorted(set(offsets)), "growing offsets", offsets)
            seen.append(offsets)
            problems = ear.watch.sale_problems
            require(not problems, "a lane without gap or repeat", problems)
    require(all(one == seen[0] for one in seen), "one order for everybody", seen)


@check(
    "sale_lane.pinned",
    "Sale lane",
    "State before + event = state after: pin and unpin.",
    needs_host=True,
)
async def pinned(stage: Stage) -> None:
    host, state = stage.host, await stage.live_state()
    if not state["bag"]:
        raise NotApplicableError("the bag is empty")
    item = next((i["item"] for i in state["bag"] if i["item"] != state["pinned"]), None)
    item = item or state["pinned"]
    async with stage.settled() as ear:
        await host.do(f"POST {stage.room_path}/pin", {"item": item})
        first = await ear.hear_event("show.pinned", lambda payload: payload["item"] == item)
        now = await stage.state()
        require(now["pinned"] == item, f"pinned {item} over HTTP too", now["pinned"])
        await host.do(f"POST {stage.room_path}/unpin", {})
        then = await ear.hear_event("show.unpinned", lambda payload: payload["item"] == item)
        require(then > first, "unpinned after pinned", [first, then])
        now = await stage.state()
        require(now["pinned"] is None, "nothing pinned over HTTP either", now["pinned"])
    stage.left["events in the room's log"] += 2


@check(
    "sale_lane.start_again",
    "Rooms and shows",
    "`start` on a live room leaves it as it is.",
    needs_host=True,
)
async def start_again(stage: Stage) -> None:
    host, before = stage.host, await stage.live_state()
    answer = await host.do(f"POST {stage.room_path}/start")
    came = answer["show"]["id"]
    require(came == before["show"]["id"], "the show that is live", answer)


@check(
    "sale_lane.wrong_item",
    "Rooms and shows",
    "An item that is not in the bag is `not_found`.",
    needs_host=True,
)
async def wrong_item(stage: Stage) -> None:
    host = stage.host
    await stage.live_state()
    reply = await host.call(f"POST {stage.room_path}/pin", {"item": str(uuid4())})
    expect_error(reply, 404, "not_found")


async def _hear_announcement(ear: Ear, text: str) -> int:
    return await ear.hear_event("announcement", lambda payload: payload["text"] == text)


CHECKS = (everybody, pinned, start_again, wrong_item)
