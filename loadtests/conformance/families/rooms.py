"""The list of rooms and the state of one."""

from __future__ import annotations

from loadtests.conformance.http import expect_error, expect_shape
from loadtests.conformance.matching import Each
from loadtests.conformance.model import check, require
from loadtests.conformance.shapes import LOBBY_ROOM
from loadtests.conformance.stage import Stage


@check("rooms.list", "Rooms and shows", "`GET /api/rooms` lists every room, live ones first.")
async def list_rooms(stage: Stage) -> None:
    answer = await stage.visitor.get("/api/rooms")
    expect_shape(answer, {"rooms": Each(LOBBY_ROOM)}, "GET /api/rooms")
    names = [room["room"] for room in answer["rooms"]]
    require(stage.target.room in names, f"the room {stage.target.room!r} in the list", names)
    live = [room["show"] is not None for room in answer["rooms"]]
    require(live == sorted(live, reverse=True), "live rooms before the others", live)


@check("rooms.state", "Room state", "The state has every documented field, of its type.")
async def state(stage: Stage) -> None:
    came = await stage.state()
    require(came["room"] == stage.target.room, "the room's own name", came["room"])
    items = [item["item"] for item in came["bag"]]
    require(came["pinned"] in {None, *items}, "a pinned item that is in the bag", came["pinned"])
    ids = {sale["id"] for sale in came["sales"]}
    missing = [item["sale"] for item in came["bag"] if item["sale"] not in ids]
    require(not missing, "every bag item's regular sale among the sales", missing)
    for sale in came["sales"]:
        require(min(sale["stock"]) >= 0, "no stock figure below 0", sale)


@check("rooms.snapshot_is_state", "Room state", "`Z` carries the fields that HTTP answers.")
async def snapshot_is_state(stage: Stage) -> None:
    async with stage.settled() as ear:
        came = ear.watch.state or {}
    fields = sorted(await stage.state())
    require(sorted(came) == fields, f"the fields {fields}", sorted(came))


@check("rooms.unknown", "Rooms and shows", "A room that does not exist is 404 `not_found`.")
async def unknown(stage: Stage) -> None:
    expect_error(await stage.visitor.call("GET /api/rooms/no-such-room-here"), 404, "not_found")


CHECKS = (list_rooms, state, snapshot_is_state, unknown)
