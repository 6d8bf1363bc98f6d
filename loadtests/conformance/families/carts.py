"""Carts: several sales reserved together or not at all."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from loadtests.conformance.http import Person, expect_error, expect_shape
from loadtests.conformance.model import check, require
from loadtests.conformance.shapes import RESERVATION
from loadtests.conformance.stage import Stage

CALL = "POST /api/reservations"


@check(
    "carts.whole",
    "Selling",
    "A cart is reserved whole, and one that is refused holds nothing and names what failed.",
    needs_host=True,
)
async def whole(stage: Stage) -> None:
    first, second, key = await stage.guest(), await stage.guest(), str(uuid4())
    async with stage.regular_sale() as regular, stage.flash_sale(quantity=1) as flash:
        items = [{"sale": sale["id"], "qty": 1} for sale in (flash, regular)]
        # The same sale twice is summed: two of what there is one of.
        twice = await first.call(CALL, {"items": [items[0], items[0], items[1]]}, key=str(uuid4()))
        failed = _failed(expect_error(twice, 409, "cart_refused"))
        require(set(failed) == {flash["id"]}, "the flash sale named in detail.items", failed)
        await _expect_nothing_held(first)

        held = (await first.do(CALL, {"items": items}, key=key, status=201))["reservations"]
        for reservation in held:
            expect_shape(reservation, RESERVATION, "a reservation of a cart")
        came = sorted(reservation["sale"] for reservation in held)
        require(came == sorted([flash["id"], regular["id"]]), "both sales", held)
        again = (await first.do(CALL, {"items": items}, key=key, status=201))["reservations"]
        ids = [sorted(one["id"] for one in cart) for cart in (held, again)]
        require(ids[0] == ids[1], "the same reservations for the same key", ids)
        other = await first.call(CALL, {"items": items[1:]}, key=key)
        expect_error(other, 422, "idempotency_conflict")

        refused = await second.call(CALL, {"items": items}, key=str(uuid4()))
        failed = _failed(expect_error(refused, 409, "cart_refused"))
        require(failed == {flash["id"]: "held_out"}, "the flash sale held_out", failed)
        await _expect_nothing_held(second)
        for reservation in held:
            async with stage.held(reservation["sale"], reservation["id"], first):
                pass


def _failed(error: dict[str, Any]) -> dict[str, str]:
    """Return the code of each sale that a refusal names."""
    return {item["sale"]: item["code"] for item in error["detail"]["items"]}


async def _expect_nothing_held(guest: Person) -> None:
    """Check that somebody holds nothing."""
    held = (await guest.get("/api/reservations"))["reservations"]
    require(held == [], "nothing held", held)


CHECKS = (whole,)
