"""The state lane: the newest numbers."""

from __future__ import annotations

from uuid import uuid4

from loadtests.conformance.model import check, require
from loadtests.conformance.stage import Stage

LIKES = 3


@check("state_lane.likes", "State lane", "Likes are added to the room's total.")
async def likes(stage: Stage) -> None:
    async with stage.settled(await stage.guest()) as ear:
        before = (ear.watch.state or {})["likes"]
        ear.send(["k", LIKES])
        await ear.hear_value(
            "likes", lambda total: (total or 0) >= before + LIKES, f"at {before + LIKES} or more"
        )
        require(not ear.of("e"), "no answer to likes", ear.of("e"))
    stage.left["likes"] += LIKES
    total = (await stage.state())["likes"]
    require(total >= before + LIKES, "the total over HTTP too", total)


@check("state_lane.viewers", "State lane", "`viewers` counts open connections.")
async def viewers(stage: Stage) -> None:
    async with stage.settled() as one, stage.settled():
        await one.hear_value("viewers", lambda count: (count or 0) >= 2, "at 2 or more")


@check(
    "state_lane.stock",
    "State lane",
    "`stock:{sale}` follows a hold and its release.",
    needs_host=True,
)
async def stock(stage: Stage) -> None:
    guest = await stage.guest()
    async with stage.flash_sale(quantity=2) as sale, stage.settled() as ear:
        key = f"stock:{sale['id']}"
        path = f"POST /api/sales/{sale['id']}/reservations"
        answer = await guest.do(path, {"qty": 1}, key=str(uuid4()), status=201)
        async with stage.held(sale["id"], answer["reservation"]["id"], guest):
            await ear.hear_value(key, lambda value: value == [1, 1, 0], "at [1,1,0]")
        await ear.hear_value(key, lambda value: value == [2, 0, 0], "at [2,0,0] again")
        require(not ear.watch.state_problems, "versions that go up", ear.watch.state_problems)


CHECKS = (likes, viewers, stock)
