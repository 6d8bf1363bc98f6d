"""The waiting list: places, turns in order, and units that the public never sees free."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from loadtests.conformance.ear import Ear
from loadtests.conformance.http import Person, expect_error, expect_shape
from loadtests.conformance.model import check, require
from loadtests.conformance.shapes import ENTRY, OFFER
from loadtests.conformance.stage import MEMORY_S, Stage

SECTION = "Waiting list"


@check(
    "waiting.turns",
    SECTION,
    "What comes free goes down the line in order, and nobody else gets it meanwhile.",
    needs_host=True,
)
async def turns(stage: Stage) -> None:
    first, second, third, other = [await stage.guest() for _ in range(4)]
    async with (
        stage.flash_sale(quantity=1) as sale,
        stage.settled(second) as second_ear,
        stage.settled(third) as third_ear,
    ):
        path = f"POST /api/sales/{sale['id']}/reservations"
        held = (await first.do(path, {"qty": 1}, key=str(uuid4()), status=201))["reservation"]
        entry = await _join(second, sale["id"], place=1)
        await _join(third, sale["id"], place=2)
        # Let go: it is the second's, and a press finds nothing.
        await first.do(f"DELETE /api/reservations/{held['id']}", key=str(uuid4()))
        offer = await _offered(second_ear)
        require(offer["entry"] == entry["id"], "an offer for the first in line", offer)
        await asyncio.sleep(MEMORY_S)
        error = expect_error(await other.call(path, {"qty": 1}, key=str(uuid4())), 409, "held_out")
        require(error["detail"].get("waiting") == 1, "detail.waiting 1", error)
        # Passed on: it is the third's, and the second has no entry any more.
        passed = await second.do(f"DELETE /api/waiting-list/{entry['id']}", key=str(uuid4()))
        require(passed["entry"]["state"] == "passed", "state passed", passed)
        offer = await _offered(third_ear)
        mine = (await second.get("/api/waiting-list"))["entries"]
        require(mine == [], "no entry of who passed it on", mine)
        [theirs] = (await third.get("/api/waiting-list"))["entries"]
        came = [theirs["state"], theirs.get("reservation"), theirs["room"]]
        expected = ["offered", offer["reservation"]["id"], stage.target.room]
        require(came == expected, f"{expected}", theirs)
        # Let go with nobody behind: everybody may have it.
        await third.do(f"DELETE /api/reservations/{offer['reservation']['id']}", key=str(uuid4()))
        await asyncio.sleep(MEMORY_S)
        held = (await other.do(path, {"qty": 1}, key=str(uuid4()), status=201))["reservation"]
        async with stage.held(sale["id"], held["id"], other):
            pass


@check(
    "waiting.joining",
    SECTION,
    "One entry a buyer, named by its key; free units are to be reserved instead.",
    needs_host=True,
)
async def joining(stage: Stage) -> None:
    holder, guest, key = await stage.guest(), await stage.guest(), str(uuid4())
    async with stage.flash_sale(quantity=1) as sale, stage.settled(guest) as ear:
        call = f"POST /api/sales/{sale['id']}/waiting-list"
        free = await guest.call(call, {"qty": 1}, key=str(uuid4()))
        error = expect_error(free, 409, "not_held_out")
        require(error["detail"].get("available") == 1, "detail.available 1", error)
        path = f"POST /api/sales/{sale['id']}/reservations"
        held = (await holder.do(path, {"qty": 1}, key=str(uuid4()), status=201))["reservation"]
        async with stage.held(sale["id"], held["id"], holder):
            entry = (await guest.do(call, {"qty": 1}, key=key, status=201))["entry"]
            again = await ear.ask("join_waiting_list", {"sale": sale["id"], "qty": 1}, key)
            require(again[0] == "r", "the stored answer over the socket", again)
            require(again[2]["entry"]["id"] == entry["id"], "the same entry", again)
            other = await guest.call(call, {"qty": 1}, key=str(uuid4()))
            error = expect_error(other, 409, "already_waiting")
            require(error["detail"]["entry"]["id"] == entry["id"], "detail.entry", error)
            of_another = await holder.call(
                f"DELETE /api/waiting-list/{entry['id']}", key=str(uuid4())
            )
            expect_error(of_another, 404, "not_found")
            left = await guest.do(f"DELETE /api/waiting-list/{entry['id']}", key=str(uuid4()))
            require(left["entry"]["state"] == "left", "state left", left)


async def _join(guest: Person, sale: str, *, place: int) -> dict[str, Any]:
    """Join a line and return the entry, which must have this place."""
    call = f"POST /api/sales/{sale}/waiting-list"
    answer = await guest.do(call, {"qty": 1}, key=str(uuid4()), status=201)
    entry: dict[str, Any] = expect_shape(answer["entry"], ENTRY, "an entry")
    came = [entry["state"], entry["place"], entry["waiting"]]
    require(came == ["waiting", place, place], f"place {place} of {place}", entry)
    return entry


async def _offered(ear: Ear) -> dict[str, Any]:
    """Wait until it is somebody's turn; return the offer."""
    frame = await ear.hear("D", lambda parts: parts[1] == "offer.made", expected="offer.made")
    offer: dict[str, Any] = expect_shape(frame[2], OFFER, "offer.made")
    return offer


CHECKS = (turns, joining)
