"""From reservations to an order: what it takes, what it refuses, and that a retry is no second."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from commerce.insight.audit.service import audit
from commerce.kernel.ports import Connection
from commerce.orders.checkout import view_store
from commerce.orders.checkout.model import OrderView
from commerce.sales.show_floor.store import select_floor
from tests.support.shop import read_stock
from tests.support.till import Till


async def test_an_order_moves_its_holds_to_paying_and_opens_a_payment(till: Till) -> None:
    """The order, its two lines, the longer hold and the payment's page appear together."""
    shop, sale = await till.sale()
    buyer = await till.buyer()
    ids = [await till.reserve(sale, buyer.id)]
    before = await till.row("SELECT * FROM reservations WHERE id = $1", ids[0])

    response = await buyer.order(ids)

    assert response.status_code == 201, response.text
    answer = response.json()
    assert answer["order"]["state"] == "awaiting_payment"
    assert answer["order"]["total_minor"] == 19_900
    assert answer["order"]["currency"] == "CNY"
    assert answer["payment"]["url"].startswith("http://shop.test/sandbox-pay/p/")
    after = await till.row("SELECT * FROM reservations WHERE id = $1", ids[0])
    assert after["state"] == "paying"
    assert after["extended"] is True
    assert after["release_at_ms"] > before["release_at_ms"]
    assert after["release_at_ms"] <= after["decided_at_ms"] + 900_000
    grace_ms = before["release_at_ms"] - before["shown_until_ms"]
    assert after["release_at_ms"] - after["shown_until_ms"] == grace_ms
    detail = await buyer.read(answer["order"]["id"])
    assert detail["proof"] == {"place": 1, "of": 20, "decided_at_ms": before["decided_at_ms"]}
    assert detail["lines"][0]["title"] == "Tea bowl"
    assert detail["lines"][0]["no"] == 1
    assert detail["room"] == shop.room.slug


async def test_an_order_is_read_once_for_its_answer(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its buyer waits for the order and its page, not for a look before the page is opened."""
    read, reads = view_store.select_view, []

    async def count(connection: Connection, order_id: str) -> tuple[str, OrderView] | None:
        reads.append(order_id)
        return await read(connection, order_id)

    monkeypatch.setattr(view_store, "select_view", count)
    _, sale = await till.sale()
    buyer = await till.buyer()
    answer = (await buyer.order([await till.reserve(sale, buyer.id)])).json()
    assert answer["payment"]["url"] is not None
    assert reads == [answer["order"]["id"]]


async def test_a_token_without_its_person_orders_nothing(till: Till) -> None:
    """It is younger than the backup that was restored: a new sign-in helps, a crash does not."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    reservation = await till.reserve(sale, buyer.id)
    await till.change("DELETE FROM users WHERE id = $1", buyer.id)
    response = await buyer.order([reservation])
    assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthenticated")
    assert await till.values("SELECT state FROM reservations") == ["held"]


async def test_an_orders_line_is_named_like_the_item_in_the_bag(till: Till) -> None:
    """A variant has one name, wherever it is read."""
    shop, sale = await till.sale()
    await till.change("UPDATE variants SET label = 'large', label_zh = '大'")
    buyer = await till.buyer()

    response = await buyer.order([await till.reserve(sale, buyer.id)])

    line = response.json()["order"]["lines"][0]
    async with till.database.reading() as connection:
        [item] = (await select_floor(connection, shop.room)).bag
    assert (line["title"], line["title_zh"]) == (item.title, item.title_zh)
    assert (item.title, item.title_zh) == ("Tea bowl, large", "茶盏，大")


async def test_an_order_sums_its_lines(till: Till) -> None:
    """Two sales of one show make one order with one total."""
    shop, flash = await till.sale(per_buyer=3)
    regular = await till.row(
        "SELECT id FROM sales WHERE kind = 'regular' AND room_id = $1", shop.room.id
    )
    buyer = await till.buyer()
    ids = [
        await till.reserve(flash, buyer.id, qty=2),
        await till.reserve(str(regular["id"]), buyer.id),
    ]

    order = (await buyer.order(ids)).json()["order"]

    assert order["total_minor"] == 2 * 19_900 + 32_900
    assert len(order["lines"]) == 2
    assert (await audit(till.database)).violations == []


async def test_a_repeated_key_meets_its_own_order(till: Till) -> None:
    """The same key and body return the same order, in its present state, also all at once."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    ids = [await till.reserve(sale, buyer.id)]

    answers = await asyncio.gather(*(buyer.order(ids, key="k") for _ in range(5)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["order"]["id"] for answer in answers}) == 1
    assert await till.values("SELECT count(*) FROM orders") == [1]
    assert await till.values("SELECT count(*) FROM payments") == [1]
    order_id = answers[0].json()["order"]["id"]
    await buyer.client.post(f"/api/orders/{order_id}/cancel", headers={"Idempotency-Key": "cancel"})
    again = await buyer.order(ids, key="k")
    assert again.status_code == 201
    assert again.json()["order"]["state"] == "cancelled"


async def test_a_key_with_another_body_is_a_conflict(till: Till) -> None:
    """Neither order nor hold changes."""
    _, sale = await till.sale(per_buyer=3)
    buyer = await till.buyer()
    first, second = [await till.reserve(sale, buyer.id) for _ in range(2)]
    await buyer.order([first], key="k")

    for body in ({"reservations": [second]}, {"reservations": [first], "ship_to": "elsewhere"}):
        response = await buyer.order(key="k", **body)
        assert response.status_code == 422
        assert response.json()["error"]["code"] == "idempotency_conflict"

    state = await till.row("SELECT state FROM reservations WHERE id = $1", second)
    assert state["state"] == "held"


async def test_another_buyers_reservation_is_not_there(till: Till) -> None:
    """Somebody else's hold is 404, and no order is left behind."""
    _, sale = await till.sale()
    owner, thief = await till.buyer(), await till.buyer("Mallory")
    reservation = await till.reserve(sale, owner.id)

    response = await thief.order([reservation])

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"
    assert await till.values("SELECT count(*) FROM orders") == [0]
    state = await till.row("SELECT state FROM reservations WHERE id = $1", reservation)
    assert state["state"] == "held"


async def test_another_buyers_order_is_not_there(till: Till) -> None:
    """Reading and cancelling somebody else's order is 404."""
    _, sale = await till.sale()
    owner, thief = await till.buyer(), await till.buyer("Mallory")
    order = (await owner.order([await till.reserve(sale, owner.id)])).json()["order"]

    read = await thief.client.get(f"/api/orders/{order['id']}")
    cancel = await thief.client.post(
        f"/api/orders/{order['id']}/cancel", headers={"Idempotency-Key": "cancel"}
    )

    assert (read.status_code, cancel.status_code) == (404, 404)
    assert (await owner.read(order["id"]))["state"] == "awaiting_payment"
    assert (await thief.client.get("/api/orders")).json() == {"orders": []}


@pytest.mark.parametrize("ending", ["expired", "released", "ordered"])
async def test_a_hold_that_is_over_cannot_be_ordered(till: Till, ending: str) -> None:
    """Expired (also unswept), released or in another order: `reservation_gone`, no order."""
    _, sale = await till.sale()
    buyer = await till.buyer()
    reservation = await till.reserve(sale, buyer.id)
    if ending == "expired":
        await till.end_holds(sale)
    elif ending == "released":
        await till.inventory.release(user_id=buyer.id, reservation_id=reservation)
    else:
        await buyer.order([reservation])
    orders = await till.values("SELECT count(*) FROM orders")

    response = await buyer.order([reservation])

    assert response.status_code == 409
    error = response.json()["error"]
    assert error["code"] == "reservation_gone"
    assert list(error["detail"]["reservations"]) == [reservation]
    assert await till.values("SELECT count(*) FROM orders") == orders


async def test_reservations_of_two_rooms_make_no_order(till: Till) -> None:
    """An order belongs to one room."""
    _, here = await till.sale()
    _, there = await till.sale()
    buyer = await till.buyer()
    ids = [await till.reserve(here, buyer.id), await till.reserve(there, buyer.id)]

    response = await buyer.order(ids)

    assert response.status_code == 400
    assert response.json()["error"]["detail"] == {"field": "reservations"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "reservations"),
        ({"reservations": []}, "reservations"),
        ({"reservations": "all"}, "reservations"),
        ({"reservations": ["no-uuid"]}, "reservations"),
        ({"reservations": [7]}, "reservations[0]"),
        ({"reservations": [str(uuid.UUID(int=1))] * 2}, "reservations"),
        ({"reservations": [str(uuid.UUID(int=n)) for n in range(21)]}, "reservations"),
        ({"reservations": [str(uuid.UUID(int=1))], "ship_to": "x" * 2_001}, "ship_to"),
        ({"reservations": [str(uuid.UUID(int=1))], "ship_to": 5}, "ship_to"),
    ],
)
async def test_a_wrong_order_names_its_field(
    till: Till, body: dict[str, object], field: str
) -> None:
    """Each is `invalid_request` with the field."""
    buyer = await till.buyer()
    response = await buyer.client.post("/api/orders", json=body, headers={"Idempotency-Key": "k"})
    assert response.status_code == 400, response.text
    assert response.json()["error"]["code"] == "invalid_request"
    assert response.json()["error"]["detail"]["field"] == field


async def test_ordering_needs_a_key_and_a_user(till: Till) -> None:
    """No key is 400, nobody is 401."""
    buyer = await till.buyer()
    body = {"reservations": [str(uuid.UUID(int=1))]}
    no_key = await buyer.client.post("/api/orders", json=body)
    nobody = await till.client().post("/api/orders", json=body, headers={"Idempotency-Key": "k"})
    assert no_key.json()["error"]["code"] == "idempotency_key_required"
    assert (no_key.status_code, nobody.status_code) == (400, 401)
    assert nobody.json()["error"]["code"] == "unauthenticated"


async def test_cancelling_frees_the_stock_at_once(till: Till) -> None:
    """The unit, the buyer's limit and the figures are back; the payment's page closes."""
    _, sale = await till.sale(quantity=1)
    buyer, next_one = await till.buyer(), await till.buyer("Mei")
    answer = (await buyer.order([await till.reserve(sale, buyer.id)])).json()
    order_id = answer["order"]["id"]

    response = await buyer.client.post(
        f"/api/orders/{order_id}/cancel", headers={"Idempotency-Key": "cancel"}
    )
    again = await buyer.client.post(
        f"/api/orders/{order_id}/cancel", headers={"Idempotency-Key": "cancel"}
    )

    assert (response.status_code, again.status_code) == (200, 200)
    assert again.json()["order"]["state"] == "cancelled"
    assert (await read_stock(till.database, sale))["claimed"] == 0
    assert [news["order"]["state"] for news in till.news("order.cancelled")] == ["cancelled"]
    assert await till.reserve(sale, next_one.id)
    assert await till.payments.run_payment_calls() == 1
    assert (await till.remote(order_id))["state"] == "voided"
    pressed = await buyer.press(answer["payment"]["url"], "pay")
    assert pressed.status_code == 409
    assert (await buyer.read(order_id))["payment"]["state"] == "closed"
    assert (await audit(till.database)).violations == []


async def test_an_order_that_lost_its_hold_expires(till: Till) -> None:
    """Without any sweeper: the other line is freed too, exactly once, by two workers."""
    shop, flash = await till.sale()
    regular = await till.row(
        "SELECT id, pool_id FROM sales WHERE kind = 'regular' AND room_id = $1", shop.room.id
    )
    buyer = await till.buyer()
    ids = [
        await till.reserve(flash, buyer.id),
        await till.reserve(str(regular["id"]), buyer.id),
    ]
    order = (await buyer.order(ids)).json()["order"]
    assert await till.settlement.expire_orders() == 0
    await till.end_holds(flash)

    ended = await asyncio.gather(till.settlement.expire_orders(), till.settlement.expire_orders())

    assert sum(ended) == 1
    assert (await buyer.read(order["id"]))["state"] == "expired"
    assert (await read_stock(till.database, flash))["claimed"] == 0
    assert (await read_stock(till.database, str(regular["id"])))["claimed"] == 0
    assert len(till.news("order.expired")) == 1
    assert await till.values("SELECT kind FROM payment_calls WHERE state = 'pending'") == ["void"]
    assert (await audit(till.database)).violations == []


async def test_lists_show_what_changed_since(till: Till) -> None:
    """`since_ms` filters by the last change, newest order first."""
    _, sale = await till.sale(per_buyer=2)
    buyer = await till.buyer()
    first = (await buyer.order([await till.reserve(sale, buyer.id)])).json()["order"]
    second = (await buyer.order([await till.reserve(sale, buyer.id)])).json()["order"]
    await till.change("UPDATE orders SET updated_at_ms = 5 WHERE id = $1", first["id"])

    everything = (await buyer.client.get("/api/orders")).json()["orders"]
    recent = (await buyer.client.get("/api/orders?since_ms=6")).json()["orders"]
    wrong = await buyer.client.get("/api/orders?since_ms=" + "9" * 30)

    assert [order["id"] for order in everything] == [second["id"], first["id"]]
    assert [order["id"] for order in recent] == [second["id"]]
    assert "proof" not in everything[0]
    assert wrong.status_code == 400


async def test_a_host_sees_the_orders_of_their_own_room_alone(till: Till) -> None:
    """With the buyer's name; not another host, not a moderator, not a guest."""
    shop, sale = await till.sale()
    other, _ = await till.sale()
    buyer = await till.buyer("Lena")
    await buyer.order([await till.reserve(sale, buyer.id)])
    url = f"/api/rooms/{shop.room.slug}/orders"

    async def status(user_id: str, role: str) -> int:
        return (await till.sign_in(user_id, name="N", role=role).client.get(url)).status_code

    host = till.sign_in(shop.host_id, name="Xiaoman", role="host")
    orders = (await host.client.get(url)).json()["orders"]
    assert [order["buyer"] for order in orders] == [{"id": buyer.id, "name": "Lena"}]
    assert orders[0]["payment"]["url"] is None, "the page to pay at is its buyer's alone"
    assert await status(other.host_id, "host") == 403
    assert await status(shop.host_id, "moderator") == 403
    assert await status(buyer.id, "guest") == 403
    assert await status(buyer.id, "operator") == 200
    missing = await host.client.get("/api/rooms/nowhere/orders")
    assert missing.status_code == 404
