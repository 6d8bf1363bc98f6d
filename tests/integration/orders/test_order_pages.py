"""Older orders are read page by page, each once, and of one's own list alone."""

from __future__ import annotations

import uuid

import pytest

from commerce.orders.checkout import service
from tests.support.till import Buyer, Till, order_one


async def read(reader: Buyer, url: str, **query: str) -> list[str]:
    """Return the ids of a page of orders."""
    answer = await reader.client.get(url, params=query)
    assert answer.status_code == 200, answer.text
    return [order["id"] for order in answer.json()["orders"]]


async def test_whoever_goes_on_reads_every_order_once(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when orders were placed in the same millisecond."""
    monkeypatch.setattr(service, "ORDERS_SHOWN_MAX", 2)
    shop, sale = await till.sale(per_buyer=5)
    buyer = await till.buyer()
    host = till.sign_in(shop.host_id, name="Xiaoman", role="host")
    placed = [(await order_one(till, sale, buyer))[0] for _ in range(5)]
    await till.change("UPDATE orders SET created_at_ms = 7 WHERE id = ANY ($1::uuid[])", placed[:4])

    for reader, url in ((buyer, "/api/orders"), (host, f"/api/rooms/{shop.room.slug}/orders")):
        seen = await read(reader, url)
        assert seen[0] == placed[4]
        while page := await read(reader, url, before=seen[-1]):
            assert len(page) <= 2
            seen += page
        assert sorted(seen) == sorted(placed)
        assert len(seen) == len(placed)


async def test_another_lists_order_is_no_place_to_go_on_from(till: Till) -> None:
    """It tells nothing of when somebody else ordered."""
    _, sale = await till.sale()
    mine, theirs = await till.buyer("A"), await till.buyer("B")
    await order_one(till, sale, mine)
    other, _ = await order_one(till, sale, theirs)
    assert await read(mine, "/api/orders", before=other) == []
    assert await read(mine, "/api/orders", before=str(uuid.uuid4())) == []
    wrong = await mine.client.get("/api/orders?before=yesterday")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "invalid_request")


async def test_a_single_order_is_read_by_its_buyer_and_the_rooms_staff(till: Till) -> None:
    """Staff see the buyer, no page to pay at; to everybody else there is no such order."""
    shop, sale = await till.sale()
    buyer, other = await till.buyer("Lena"), await till.buyer("Ono")
    host = till.sign_in(shop.host_id, name="Xiaoman", role="host")
    operator = till.sign_in(str(uuid.uuid4()), name="Op", role="operator")
    stranger = till.sign_in(str(uuid.uuid4()), name="Elsewhere", role="host")
    order, _ = await order_one(till, sale, buyer)
    url = f"/api/orders/{order}"

    own = (await buyer.client.get(url)).json()["order"]
    assert "buyer" not in own
    assert own["payment"]["url"]
    for staff in (host, operator):
        seen = (await staff.client.get(url)).json()["order"]
        assert seen["buyer"] == {"id": buyer.id, "name": "Lena"}
        assert seen["lines"] == own["lines"]
        assert seen["payment"]["url"] is None
    for outsider in (other, stranger):
        answer = await outsider.client.get(url)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
