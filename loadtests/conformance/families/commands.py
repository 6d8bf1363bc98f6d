"""Commands over the socket, and reservations, which HTTP and the socket share."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

from loadtests.conformance.http import expect_error, expect_shape
from loadtests.conformance.model import check, require
from loadtests.conformance.shapes import RESERVATION
from loadtests.conformance.stage import Stage

# A clock further off than this is a wrong unit or a wrong zone, not a slow network.
CLOCK_MS_MAX = 24 * 3600 * 1000


@check("commands.time", "Commands", "`time` tells anybody the gateway's clock.")
async def tell_time(stage: Stage) -> None:
    async with stage.settled() as ear:
        first, second = [await ear.ask("time", {}) for _ in range(2)]
        hello = await ear.hello()
    expect_shape(first[2], {"now_ms": int}, "the result of time")
    require(abs(first[2]["now_ms"] - time.time() * 1000) < CLOCK_MS_MAX, "Unix ms", first)
    came = [hello["now_ms"], first[2]["now_ms"], second[2]["now_ms"]]
    require(came == sorted(came), "a clock that goes forward", came)


@check("commands.unknown", "Commands", "A command that has no such name is `unknown_command`.")
async def unknown(stage: Stage) -> None:
    async with stage.settled(await stage.guest()) as ear:
        _expect_refused(await ear.ask("no_such_command", {}, "k"), "unknown_command")


@check("commands.sign_in", "Commands", "A visitor may neither command, chat nor like.")
async def sign_in(stage: Stage) -> None:
    async with stage.settled() as ear:
        sale = {"sale": str(uuid4()), "qty": 1}
        _expect_refused(await ear.ask("reserve", sale, "k"), "sign_in_required")
        _expect_refused(await ear.say("hello"), "sign_in_required")
        mark = ear.mark
        ear.send(["k", 1])
        _expect_refused(await ear.hear("e", after=mark), "sign_in_required")


@check("commands.bad_arguments", "Commands", "Wrong arguments are refused by name, not dropped.")
async def bad_arguments(stage: Stage) -> None:
    async with stage.settled(await stage.guest()) as ear:
        for args, code in (
            ({}, "invalid_request"),
            ({"sale": str(uuid4()), "qty": 0}, "invalid_request"),
            ({"sale": str(uuid4()), "qty": "one"}, "invalid_request"),
            ({"sale": str(uuid4()), "qty": 1}, "not_found"),
            ({"sale": "no-uuid", "qty": 1}, "not_found"),
        ):
            _expect_refused(await ear.ask("reserve", args, str(uuid4())), code)


@check("commands.key_required", "Commands", "`reserve` and `release` without a key are refused.")
async def key_required(stage: Stage) -> None:
    async with stage.settled(await stage.guest()) as ear:
        sale = {"sale": str(uuid4()), "qty": 1}
        _expect_refused(await ear.ask("reserve", sale), "idempotency_key_required")
        hold = {"reservation": str(uuid4())}
        _expect_refused(await ear.ask("release", hold), "idempotency_key_required")


@check("commands.reserve", "Commands", "`reserve` answers the reservation, the default qty is 1.")
async def reserve(stage: Stage) -> None:
    guest = await stage.guest()
    async with stage.regular_sale() as sale, stage.settled(guest) as ear:
        answer = await ear.ask("reserve", {"sale": sale["id"]}, str(uuid4()))
        held = _expect_reservation(answer)
        async with stage.held(sale["id"], held["id"], guest):
            came = [held["sale"], held["qty"], held["state"], held["sku"]]
            wanted = [sale["id"], 1, "held", sale["sku"]]
            require(came == wanted, f"{wanted}", came)
            own = await guest.get("/api/reservations")
            listed = [hold for hold in own["reservations"] if hold["id"] == held["id"]]
            require(len(listed) == 1, "the hold in GET /api/reservations", own)
            require(listed[0].get("room") == stage.target.room, "with its room", listed)


@check("commands.same_key", "HTTP", "One key is one reservation, over the socket and HTTP alike.")
async def same_key(stage: Stage) -> None:
    guest, key = await stage.guest(), str(uuid4())
    async with stage.regular_sale() as sale, stage.settled(guest) as ear:
        args = {"sale": sale["id"], "qty": 1}
        held = _expect_reservation(await ear.ask("reserve", args, key))
        async with stage.held(sale["id"], held["id"], guest):
            again = _expect_reservation(await ear.ask("reserve", args, key))
            path = f"POST /api/sales/{sale['id']}/reservations"
            over_http = await guest.do(path, {"qty": 1}, key=key, status=201)
            ids = [held["id"], again["id"], over_http["reservation"]["id"]]
            require(len(set(ids)) == 1, "one reservation", ids)
            reply = await guest.call(path, {"qty": 2}, key=key)
            expect_error(reply, 422, "idempotency_conflict")
            answer = await ear.ask("reserve", {"sale": sale["id"], "qty": 2}, key)
            _expect_refused(answer, "idempotency_conflict")


@check("commands.other_key", "HTTP", "Another key, or another person, is another reservation.")
async def other_key(stage: Stage) -> None:
    one, two, key = await stage.guest(), await stage.guest(), str(uuid4())
    async with stage.regular_sale() as sale:
        path = f"POST /api/sales/{sale['id']}/reservations"
        first = await one.do(path, {"qty": 1}, key=key, status=201)
        async with stage.held(sale["id"], first["reservation"]["id"], one):
            second = await two.do(path, {"qty": 1}, key=key, status=201)
            async with stage.held(sale["id"], second["reservation"]["id"], two):
                ids = [answer["reservation"]["id"] for answer in (first, second)]
                require(ids[0] != ids[1], "two reservations under two people's one key", ids)


@check("commands.release", "Commands", "`release` frees the units; the key then says `released`.")
async def release(stage: Stage) -> None:
    guest, key = await stage.guest(), str(uuid4())
    async with stage.regular_sale() as sale, stage.settled(guest) as ear:
        args = {"sale": sale["id"], "qty": 1}
        held = _expect_reservation(await ear.ask("reserve", args, key))
        answer = await ear.ask("release", {"reservation": held["id"]}, str(uuid4()))
        released = _expect_reservation(answer)
        require(released["state"] == "released", "state released", released)
        again = await ear.ask("release", {"reservation": held["id"]}, str(uuid4()))
        require(_expect_reservation(again)["state"] == "released", "released, repeated", again)
        repeat = _expect_reservation(await ear.ask("reserve", args, key))
        came = [repeat["id"], repeat["state"]]
        require(came == [held["id"], "released"], "the stored success, as it is now", repeat)


@check("commands.not_yours", "Commands", "Somebody else's reservation is `not_found`.")
async def not_yours(stage: Stage) -> None:
    owner, other = await stage.guest(), await stage.guest()
    async with stage.regular_sale() as sale, stage.settled(other) as ear:
        path = f"POST /api/sales/{sale['id']}/reservations"
        answer = await owner.do(path, {"qty": 1}, key=str(uuid4()), status=201)
        hold = answer["reservation"]["id"]
        async with stage.held(sale["id"], hold, owner):
            refused = await ear.ask("release", {"reservation": hold}, str(uuid4()))
            _expect_refused(refused, "not_found")


@check("commands.order", "Orders", "An order moves held to paying; cancelled, the units are free.")
async def order(stage: Stage) -> None:
    guest = await stage.guest()
    async with stage.regular_sale() as sale:
        path = f"POST /api/sales/{sale['id']}/reservations"
        held = (await guest.do(path, {"qty": 1}, key=str(uuid4()), status=201))["reservation"]
        body, key = {"reservations": [held["id"]]}, str(uuid4())
        placed = await guest.do("POST /api/orders", body, key=key, status=201)
        again = await guest.do("POST /api/orders", body, key=key, status=201)
        stage.left["cancelled orders"] += 1
        cancel = f"POST /api/orders/{placed['order']['id']}/cancel"
        cancelled = await guest.do(cancel, {}, key=str(uuid4()))
    shape = {"order": {"id": str, "state": str, "total_minor": int, "currency": str}}
    expect_shape(placed, {**shape, "payment": {"id": str}}, "POST /api/orders")
    ids = [placed["order"]["id"], again["order"]["id"]]
    require(ids[0] == ids[1], "one order under one key", ids)
    states = [placed["order"]["state"], cancelled["order"]["state"]]
    require(states == ["awaiting_payment", "cancelled"], "awaiting_payment, cancelled", states)


def _expect_reservation(answer: list[Any]) -> dict[str, Any]:
    require(answer[0] == "r", "a result with the reservation", answer)
    expect_shape(answer[2], {"reservation": RESERVATION}, "the result of a command")
    reservation: dict[str, Any] = answer[2]["reservation"]
    return reservation


def _expect_refused(answer: list[Any], code: str) -> None:
    is_so = answer[0] == "e" and answer[2]["code"] == code
    require(is_so, f"a refusal with {code}", answer)


CHECKS = (
    tell_time,
    unknown,
    sign_in,
    bad_arguments,
    key_required,
    reserve,
    same_key,
    other_key,
    release,
    not_yours,
    order,
)
