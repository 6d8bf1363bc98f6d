"""Coupons of a drop, claimed over HTTP and over the socket alike."""

from __future__ import annotations

from uuid import uuid4

from loadtests.conformance.http import expect_error, expect_shape
from loadtests.conformance.model import check, require
from loadtests.conformance.shapes import CLAIM, DROP
from loadtests.conformance.stage import Stage

SECTION = "Coupons"
COUPON = {"title": "kit", "amount_minor": 1, "quantity": 1}
DROP_TERMS = {"quantity": 1, "countdown_s": 0, "duration_s": 60}


@check(
    "coupons.claim",
    SECTION,
    "`claim_coupon` is the claim of HTTP: one a key, refused without one.",
    needs_host=True,
)
async def claim(stage: Stage) -> None:
    guest, key = await stage.guest(), str(uuid4())
    _, drop = await _drop(stage)
    try:
        async with stage.settled(guest) as ear:
            refused = await ear.ask("claim_coupon", {"drop": drop})
            require(refused[2]["code"] == "idempotency_key_required", "a key is needed", refused)
            unknown = await ear.ask("claim_coupon", {"drop": str(uuid4())}, str(uuid4()))
            require(unknown[2]["code"] == "not_found", "no such drop", unknown)
            first = await ear.ask("claim_coupon", {"drop": drop}, key)
            require(first[0] == "r", "a claim", first)
            got = expect_shape(first[2], {"claim": CLAIM}, "the result of claim_coupon")["claim"]
            call = f"POST /api/drops/{drop}/claims"
            again = (await guest.do(call, None, key=key, status=201))["claim"]
            require(again["id"] == got["id"], "one key, one claim, either way", again)
        async with stage.settled(await stage.guest()) as late:
            gone = await late.ask("claim_coupon", {"drop": drop}, str(uuid4()))
            require(gone[2]["code"] == "coupons_gone", "all are claimed, which is final", gone)
    finally:
        await _close(stage, drop)


@check(
    "coupons.halted",
    SECTION,
    "A halted coupon is neither claimed nor taken off, and says why, until it is resumed.",
    needs_host=True,
)
async def halted(stage: Stage) -> None:
    guest, coupon, drop = await stage.guest(), *await _drop(stage)
    path = f"POST /api/coupons/{coupon}"
    try:
        async with stage.settled(guest) as ear:
            answer = await stage.host.do(f"{path}/halt", {"reason": "A check."}, key=str(uuid4()))
            require(answer["coupon"]["coupon"]["halt_reason"] == "A check.", "halted", answer)
            await ear.hear_event(
                "coupon.halted", lambda p: [p["coupon"], p["reason"]] == [coupon, "A check."]
            )
            refused = await guest.call(f"POST /api/drops/{drop}/claims", key=str(uuid4()))
            error = expect_error(refused, 409, "coupon_halted")
            require(error["detail"]["reason"] == "A check.", "why it is halted", error)
            answer = await stage.host.do(f"{path}/resume", key=str(uuid4()))
            require("halt_reason" not in answer["coupon"]["coupon"], "resumed", answer)
            await ear.hear_event("coupon.unhalted", lambda p: p["coupon"] == coupon)
            await guest.do(f"POST /api/drops/{drop}/claims", None, key=str(uuid4()), status=201)
    finally:
        await stage.host.call(f"{path}/resume", key=str(uuid4()))
        await _close(stage, drop)


async def _drop(stage: Stage) -> tuple[str, str]:
    """Make a coupon and drop it; return the ids of both."""
    await stage.live_state()
    made = (
        await stage.host.do(f"POST {stage.room_path}/coupons", COUPON, key=str(uuid4()), status=201)
    )["coupon"]
    stage.left["coupons"] += 1
    coupon = made["coupon"]["id"]
    terms = {**DROP_TERMS, "coupon": coupon}
    armed = await stage.host.do(
        f"POST {stage.room_path}/drops", terms, key=str(uuid4()), status=201
    )
    return coupon, expect_shape(armed["drop"], DROP, "the drop that was armed")["id"]


async def _close(stage: Stage, drop: str) -> None:
    """End a drop, and note it when that fails."""
    reply = await stage.host.call(f"POST /api/drops/{drop}/close", key=str(uuid4()))
    if reply.status != 200:
        stage.problems.append(f"the drop {drop}: {reply}")


CHECKS = (claim, halted)
