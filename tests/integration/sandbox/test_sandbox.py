"""The pretend provider by itself: its API, its page, its webhooks."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from server.sandbox import service, store
from tests.support.till import API_KEY, Till

NEW = {
    "reference": "p-1",
    "order_reference": "o-1",
    "amount_minor": 19_900,
    "currency": "CNY",
    "return_path": "/orders/o-1",
}


def shop(till: Till) -> httpx.AsyncClient:
    """Return a client with the shop's API key."""
    return till.client(API_KEY)


async def open_payment(till: Till, **overrides: Any) -> httpx.Response:
    """Open a payment."""
    return await shop(till).post("/sandbox-pay/api/payments", json={**NEW, **overrides})


async def test_opening_is_idempotent_by_the_shops_reference(till: Till) -> None:
    """At once and later; another amount under it is refused."""
    answers = await asyncio.gather(*(open_payment(till) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["payment"]["id"] for answer in answers}) == 1
    other = await open_payment(till, amount_minor=1)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "reference_in_use")


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount_minor": -1},
        {"amount_minor": 10**20},
        {"amount_minor": "5"},
        {"currency": "yuan"},
        {"return_path": "https://evil.test"},
        {"return_path": "//evil.test"},
        {"reference": ""},
        {"order_reference": "<b>"},
    ],
)
async def test_an_impossible_payment_is_refused(till: Till, wrong: dict[str, Any]) -> None:
    """422, nothing stored."""
    response = await open_payment(till, **wrong)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid_payment")
    assert await till.values("SELECT count(*) FROM sandbox.payments") == [0]


async def test_the_api_needs_its_key(till: Till) -> None:
    """Without it nothing is opened, read or done."""
    payment = (await open_payment(till)).json()["payment"]
    url = f"/sandbox-pay/api/payments/{payment['id']}"
    for client in (till.client(), till.client("another key"), till.client("ü".encode().hex())):
        for response in (
            await client.post("/sandbox-pay/api/payments", json=NEW),
            await client.get(url),
            await client.post(f"{url}/void"),
        ):
            assert response.status_code == 401
    assert (await shop(till).get(url)).json()["payment"]["state"] == "created"


async def test_acts_follow_the_table_and_repeat_harmlessly(till: Till) -> None:
    """Capture needs authorised money; capturing twice is capturing once."""
    payment = (await open_payment(till)).json()["payment"]
    url = f"/sandbox-pay/api/payments/{payment['id']}"
    client = shop(till)
    early = await client.post(f"{url}/capture")
    assert (early.status_code, early.json()["error"]["code"]) == (409, "wrong_state")
    await client.post(payment["url"], data={"act": "pay"})
    for act, state in (("capture", "captured"), ("capture", "captured")):
        response = await client.post(f"{url}/{act}")
        assert response.json()["payment"]["state"] == state
    assert (await client.post(f"{url}/pay")).status_code == 404, "only buyers pay"
    assert (await client.post("/sandbox-pay/api/payments/sp_0/void")).status_code == 404
    types = await till.values("SELECT body FROM sandbox.webhooks")
    assert len(types) == 2, "one webhook a change"


async def test_a_shop_may_take_less_than_was_granted_and_never_more(till: Till) -> None:
    """The rest is let go: from then on the payment is over what was taken."""
    payment = (await open_payment(till)).json()["payment"]
    url = f"/sandbox-pay/api/payments/{payment['id']}"
    client = shop(till)
    total = payment["amount_minor"]
    await client.post(payment["url"], data={"act": "pay"})
    for wrong in ({"amount_minor": total + 1}, {"amount_minor": 0}, []):
        assert (await client.post(f"{url}/capture", json=wrong)).status_code == 422
    for _ in range(2):
        taken = await client.post(f"{url}/capture", json={"amount_minor": total - 100})
        assert taken.json()["payment"]["amount_minor"] == total - 100
    back = {"reference": "r1", "amount_minor": total}
    too_much = await client.post(f"{url}/refunds", json=back)
    assert too_much.json()["error"]["code"] == "too_much"


async def test_money_goes_back_in_parts_and_never_more_than_there_is(till: Till) -> None:
    """A reference is one refund; the payment is refunded once all of it is back."""
    payment = (await open_payment(till)).json()["payment"]
    url = f"/sandbox-pay/api/payments/{payment['id']}"
    client = shop(till)
    total = payment["amount_minor"]

    async def refund(reference: str, amount_minor: int) -> tuple[int, Any]:
        body = {"reference": reference, "amount_minor": amount_minor}
        response = await client.post(f"{url}/refunds", json=body)
        return response.status_code, response.json()

    assert (await refund("r1", 100))[1]["error"]["code"] == "wrong_state"
    await client.post(payment["url"], data={"act": "pay"})
    await client.post(f"{url}/capture")
    status, first = await refund("r1", 100)
    assert (status, first["payment"]["state"]) == (200, "captured")
    assert (await refund("r1", 100))[1]["refund"] == first["refund"]
    assert (await refund("r1", 99))[1]["error"]["code"] == "reference_in_use"
    assert (await refund("r2", total - 99))[1]["error"]["code"] == "too_much"
    assert (await refund("r2", 0))[0] == 422
    assert (await client.post(f"{url}/refunds", json=[])).status_code == 422
    status, last = await refund("r2", total - 100)
    assert (status, last["payment"]["state"]) == (200, "refunded")
    assert last["payment"]["refunded_minor"] == total


async def test_payments_are_listed_page_by_page(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oldest first, each once, from a moment on; nonsense is refused."""
    monkeypatch.setattr(service, "PAGE_PAYMENTS_MAX", 2)
    client = shop(till)
    opened = [
        (await client.post("/sandbox-pay/api/payments", json={**NEW, "reference": f"r{n}"})).json()
        for n in range(5)
    ]
    seen: list[str] = []
    after: dict[str, str] = {}
    for _ in range(3):
        answer = (await client.get("/sandbox-pay/api/payments", params=after)).json()
        seen += [payment["id"] for payment in answer["payments"]]
        after = {"after": answer["after"]}
    assert seen == [one["payment"]["id"] for one in opened]
    assert after == {"after": None}
    late = await client.get("/sandbox-pay/api/payments", params={"since_ms": "99999999999999"})
    assert late.json() == {"payments": [], "after": None}
    bad = await client.get("/sandbox-pay/api/payments", params={"since_ms": "yesterday"})
    assert bad.status_code == 422


async def test_the_page_is_strict_and_in_the_visitors_language(till: Till) -> None:
    """No script, no inline style, no store; Chinese where Chinese is wanted."""
    payment = (await open_payment(till)).json()["payment"]
    english = await till.client().get(payment["url"])
    chinese = await till.client().get(payment["url"], headers={"Accept-Language": "zh-CN"})
    asked = await till.client().get(payment["url"] + "?lang=zh")
    assert "No real money moves" in english.text
    assert "不会动用真钱" in chinese.text
    assert "不会动用真钱" in asked.text
    assert english.headers["content-security-policy"].startswith("default-src 'none'")
    assert english.headers["cache-control"] == "no-store"
    assert "<script" not in english.text


async def test_a_page_without_a_payment_or_an_act_says_so(till: Till) -> None:
    """404 for a guessed key, 400 for a form without a button, 413 for a novel."""
    payment = (await open_payment(till)).json()["payment"]
    client = till.client()
    assert (await client.get("/sandbox-pay/p/guessed")).status_code == 404
    assert (await client.post("/sandbox-pay/p/guessed", data={"act": "pay"})).status_code == 404
    assert (await client.post(payment["url"], data={"act": "steal"})).status_code == 400
    assert (await client.post(payment["url"], content=b"x" * 5_000)).status_code == 413
    state = await till.values("SELECT state FROM sandbox.payments")
    assert state == ["created"]


@pytest.mark.parametrize("name", ["%00", "%ff", "x" * 3_000, "a%0ab", "<b>"])
async def test_a_name_that_no_payment_has_is_not_found(till: Till, name: str) -> None:
    """Whatever it is made of: on the page as in the API."""
    page, api = f"/sandbox-pay/p/{name}", f"/sandbox-pay/api/payments/{name}"
    assert (await till.client().get(page)).status_code == 404
    assert (await till.client().post(page, data={"act": "pay"})).status_code == 404
    assert (await shop(till).get(api)).status_code == 404
    assert (await shop(till).post(f"{api}/void")).status_code == 404


async def test_without_a_database_the_page_says_try_again(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 and no traceback: the shop asks again by itself."""

    async def fail(*_: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(store, "select_by_page", fail)
    response = await till.client().get("/sandbox-pay/p/key")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "unavailable")


async def test_a_press_that_was_not_answered_may_come_again_after_the_money_was_taken(
    till: Till,
) -> None:
    """The page goes on as the first press would have; nothing is paid twice, nobody told twice."""
    payment = (await open_payment(till)).json()["payment"]
    buyer = till.client()
    await buyer.post(payment["url"], data={"act": "pay"})
    await shop(till).post(f"/sandbox-pay/api/payments/{payment['id']}/capture")
    again = await buyer.post(payment["url"], data={"act": "pay", "card": "test-1"})
    assert (again.status_code, again.headers["location"]) == (303, NEW["return_path"])
    assert await till.values("SELECT state FROM sandbox.payments") == ["captured"]
    assert len(await till.values("SELECT body FROM sandbox.webhooks")) == 2


async def test_a_declined_payment_cannot_be_paid(till: Till) -> None:
    """The page says that it is over."""
    payment = (await open_payment(till)).json()["payment"]
    client = till.client()
    await client.post(payment["url"], data={"act": "decline"})
    response = await client.post(payment["url"], data={"act": "pay"})
    assert response.status_code == 409
    assert "Declined" in response.text


async def test_webhooks_are_given_up_after_many_attempts(till: Till) -> None:
    """A shop that never answers is not asked for ever."""
    payment = (await open_payment(till)).json()["payment"]
    till.wires.is_cut = True
    await till.client().post(payment["url"], data={"act": "pay"})
    await till.change("UPDATE sandbox.webhooks SET attempts = 39, next_at_ms = 0")
    assert await till.sender.deliver_due() == 1
    assert await till.values("SELECT state FROM sandbox.webhooks") == ["given_up"]
