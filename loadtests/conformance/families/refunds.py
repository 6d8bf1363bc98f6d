"""Refunds: lines and sums of an order, never more than is left, and goods after their money."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from loadtests.conformance.http import Person, Reply, expect_error, expect_status
from loadtests.conformance.model import MismatchError, NotApplicableError, check, require
from loadtests.conformance.stage import Stage

SECTION = "Refunds"
SANDBOX = "/sandbox-pay/"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
UNITS = 2
# The provider tells us on its own account; the kit asks until then.
TRIES = 160
PAUSE_S = 0.25


@check(
    "refunds.lines",
    SECTION,
    "Units of a line go back for what they cost, never more than are left, and can be sold again.",
    needs_host=True,
)
async def lines(stage: Stage) -> None:
    buyer, other = await stage.guest(), await stage.guest()
    async with stage.flash_sale(quantity=UNITS, per_buyer=UNITS) as sale:
        order = await _buy(stage, buyer, sale["id"])
        path = f"/api/orders/{order['id']}"
        [line] = order["lines"]
        expect_error(await other.call(f"GET {path}"), 404, "not_found")
        refunds = _Refunds(stage.host, f"POST {path}/refunds")
        wish = {"reason": "kit", "lines": [{"reservation": line["reservation"], "qty": 1}]}
        by_buyer = await buyer.call(f"POST {path}/refunds", wish, key=str(uuid4()))
        expect_error(by_buyer, 403, "forbidden")

        key = str(uuid4())
        asked = await refunds.ask(wish | {"restock": True}, key)
        expect_status(asked, 201)
        refund = asked.json["refund"]
        require(refund["amount_minor"] == sale["price_minor"], "one unit's price", refund)
        again = await refunds.ask(wish | {"restock": True}, key)
        require(again.json["refund"]["id"] == refund["id"], "the same for the same key", str(again))
        too_many = {"reason": "kit", "lines": [{"reservation": line["reservation"], "qty": UNITS}]}
        error = expect_error(await refunds.ask(too_many), 409, "refund_too_large")
        require(error["detail"].get("left") == 1, "detail.left 1", error)
        too_much = {"reason": "kit", "amount_minor": order["total_minor"]}
        error = expect_error(await refunds.ask(too_much), 409, "refund_too_large")
        left = error["detail"].get("left_minor")
        require(left == sale["price_minor"], "detail.left_minor", error)

        one_free = [1, 0, 1]
        await _until(lambda: _stock(stage, sale["id"]), lambda stock: stock == one_free)

        expect_status(await refunds.ask({"reason": "kit", "restock": True}), 201)
        shown = await _until(lambda: _order(buyer, path), lambda one: one["state"] == "refunded")
        came = [shown["refunded_minor"], [one["reason"] for one in shown["refunds"]]]
        require(came == [order["total_minor"], ["kit", "kit"]], "all of it, with reasons", shown)
        free = [UNITS, 0, 0]
        await _until(lambda: _stock(stage, sale["id"]), lambda stock: stock == free)


class _Refunds:
    """Where to ask for refunds of one order."""

    def __init__(self, host: Person, call: str) -> None:
        self._host = host
        self._call = call

    async def ask(self, wish: dict[str, Any], key: str | None = None) -> Reply:
        """Ask once, and again while the money is granted but not taken yet."""
        key = key or str(uuid4())
        reply = await self._host.call(self._call, wish, key=key)
        for _ in range(TRIES):
            if reply.status != 409 or reply.json["error"]["code"] != "not_captured":
                break
            await asyncio.sleep(PAUSE_S)
            reply = await self._host.call(self._call, wish, key=key)
        return reply


async def _buy(stage: Stage, buyer: Person, sale: str) -> dict[str, Any]:
    """Reserve, order and pay on the sandbox's page; return the paid order.

    Raises NotApplicableError where that would cost somebody money.
    """
    path = f"POST /api/sales/{sale}/reservations"
    held = (await buyer.do(path, {"qty": UNITS}, key=str(uuid4()), status=201))["reservation"]
    body = {"reservations": [held["id"]]}
    answer = await buyer.do("POST /api/orders", body, key=str(uuid4()), status=201)
    page = urlsplit(answer["payment"]["url"]).path
    order = f"/api/orders/{answer['order']['id']}"
    if not page.startswith(SANDBOX):
        await buyer.do(f"POST {order}/cancel", {}, key=str(uuid4()))
        raise NotApplicableError("the shop takes real money")
    stage.left["orders paid in the sandbox and paid back"] += 1
    paid = await Person(buyer.base_url).call(f"POST {page}", data=b"act=pay", headers=FORM)
    expect_status(paid, 303)
    bought: dict[str, Any] = await _until(
        lambda: _order(buyer, order), lambda one: one["state"] == "paid"
    )
    return bought


async def _order(buyer: Person, path: str) -> dict[str, Any]:
    order: dict[str, Any] = (await buyer.get(path))["order"]
    return order


async def _stock(stage: Stage, sale: str) -> list[int]:
    sales = (await stage.state())["sales"]
    return next(list(one["stock"]) for one in sales if one["id"] == sale)


async def _until(read: Callable[[], Awaitable[Any]], is_so: Callable[[Any], bool]) -> Any:
    """Read until it is so; raises MismatchError with what came last."""
    came = await read()
    for _ in range(TRIES):
        if is_so(came):
            return came
        await asyncio.sleep(PAUSE_S)
        came = await read()
    raise MismatchError("the outcome within 40 s", came)


CHECKS = (lines,)
