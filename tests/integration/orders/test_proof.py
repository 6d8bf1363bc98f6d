"""The proof on an order: which of the units on sale it has, true then and the same ever after."""

from __future__ import annotations

from typing import Any

from tests.support.till import Buyer, Till, order_one


async def place(till: Till, sale: str, buyer: Buyer, qty: int = 1) -> dict[str, Any]:
    """Reserve and order, and return the order."""
    reservation = await till.reserve(sale, buyer.id, qty)
    answer = await buyer.order([reservation])
    assert answer.status_code == 201, answer.text
    return await buyer.read(answer.json()["order"]["id"])


async def test_units_that_others_let_go_are_not_in_the_place(till: Till) -> None:
    """Two holds that ended come before it in the journal; it still is the first of two units."""
    _, sale = await till.sale(quantity=2)
    for name in ("A", "B"):
        await till.reserve(sale, (await till.buyer(name)).id)
        await till.end_holds(sale)
    first, second = await till.buyer("C"), await till.buyer("D")
    places = [(await place(till, sale, one))["proof"] for one in (first, second)]
    assert [(proof["place"], proof["of"]) for proof in places] == [(1, 2), (2, 2)]


async def test_a_place_counts_units(till: Till) -> None:
    """Whoever has two units of three before one is not the first of three, but has two of them."""
    _, sale = await till.sale(quantity=3, per_buyer=2)
    first = await place(till, sale, await till.buyer("A"), qty=2)
    second = await place(till, sale, await till.buyer("B"))
    assert (first["proof"]["place"], first["proof"]["of"]) == (2, 3)
    assert (second["proof"]["place"], second["proof"]["of"]) == (3, 3)


async def test_a_place_stays_whatever_others_do_afterwards(till: Till) -> None:
    """The first buyer cancels and a third comes: the second's receipt is what it was."""
    _, sale = await till.sale(quantity=3)
    first, second = await till.buyer("A"), await till.buyer("B")
    first_id, _ = await order_one(till, sale, first)
    before = await place(till, sale, second)
    await till.checkout.cancel(user_id=first.id, order_id=first_id)
    await place(till, sale, await till.buyer("C"))
    after = await second.read(before["id"])
    assert after["proof"] == before["proof"]
    assert (after["proof"]["place"], after["proof"]["of"]) == (2, 3)


async def test_an_order_from_before_has_no_proof(till: Till) -> None:
    """A place that was not noted is not made up."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    order_id, _ = await order_one(till, sale, buyer)
    await till.change(
        "UPDATE orders SET proof_place = NULL, proof_of = NULL, proof_decided_at_ms = NULL"
    )
    assert (await buyer.read(order_id)).get("proof") is None
