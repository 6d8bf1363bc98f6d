"""Check the rules of who may press: shown beforehand, refused by name, met with a permit."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from loadtests.conformance.ear import Ear
from loadtests.conformance.http import expect_error
from loadtests.conformance.model import check, require
from loadtests.conformance.stage import Stage

SECTION = "Rules of who may press"
# At once, not one after another: a slow machine would leave a second between two of them. Each
# gateway counts for itself, so of two the first presses pass.
PRESSES = 20


@check(
    "pressing.present",
    SECTION,
    "A sale that asks for presence wants a permit over HTTP, which the room gives in time.",
    needs_host=True,
)
async def present(stage: Stage) -> None:
    guest = await stage.guest()
    async with stage.flash_sale(rules={"present_s": 1}) as sale, stage.settled(guest) as ear:
        require(sale.get("rules") == {"version": 1, "present_s": 1}, "its rules", sale)
        path = f"POST /api/sales/{sale['id']}/reservations"
        reply = await guest.call(path, {"qty": 1}, key=str(uuid4()))
        _expect_rule(expect_error(reply, 403, "permit_required"), "present_s")
        reply = await guest.call(path, {"qty": 1, "permit": "x"}, key=str(uuid4()))
        error = expect_error(reply, 403, "permit_invalid")
        require(error["detail"].get("reason") == "forged", "detail.reason forged", error)
        given = await _wait_for_permit(ear, sale["id"])
        reply = await guest.call(path, {"qty": 1, "permit": given}, key=str(uuid4()))
        require(reply.status == 201, "201 with the permit", str(reply))
        async with stage.held(sale["id"], reply.json["reservation"]["id"], guest):
            pass


@check(
    "pressing.permit",
    SECTION,
    "A permit is good for its owner and its sale alone, and one that is good is renewed at once.",
    needs_host=True,
)
async def permit(stage: Stage) -> None:
    guest, other = await stage.guest(), await stage.guest()
    async with stage.flash_sale(quantity=2, rules={"present_s": 1}) as sale:
        path = f"POST /api/sales/{sale['id']}/reservations"
        async with stage.settled(guest) as ear:
            given = await _wait_for_permit(ear, sale["id"])
        reply = await other.call(path, {"qty": 1, "permit": given}, key=str(uuid4()))
        error = expect_error(reply, 403, "permit_invalid")
        require(error["detail"].get("reason") == "other_user", "detail.reason other_user", error)
        # A lost line costs nobody their right: the next socket shows it, and waits for none.
        async with stage.settled(guest) as ear:
            frame = await ear.ask("permit", {"sale": sale["id"], "permit": given})
            require(frame[0] == "r", "a new permit at once", frame)
            require(0 < frame[2]["expires_in_ms"] <= 60_000, "expires_in_ms up to 60 s", frame)
        reply = await guest.call(path, {"qty": 1, "permit": frame[2]["permit"]}, key=str(uuid4()))
        require(reply.status == 201, "201 with the renewed permit", str(reply))
        async with stage.held(sale["id"], reply.json["reservation"]["id"], guest):
            pass


async def _wait_for_permit(ear: Ear, sale: str) -> str:
    """Ask until the presence is long enough; every refusal names the rule and the time left."""
    frame = await ear.ask("permit", {"sale": sale})
    while frame[0] == "e":
        require(frame[2]["code"] == "not_present_long_enough", "wait, or a permit", frame)
        _expect_rule(frame[2], "present_s")
        await asyncio.sleep(frame[2]["retry_ms"] / 1000)
        frame = await ear.ask("permit", {"sale": sale})
    token: str = frame[2]["permit"]
    return token


@check(
    "pressing.pace",
    SECTION,
    "Too many presses of one person are `slow_down`, and a retry is never refused.",
    needs_host=True,
)
async def pace(stage: Stage) -> None:
    guest, key = await stage.guest(), str(uuid4())
    async with stage.flash_sale(quantity=3, rules={"presses_per_user_s": 1}) as sale:
        path = f"POST /api/sales/{sale['id']}/reservations"
        reply = await guest.call(path, {"qty": 1}, key=key)
        require(reply.status == 201, "201", str(reply))
        async with stage.held(sale["id"], reply.json["reservation"]["id"], guest):
            keys = [one for _ in range(PRESSES) for one in (str(uuid4()), key)]
            replies = await asyncio.gather(*(guest.call(path, {"qty": 1}, key=one) for one in keys))
            for again in replies[1::2]:
                require(again.status == 201, "201 for the retry", str(again))
            refused = [
                expect_error(other, 429, "slow_down")
                for other in replies[::2]
                if other.status == 429
            ]
            require(bool(refused), "some of them `slow_down`", refused)
            error = refused[0]
            is_so = error["detail"] == {"rule": "presses_per_user", "limit_per_s": 1}
            require(is_so and "retry_ms" in error, "detail.rule and retry_ms", error)


def _expect_rule(error: dict[str, Any], rule: str) -> None:
    detail = error.get("detail", {})
    require(detail.get("rule") == rule and detail.get("needed_s") == 1, f"detail of {rule}", error)


CHECKS = (present, permit, pace)
