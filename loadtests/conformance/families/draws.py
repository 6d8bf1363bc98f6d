"""A sale by lot: entering, what is public before and after, and the order computed again."""

from __future__ import annotations

import hashlib
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID, uuid4

from loadtests.conformance.ear import Ear
from loadtests.conformance.http import Person, expect_error, expect_shape
from loadtests.conformance.model import check, require
from loadtests.conformance.shapes import DRAW, DRAW_ENTRY, DRAW_LOST, DRAW_RECEIPT, DRAW_WON
from loadtests.conformance.stage import Stage

SECTION = "Draws"
PEOPLE = 4
UNITS = 2
# Twice the shortest time to enter that a sale may have: all that is to happen before the draw has
# to happen within it, on a busy machine too.
ENTRY_S = 10
TERMS = {"quantity": UNITS, "fairness": "draw", "entry_s": ENTRY_S}


@check(
    "draws.order",
    SECTION,
    "Entries, seed and digest give the order that everybody is told, and units go down in it.",
    needs_host=True,
)
async def order(stage: Stage) -> None:
    guests = [await stage.guest() for _ in range(PEOPLE)]
    async with AsyncExitStack() as stack:
        # Whoever is to hear the outcome is there before the time to enter begins to run.
        ears = [await stack.enter_async_context(stage.settled(guest)) for guest in guests]
        sale = await stack.enter_async_context(stage.flash_sale(**TERMS))
        entries = [await _enter(guest, sale["id"]) for guest in guests]
        before = await _read(stage, sale["id"])
        secrets = [before[name] for name in ("seed", "digest", "winner_count")]
        require(secrets == [None] * 3, "nothing of the outcome before the draw", before)
        require(before["commit"] == sale["draw"]["commit"], "the sale's commit", before)
        await _drawn(ears[0], sale["id"])
        public = await _read(stage, sale["id"])
        ranking = _rank(public, before["commit"])
        require(sorted(ranking) == sorted(entries), "the entries that were made", public)
        for entry, guest, ear in zip(entries, guests, ears, strict=True):
            await _expect_told(ear, guest, sale["id"], (ranking.index(entry) + 1, entry))
        await _pass_down(ranking, dict(zip(entries, zip(guests, ears, strict=True), strict=True)))


@check(
    "draws.entering",
    SECTION,
    "One entry a buyer, named by its key, taken back and made again until entries close.",
    needs_host=True,
)
async def entering(stage: Stage) -> None:
    guest, late, key = await stage.guest(), await stage.guest(), str(uuid4())
    async with stage.settled(guest) as ear, stage.flash_sale(**TERMS) as sale:
        path = f"/api/sales/{sale['id']}"
        call = f"POST {path}/entries"
        mine = await guest.get(f"{path}/entries/mine")
        require(mine == {"entry": None}, "no entry yet", mine)
        entry = (await guest.do(call, {"qty": 1}, key=key, status=201))["entry"]
        again = (await guest.do(call, {"qty": 1}, key=key, status=201))["entry"]
        require(again["id"] == entry["id"], "the same entry for the same key", [entry, again])
        other = await guest.call(call, {"qty": 1}, key=str(uuid4()))
        expect_error(other, 409, "already_entered")
        press = await guest.call(f"POST {path}/reservations", {"qty": 1}, key=str(uuid4()))
        error = expect_error(press, 409, "draw_only")
        left_ms = error["detail"].get("entry_closes_in_ms", 0)
        require(0 < left_ms <= ENTRY_S * 1000, "detail.entry_closes_in_ms", error)
        await guest.do(f"DELETE {path}/entries/mine", key=str(uuid4()))
        mine = await guest.get(f"{path}/entries/mine")
        require(mine["state"] == "withdrawn", "withdrawn", mine)
        frame = await ear.ask("enter_draw", {"sale": sale["id"], "qty": 1}, str(uuid4()))
        require(frame[0] == "r", "another entry over the socket", frame)
        await _drawn(ear, sale["id"])
        too_late = await late.call(call, {"qty": 1}, key=str(uuid4()))
        expect_error(too_late, 409, "entries_closed")
        won = await _hear_direct(ear, "draw.won")
        require(won["entry"] == frame[2]["entry"]["id"], "the second entry drawn", won)
        async with stage.held(sale["id"], won["reservation"]["id"], guest):
            pass


async def _enter(guest: Person, sale: str) -> str:
    """Enter with one unit and return the entry's id."""
    call = f"POST /api/sales/{sale}/entries"
    answer = await guest.do(call, {"qty": 1}, key=str(uuid4()), status=201)
    entry = expect_shape(answer["entry"], DRAW_ENTRY, "an entry")
    require(entry["state"] == "entered", "entered", entry)
    id: str = entry["id"]
    return id


async def _read(stage: Stage, sale: str) -> dict[str, Any]:
    """Read what anybody may know of a draw."""
    answer = await stage.visitor.get(f"/api/sales/{sale}/draw")
    data: dict[str, Any] = expect_shape(answer, DRAW, "the public data of a draw")
    return data


async def _drawn(ear: Ear, sale: str) -> None:
    """Wait until the room is told that a sale is drawn."""
    # Entries close in at most `ENTRY_S`; the wait for one event is longer.
    await ear.hear_event("flash.drawn", lambda payload: payload["sale"] == sale)


def _rank(public: dict[str, Any], commit: str) -> list[str]:
    """Compute the order anew as the contract says; return the entries, first drawn first."""
    seed = bytes.fromhex(public["seed"])
    came = hashlib.sha256(seed).hexdigest()
    require(came == commit, f"a seed whose SHA-256 is {commit}", came)
    text = b"".join(UUID(id).bytes + qty.to_bytes(4, "big") for id, qty in public["entries"])
    digest = hashlib.sha256(text).digest()
    require(public["digest"] == digest.hex(), f"the digest {digest.hex()}", public["digest"])
    ids = [id for id, _ in public["entries"]]
    require(ids == sorted(ids), "entries ascending by id", ids)
    ranking = sorted(ids, key=lambda id: hashlib.sha256(seed + digest + UUID(id).bytes).digest())
    expected = sorted(ranking[: public["units"]])
    require(sorted(public["winners"]) == expected, f"the winners {expected}", public["winners"])
    return ranking


async def _expect_told(ear: Ear, guest: Person, sale: str, place: tuple[int, str]) -> None:
    """Check what somebody is told, and what their receipt says."""
    rank, entry = place
    kind, shape = ("draw.won", DRAW_WON) if rank <= UNITS else ("draw.lost", DRAW_LOST)
    told = await _hear_direct(ear, kind)
    expect_shape(told, shape, kind)
    came = [told["entry"], told["rank"], told["of"]]
    require(came == [entry, rank, PEOPLE], f"place {rank} of {PEOPLE}", told)
    mine = expect_shape(await guest.get(f"/api/sales/{sale}/entries/mine"), DRAW_RECEIPT, "receipt")
    state = kind.partition(".")[2]
    require([mine["state"], mine["rank"]] == [state, rank], f"{state}, place {rank}", mine)


async def _hear_direct(ear: Ear, kind: str) -> dict[str, Any]:
    """Wait for somebody's own news of a kind and return it."""
    frame = await ear.hear("D", lambda parts: parts[1] == kind, expected=f"a {kind}")
    news: dict[str, Any] = frame[2]
    return news


async def _pass_down(ranking: list[str], people: dict[str, tuple[Person, Ear]]) -> None:
    """Let go of every unit as it comes: the next in the order get it, one after another."""
    for rank, entry in enumerate(ranking):
        guest, ear = people[entry]
        kind = "draw.won" if rank < UNITS else "offer.made"
        told = await _hear_direct(ear, kind)
        # As many are served as there are units and as have let go so far; nobody after them.
        unserved = [people[one][1] for one in ranking[rank + UNITS :]]
        early = [ear for ear in unserved if any(parts[1] == "offer.made" for parts in ear.of("D"))]
        require(early == [], "offers in the order drawn", f"{len(early)} too early")
        await guest.do(f"DELETE /api/reservations/{told['reservation']['id']}", key=str(uuid4()))


CHECKS = (order, entering)
