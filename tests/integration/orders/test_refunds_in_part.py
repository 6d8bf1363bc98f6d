"""A line that is refunded in part: its units come free as their money comes back, each once."""

from __future__ import annotations

import uuid
from itertools import permutations

import pytest

from commerce.goods.inventory.model import Outcome, Refused, Reserved
from commerce.goods.press_rules.model import PressRules
from commerce.goods.waiting_list.service import WaitingList
from commerce.insight.audit.rounds import look_at_changes
from commerce.sales.show_floor.store import select_sale_view
from tests.support.refunding import PaidOrder, broken, pay_order
from tests.support.till import Till

PRICE = 19_900


async def press(order: PaidOrder, user_id: str, qty: int, key: str = "") -> Reserved | Refused:
    """Press buy, with no latch in the way."""
    [pool] = await order.till.values("SELECT pool_id::text FROM sales WHERE id = $1", order.sale)
    order.till.inventory.forget_latches([pool])
    return await order.till.inventory.reserve(
        user_id=user_id, sale_id=order.sale, qty=qty, key=key or str(uuid.uuid4())
    )


async def give_back(order: PaidOrder, qty: int, *, restock: bool) -> None:
    """Give units of the only line back, and let the provider do it."""
    line = {"reservation": order.reservations[0], "qty": qty}
    assert (await order.refund(lines=[line], restock=restock)).status_code == 201
    assert await order.till.payments.run_payment_calls() == 1


async def taken_back(order: PaidOrder) -> tuple[str, int, int]:
    """Return (state, refunded, restocked) of the only line's reservation."""
    row = await order.till.row(
        "SELECT state, refunded_qty, restocked_qty FROM reservations WHERE id = $1",
        order.reservations[0],
    )
    return row[0], row[1], row[2]


async def test_a_unit_comes_free_with_its_money(till: Till) -> None:
    """Of three one: the figures move, somebody else buys it, and the order goes on."""
    order = await pay_order(till, quantities=(3,), quantity=3)
    line = {"reservation": order.reservations[0], "qty": 1}
    await order.refund(lines=[line], restock=True)
    assert await order.units() == (3, 3, 3), "no goods before the money"
    await till.payments.run_payment_calls()

    assert await order.units() == (3, 2, 2)
    assert await taken_back(order) == ("sold", 1, 1)
    row = await till.row(
        "SELECT claimed_delta, total_delta FROM stock_journal WHERE reason = $1", "refunded"
    )
    assert tuple(row) == (-1, 0)
    async with till.database.reading() as connection:
        view = await select_sale_view(connection, order.sale)
    assert view.stock == (1, 0, 2)
    shown = await order.read()
    assert (shown["state"], shown["refunded_minor"]) == ("paid", PRICE)
    assert isinstance(await press(order, str(uuid.uuid4()), 1), Reserved)
    answer = await press(order, str(uuid.uuid4()), 1)
    assert isinstance(answer, Refused)
    assert answer.outcome is Outcome.HELD_OUT
    assert await broken(till) == {}


async def test_without_restock_a_unit_leaves_the_pool(till: Till) -> None:
    """The limit follows all the same; nothing can be sold again."""
    order = await pay_order(till, quantities=(3,), quantity=3)
    await give_back(order, 1, restock=False)
    assert await order.units() == (2, 2, 2)
    assert await taken_back(order) == ("sold", 1, 0)
    assert isinstance(await press(order, str(uuid.uuid4()), 1), Refused)
    assert await broken(till) == {}


async def test_some_units_are_restocked_and_others_are_not(till: Till) -> None:
    """Each refund says it of its own units; the line is refunded with the last of them."""
    order = await pay_order(till, quantities=(4,))
    for qty, restock, after in (
        (1, True, (20, 3, 3)),
        (2, False, (18, 1, 1)),
        (1, True, (18, 0, 0)),
    ):
        await give_back(order, qty, restock=restock)
        assert await order.units() == after
        assert await broken(till) == {}
    assert await taken_back(order) == ("refunded", 4, 2)
    assert (await order.read())["state"] == "refunded"


async def test_the_limit_lets_the_buyer_press_again_for_as_many(till: Till) -> None:
    """Two of three came back: two more, and not a third."""
    order = await pay_order(till, quantities=(3,), per_buyer=3)
    await give_back(order, 2, restock=False)
    outcomes = []
    for qty in (3, 2, 1):
        answer = await press(order, order.buyer.id, qty)
        outcomes.append(answer.outcome if isinstance(answer, Refused) else qty)
    assert outcomes == [Outcome.LIMIT_REACHED, 2, Outcome.LIMIT_REACHED]
    assert await broken(till) == {}


async def test_a_press_that_is_repeated_meets_what_it_pressed_for(till: Till) -> None:
    """Its units came back meanwhile: it still is the press for three, and no other."""
    order = await pay_order(till, quantities=(3,))
    first = await press(order, order.buyer.id, 3, "once")
    assert isinstance(first, Reserved)
    placed = (await order.buyer.order([first.reservation.id])).json()
    order.id, order.reservations = placed["order"]["id"], [first.reservation.id]
    await order.buyer.press(placed["payment"]["url"], "pay")
    await till.payments.run_payment_calls()
    await give_back(order, 2, restock=True)

    again = await press(order, order.buyer.id, 3, "once")
    assert isinstance(again, Reserved)
    assert (again.reservation.id, again.reservation.qty) == (first.reservation.id, 3)
    assert await order.units() == (20, 4, 4)
    assert await broken(till) == {}


async def test_who_waits_has_the_unit_before_the_public(till: Till) -> None:
    """It is offered in the transaction that takes it back; what is not restocked is nobody's."""
    order = await pay_order(till, quantities=(2,), quantity=3)
    holder, waiter = await till.buyer("Holder"), await till.buyer("Waiter")
    await till.reserve(order.sale, holder.id)
    lines = WaitingList(till.database, till.inventory)
    entry = await lines.join(user_id=waiter.id, sale_id=order.sale, qty=1, key="k")
    await give_back(order, 1, restock=False)
    state = "SELECT state FROM waiting_list WHERE id = $1"
    assert await till.values(state, entry.id) == ["waiting"]
    await give_back(order, 1, restock=True)
    assert await till.values(state, entry.id) == ["offered"]
    assert await order.units() == (2, 2, 0)
    assert await till.values(
        "SELECT user_id::text FROM reservations WHERE origin <> 'walk_in'"
    ) == [waiter.id]
    assert await broken(till) == {}


async def test_news_that_comes_twice_frees_once(till: Till) -> None:
    """The provider's answer, its webhook, and both again."""
    order = await pay_order(till, quantities=(3,))
    refund_id = await order.ask(0, 1, restock=True)
    await order.report(refund_id, "done")
    await till.payments.run_payment_calls()
    await order.report(refund_id, "done")
    await order.report(refund_id, "failed")
    assert await order.units() == (20, 2, 2)
    assert len(till.news("order.refunded")) == 1
    assert await broken(till) == {}


@pytest.mark.parametrize("late", list(permutations(range(3))))
async def test_refunds_that_are_done_twice_over_free_a_line_once(
    till: Till, late: tuple[int, ...]
) -> None:
    """A refund fails and is made again, with restock; then both turn out to have gone.

    Three units, five in refunds that are done: all come back, the two that were named with restock
    to be sold again, in whichever order the news comes.
    """
    order = await pay_order(till, quantities=(3,))
    failed = await order.ask(0, 2)
    await order.report(failed, "failed")
    refunds = [failed, await order.ask(0, 2, restock=True), await order.ask(0, 1)]
    for number in late:
        await order.report(refunds[number], "done")
        assert set(await broken(till)) <= {"refunded_units_within_line"}
    assert await taken_back(order) == ("refunded", 3, 2)
    assert await order.units() == (19, 0, 0)
    assert (await order.read())["state"] == "paid", "most of the money is kept"


async def test_a_card_pays_for_as_many_as_came_back(till: Till) -> None:
    """The limit for each card counts what is kept."""
    shop, sale = await till.sale(per_buyer=10, rules=PressRules(per_card=2))

    async def buys(qty: int) -> tuple[PaidOrder, str]:
        order = PaidOrder(till, shop, sale, await till.buyer())
        order.reservations = [await till.reserve(sale, order.buyer.id, qty)]
        placed = (await order.buyer.order(order.reservations)).json()
        order.id = placed["order"]["id"]
        form = {"act": "pay", "card": "test-1"}
        await order.buyer.client.post(placed["payment"]["url"], data=form)
        while await till.payments.run_payment_calls():
            pass
        return order, (await order.read())["state"]

    first, state = await buys(2)
    assert state == "paid"
    await give_back(first, 1, restock=True)
    assert [(await buys(qty))[1] for qty in (2, 1, 1)] == ["cancelled", "paid", "cancelled"]
    assert await broken(till) == {}


async def test_a_place_is_never_beyond_what_was_on_sale(till: Till) -> None:
    """The proof of whoever buys the unit that came back counts it once."""
    order = await pay_order(till, quantities=(3,), quantity=3)
    await give_back(order, 1, restock=True)
    buyer = await till.buyer("Lin")
    placed = (await buyer.order([await till.reserve(order.sale, buyer.id)])).json()
    proof = (await buyer.read(placed["order"]["id"]))["proof"]
    assert (proof["place"], proof["of"]) == (3, 3)


async def test_the_sums_that_the_auditor_keeps_follow(till: Till) -> None:
    """The rounds, which read no row twice, agree with the full run."""
    order = await pay_order(till, quantities=(3,))
    assert (await look_at_changes(till.database)).violations == []
    for restock in (True, False):
        await give_back(order, 1, restock=restock)
        assert (await look_at_changes(till.database)).violations == []
    kept = await till.values(
        "SELECT a.live FROM audit_pools a JOIN sales s ON s.pool_id = a.pool_id WHERE s.id = $1",
        order.sale,
    )
    assert kept == [1]
    assert await broken(till) == {}


@pytest.mark.parametrize(
    ("column", "found"),
    [
        ("refunded_qty", {"claimed_is_live", "buyer_adds_up", "refunded_units_are_taken_back"}),
        ("restocked_qty", {"refunded_units_are_taken_back"}),
    ],
)
async def test_the_audit_sees_a_falsified_row(till: Till, column: str, found: set[str]) -> None:
    """One unit more than came back is named by every sum that it is part of."""
    order = await pay_order(till, quantities=(4,))
    await give_back(order, 2, restock=False)
    assert await broken(till) == {}
    await till.change(f"UPDATE reservations SET {column} = {column} + 1")
    assert set(await broken(till)) == found
    rounds = await look_at_changes(till.database)
    assert {one.check for one in rounds.violations} == found
