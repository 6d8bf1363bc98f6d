"""A flash sale from its arming to the last unit."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from loadtests.conformance.http import Person, Reply, expect_error, send
from loadtests.conformance.model import NotApplicableError, check, require
from loadtests.conformance.stage import MEMORY_S, Stage

CROWD = 8
UNITS = 3
# The sandbox pays, captures and reports; each is a job of a second.
PAID_TIMEOUT_S = 40.0


@check(
    "selling.life",
    "Sale lane",
    "A sale is armed, opened and closed, each told once.",
    needs_host=True,
)
async def life(stage: Stage) -> None:
    async with stage.settled() as ear:
        async with stage.flash_sale(countdown_s=1) as sale:
            id = sale["id"]
            armed = await ear.hear_event("flash.armed", lambda p: p["sale"]["id"] == id)
            told = ear.watch.events[armed][1]["sale"]
            require(told == sale, "the sale as it was answered", told)
            opened = await ear.hear_event("flash.opened", lambda p: p["sale"] == id)
            require(await _state_of(stage, id) == "open", "state open", await _state_of(stage, id))
        closed = await ear.hear_event("flash.closed", lambda p: p["sale"] == id)
    require(armed < opened < closed, "armed, opened, closed in order", [armed, opened, closed])
    require(await _state_of(stage, id) == "ended", "state ended", await _state_of(stage, id))


@check(
    "selling.same_key",
    "HTTP",
    "Arming again under one key is the same sale, or a conflict.",
    needs_host=True,
)
async def same_key(stage: Stage) -> None:
    async with stage.flash_sale(countdown_s=60) as sale:
        terms, key = stage.asked[sale["id"]]
        path = f"POST {stage.room_path}/flash-sales"
        again = await stage.host.do(path, terms, key=key, status=201)
        require(again["sale"]["id"] == sale["id"], f"the sale {sale['id']}", again)
        reply = await stage.host.call(path, {**terms, "quantity": 2}, key=key)
        expect_error(reply, 422, "idempotency_conflict")
        reply = await stage.host.call(path, terms, key=str(uuid4()))
        expect_error(reply, 409, "already_on_flash")


@check(
    "selling.not_open",
    "Selling",
    "A press before the opening is `not_open`, and says when.",
    needs_host=True,
)
async def not_open(stage: Stage) -> None:
    guest = await stage.guest()
    async with stage.flash_sale(countdown_s=60) as sale:
        error = expect_error(await _press(guest, sale), 409, "not_open")
        detail = error.get("detail", {})
        opens_in_ms = detail.get("opens_in_ms", 0)
        is_so = 0 < opens_in_ms <= 60_000 and "retry_ms" in error and "version" in detail
        require(is_so, "detail.opens_in_ms within 60 s, retry_ms and detail.version", error)
        async with stage.settled(guest) as ear:
            refused = await ear.ask("reserve", {"sale": sale["id"]}, str(uuid4()))
        is_so = refused[0] == "e" and refused[2]["code"] == "not_open"
        require(is_so, "the same over the socket", refused)


@check("selling.limit", "Selling", "More than `per_buyer` is `limit_reached`.", needs_host=True)
async def limit(stage: Stage) -> None:
    guest = await stage.guest()
    async with stage.flash_sale(quantity=3, per_buyer=1) as sale, _hold(stage, guest, sale):
        error = expect_error(await _press(guest, sale), 409, "limit_reached")
        require("version" in error.get("detail", {}), "detail.version", error)


@check(
    "selling.held_out", "Selling", "With every unit held a press is `held_out` until one is free."
)
async def held_out(stage: Stage) -> None:
    one, two = await stage.guest(), await stage.guest()
    async with stage.flash_sale(quantity=1) as sale:
        key = str(uuid4())
        async with _hold(stage, one, sale):
            error = expect_error(await _press(two, sale, key=key), 409, "held_out")
            is_so = error["retryable"] and "retry_ms" in error and "version" in error["detail"]
            require(is_so, "retryable, retry_ms and detail.version", error)
        await asyncio.sleep(error["retry_ms"] / 1000)
        reply = await _press(two, sale, key=key)
        require(reply.status == 201, "a refusal is decided anew: 201", str(reply))
        async with stage.held(sale["id"], reply.json["reservation"]["id"], two):
            pass


@check(
    "selling.not_enough_left", "Selling", "More than is free is `not_enough_left`, with a number."
)
async def not_enough_left(stage: Stage) -> None:
    one, two = await stage.guest(), await stage.guest()
    async with stage.flash_sale(quantity=2, per_buyer=2) as sale, _hold(stage, one, sale):
        error = expect_error(await _press(two, sale, qty=2), 409, "not_enough_left")
        came = error.get("detail", {}).get("available")
        require(came == 1, "detail.available 1", error)


@check(
    "selling.crowd",
    "Selling",
    "A crowd that presses at once gets as many units as there are.",
    needs_host=True,
)
async def crowd(stage: Stage) -> None:
    people = [await stage.guest() for _ in range(CROWD)]
    async with stage.flash_sale(quantity=UNITS) as sale, AsyncExitStack() as stack:
        replies = await asyncio.gather(*(_press(person, sale) for person in people))
        winners = []
        for person, reply in zip(people, replies, strict=True):
            if reply.status == 201:
                winners.append(reply.json["reservation"])
                held = stage.held(sale["id"], winners[-1]["id"], person)
                await stack.enter_async_context(held)
            else:
                expect_error(reply, 409, "held_out")
        require(len(winners) == UNITS, f"{UNITS} winners", len(winners))
        stock = next(s["stock"] for s in (await stage.state())["sales"] if s["id"] == sale["id"])
        require(stock == [0, UNITS, 0], f"stock [0,{UNITS},0]", stock)


@check("selling.ended", "Selling", "A press after the close is `ended`.", needs_host=True)
async def ended(stage: Stage) -> None:
    guest = await stage.guest()
    async with stage.flash_sale() as sale:
        await stage.host.do(f"POST /api/sales/{sale['id']}/close", {}, key=str(uuid4()))
        expect_error(await _press(guest, sale), 409, "ended")


@check(
    "selling.cancelled", "Selling", "A cancelled sale tells the room its reason.", needs_host=True
)
async def cancelled(stage: Stage) -> None:
    async with stage.settled() as ear, stage.flash_sale(countdown_s=60) as sale:
        body = {"reason": "Only a check."}
        answer = await stage.host.do(f"POST /api/sales/{sale['id']}/cancel", body, key=str(uuid4()))
        require(answer["sale"]["state"] == "cancelled", "state cancelled", answer)
        offset = await ear.hear_event("flash.closed", lambda p: p["sale"] == sale["id"])
        told = ear.watch.events[offset][1]
        came = [told["state"], told.get("reason")]
        require(came == ["cancelled", "Only a check."], "cancelled, with the reason", told)


@check(
    "selling.guard",
    "Selling",
    "A price that trips the guard is armed only when it is given twice.",
    needs_host=True,
)
async def guard(stage: Stage) -> None:
    async with stage.flash_sale(countdown_s=60) as sale:
        terms, _ = stage.asked[sale["id"]]
        list_minor = sale["normal_price_minor"]
    if list_minor < 2:
        raise NotApplicableError("the item costs nothing")
    path, key = f"POST {stage.room_path}/flash-sales", str(uuid4())
    deep = {**terms, "price_minor": list_minor // 2 - 1, "guard": {"max_cut_percent": 40}}
    error = expect_error(
        await stage.host.call(path, deep, key=key), 409, "price_needs_confirmation"
    )
    detail = error.get("detail", {})
    came = [detail.get("price_minor"), detail.get("list_price_minor")]
    require(came == [deep["price_minor"], list_minor], "both prices in detail", error)
    require(40 < detail.get("cut_percent", 0) <= 100, "detail.cut_percent over 40", error)
    wrong = {**deep, "confirm_price_minor": list_minor}
    expect_error(await stage.host.call(path, wrong, key=key), 409, "price_needs_confirmation")
    right = {**deep, "confirm_price_minor": deep["price_minor"]}
    answer = await stage.host.do(path, right, key=key, status=201)
    stage.asked[answer["sale"]["id"]] = (right, key)
    cancel = f"POST /api/sales/{answer['sale']['id']}/cancel"
    await stage.host.do(cancel, {"reason": "Only a check."}, key=str(uuid4()))


@check(
    "selling.halted",
    "Selling",
    "A halted sale gives out nothing and says why, until it is resumed.",
    needs_host=True,
)
async def halted(stage: Stage) -> None:
    guest = await stage.guest()
    async with stage.flash_sale(countdown_s=0) as sale, stage.settled() as ear:
        path, id = f"POST /api/sales/{sale['id']}", sale["id"]
        answer = await stage.host.do(f"{path}/halt", {"reason": "A check."}, key=str(uuid4()))
        came = [answer["sale"]["state"], answer["sale"].get("reason"), answer["released"]]
        require(came == ["halted", "A check.", 0], "halted, with the reason", answer)
        await ear.hear_event("flash.halted", lambda p: [p["sale"], p["reason"]] == [id, came[1]])
        error = expect_error(await _press(guest, sale), 409, "halted")
        is_so = error["retryable"] and error.get("detail", {}).get("reason") == "A check."
        require(is_so, "retryable, with detail.reason", error)
        answer = await stage.host.do(f"{path}/resume", {}, key=str(uuid4()))
        require(answer["sale"]["state"] == "open", "state open", answer)
        await ear.hear_event("flash.unhalted", lambda p: [p["sale"], p["state"]] == [id, "open"])
        reply = await _press(guest, sale)
        require(reply.status == 201, "201", str(reply))
        async with stage.held(id, reply.json["reservation"]["id"], guest):
            pass


@check(
    "selling.hold_expires",
    "Direct lane",
    "A hold that ends is told to its owner, and is free.",
    needs_host=True,
)
async def hold_expires(stage: Stage) -> None:
    guest, key = await stage.guest(), str(uuid4())
    async with stage.flash_sale(hold_s=1, grace_s=0) as sale, stage.settled(guest) as ear:
        reply = await _press(guest, sale, key=key)
        require(reply.status == 201, "201", str(reply))
        id = reply.json["reservation"]["id"]
        await ear.hear("D", lambda p: p[1] == "reservation.expired" and p[2]["reservation"] == id)
        again = await _press(guest, sale, key=key)
        state = again.json.get("reservation", {}).get("state")
        require(state == "expired", "the stored success, as it is now: expired", str(again))
        # On a machine that stood still between the two, nobody ever saw the unit held.
        await ear.wait_until(lambda: ear.watch.stock(sale["id"]) == [1, 0, 0])
        shown = ear.watch.stock(sale["id"])
        require(shown == [1, 0, 0], "the stock at [1,0,0] again", shown)


@check(
    "selling.sold_out",
    "Sale lane",
    "The last unit paid: `flash.sold_out`, then `sold_out`.",
    needs_host=True,
)
async def sold_out(stage: Stage) -> None:
    buyer, late = await stage.guest(), await stage.guest()
    async with stage.flash_sale(quantity=1) as sale, stage.settled(buyer) as ear:
        reply = await _press(buyer, sale)
        require(reply.status == 201, "201", str(reply))
        order = await _pay(stage, buyer, reply.json["reservation"]["id"])
        await ear.hear(
            "D",
            lambda p: p[1] == "order.paid" and p[2]["order"]["id"] == order,
            timeout_s=PAID_TIMEOUT_S,
        )
        await ear.hear_event("flash.sold_out", lambda p: p["sale"] == sale["id"])
        await asyncio.sleep(MEMORY_S)
        expect_error(await _press(late, sale), 409, "sold_out")
        paid = (await buyer.get(f"/api/orders/{order}"))["order"]
        require(paid["state"] == "paid", "a paid order", paid)
        came = [paid["proof"]["place"], paid["proof"]["of"]]
        require(came == [1, 1], "proof: place 1 of 1", paid["proof"])


async def _press(person: Person, sale: dict[str, Any], *, qty: int = 1, key: str = "") -> Reply:
    path = f"POST /api/sales/{sale['id']}/reservations"
    return await person.call(path, {"qty": qty}, key=key or str(uuid4()))


def _hold(stage: Stage, person: Person, sale: dict[str, Any]) -> Any:
    """Hold one unit for as long as the block lasts."""

    class Hold:
        async def __aenter__(self) -> None:
            reply = await _press(person, sale)
            require(reply.status == 201, "201", str(reply))
            self._held = stage.held(sale["id"], reply.json["reservation"]["id"], person)
            await self._held.__aenter__()

        async def __aexit__(self, *details: Any) -> None:
            await self._held.__aexit__(*details)

    return Hold()


async def _pay(stage: Stage, buyer: Person, reservation: str) -> str:
    """Order a reservation and pay on the sandbox's page; return the order's id."""
    body = {"reservations": [reservation], "ship_to": "The conformance kit"}
    placed = await buyer.do("POST /api/orders", body, key=str(uuid4()), status=201)
    order: str = placed["order"]["id"]
    url = urlsplit(placed["payment"]["url"])
    if not url.path.startswith("/sandbox-pay/"):
        await buyer.do(f"POST /api/orders/{order}/cancel", {}, key=str(uuid4()))
        raise NotApplicableError("payments are real here; the kit pays only in the sandbox")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    data = urlencode({"act": "pay"}).encode()
    base_url = stage.target.base_url
    reply = await asyncio.to_thread(send, base_url, f"POST {url.path}", data, form)
    require(reply.status == 303, "303 from the sandbox's page", reply.status)
    stage.left["paid sandbox orders, with the unit that they bought"] += 1
    return order


async def _state_of(stage: Stage, sale: str) -> str | None:
    sales = (await stage.state())["sales"]
    return next((one["state"] for one in sales if one["id"] == sale), None)


CHECKS = (
    life,
    same_key,
    not_open,
    limit,
    held_out,
    not_enough_left,
    crowd,
    ended,
    cancelled,
    guard,
    halted,
    hold_expires,
    sold_out,
)
