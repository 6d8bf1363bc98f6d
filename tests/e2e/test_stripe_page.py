"""A buyer pays by Stripe: our page and policy, a stand-in for Stripe's script, localstripe's API.

Stripe's real script cannot be had in a test, and localstripe's knows no Payment Element; what
stands in for it does what the page relies on: mount, say ready, confirm.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, Route, expect

from server.auth.tokens import SESSION_COOKIE
from tests.support.api import Caller, enter, eventually, log_in, start_flash_sale
from tests.support.program import Program
from tests.support.stripe_fake import (
    DECLINED_CARD,
    GOOD_CARD,
    PUBLISHABLE_KEY,
    SECRET_KEY,
    WEBHOOK_SECRET,
    StripeSide,
    encode,
    event_of,
    run_localstripe,
    signed,
)

SCRIPT_URL = "http://127.0.0.1:9/stripe.js"
SCRIPT = """
window.Stripe = (key) => ({
  elements: ({ clientSecret }) => ({ secret: clientSecret, create: () => ({
    ready: () => {}, on(event, act) { this.ready = act; },
    mount(place) {
      const field = document.createElement('input');
      field.id = 'number';
      document.querySelector(place).append(field);
      this.ready();
    },
  }) }),
  confirmPayment: ({ elements }) => {
    const number = document.querySelector('#number').value;
    return window.enterCard(key, elements.secret, number);
  },
});
"""


@pytest.fixture
async def side() -> AsyncIterator[StripeSide]:
    """A fake Stripe of this test's own."""
    with run_localstripe() as base:
        side = StripeSide(base)
        yield side
        await side.close()


def stripe_settings(side: StripeSide) -> dict[str, str]:
    """Return the settings of a shop whose money goes by the fake."""
    return {
        "HUBBUB_PAYMENTS": "stripe",
        "HUBBUB_STRIPE_SECRET_KEY": SECRET_KEY,
        "HUBBUB_STRIPE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
        "HUBBUB_STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "HUBBUB_STRIPE_API_BASE": side.base,
        "HUBBUB_STRIPE_JS_URL": SCRIPT_URL,
    }


async def order_one(program: Program, buyer: Caller) -> dict[str, Any]:
    """Reserve and order one tea bowl."""
    host = await log_in(program.url, "host")
    sale = await start_flash_sale(host, countdown_s=0)
    path = f"/api/sales/{sale['id']}/reservations"

    async def reserve() -> Any:
        answer = await buyer.http.post(path, json={"qty": 1}, headers={"Idempotency-Key": "press"})
        return answer.json()["reservation"]["id"] if answer.status_code == 201 else None

    reservation = await eventually(reserve)
    answer = await buyer.call("POST", "/api/orders", {"reservations": [reservation]}, status=201)
    await host.close()
    return dict(answer)


async def open_payment(
    browser: Browser, url: str, token: str, enter_card: Callable[..., Any]
) -> Page:
    """Open the payment page as the buyer, with the stand-in for Stripe's script."""
    context = await browser.new_context(locale="en-US")
    base = url.partition("/pay/")[0]
    await context.add_cookies([{"name": SESSION_COOKIE, "value": token, "url": base}])
    page = await context.new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))

    async def script(route: Route) -> None:
        await route.fulfill(content_type="application/javascript", body=SCRIPT)

    await page.route(SCRIPT_URL, script)
    await page.expose_function("enterCard", enter_card)
    await page.goto(url)
    return page


async def test_a_buyer_pays_by_stripe(
    serve: Callable[..., Program], browser: Browser, side: StripeSide
) -> None:
    """Declined first, said so on the page; another card; held, confirmed, captured, told."""
    program = serve(environment=stripe_settings(side))
    hook = {"url": f"{program.url}/api/payments/stripe/webhook", "secret": WEBHOOK_SECRET}
    assert (await side.post("/_config/webhooks/shop", hook)).status_code == 200
    buyer = await enter(program.url, "Lena")
    answer = await order_one(program, buyer)
    used: list[str] = []

    async def enter_card(key: str, secret: str, number: str) -> dict[str, Any]:
        used.append(key)
        if number == DECLINED_CARD:  # Localstripe lets no second card follow a declined one.
            return {"error": {"message": "Your card was declined."}}
        intent_id = secret.partition("_secret_")[0]
        assert (await side.enter_card(intent_id, number)).status_code == 200
        body = encode(
            event_of(await side.intent(intent_id), "payment_intent.amount_capturable_updated")
        )
        async with httpx.AsyncClient(trust_env=False) as http:
            told = await http.post(
                hook["url"], content=body, headers={"Stripe-Signature": signed(body)}
            )
        assert told.status_code == 200, told.text
        return {}

    page = await open_payment(browser, answer["payment"]["url"], buyer.token, enter_card)
    button = page.locator("#pay-now")
    await expect(button).to_be_enabled()
    await expect(button).to_contain_text("199")
    await page.fill("#number", DECLINED_CARD)
    await button.click()
    await expect(page.locator("#problem")).to_have_text("Your card was declined.")
    await page.fill("#number", GOOD_CARD)
    await button.click()
    await expect(page.locator("live-receipt")).to_contain_text("Tea bowl", ignore_case=True)
    assert used == [PUBLISHABLE_KEY] * 2

    async def captured() -> Any:
        fresh = await buyer.call("GET", f"/api/orders/{answer['order']['id']}")
        return fresh["order"]["payment"]["state"] == "captured"

    await eventually(captured)
    await page.goto(answer["payment"]["url"])
    assert page.url.endswith(f"/orders/{answer['order']['id']}"), "paid: nothing to pay here"
    await buyer.close()
    assert SECRET_KEY not in program.output
    assert WEBHOOK_SECRET not in program.output


async def test_the_page_is_for_its_buyer_and_opens_the_policy_alone(
    serve: Callable[..., Program], side: StripeSide
) -> None:
    """404 for everybody else; Stripe's origins in this page's policy and in no other's."""
    program = serve(environment=stripe_settings(side))
    buyer = await enter(program.url, "Lena")
    answer = await order_one(program, buyer)
    url = answer["payment"]["url"]
    page = await buyer.http.get(url)
    policy = page.headers["content-security-policy"]
    assert page.status_code == 200
    assert "script-src 'self' http://127.0.0.1:9 https://*.js.stripe.com;" in policy
    assert "https://hooks.stripe.com" in policy
    assert page.headers["cache-control"] == "no-store"
    assert SECRET_KEY not in page.text
    other = await enter(program.url, "Mo")
    assert (await other.http.get(url)).status_code == 404
    own = await buyer.http.get(f"/orders/{answer['order']['id']}")
    assert "stripe" not in own.headers["content-security-policy"]
    assert (await buyer.http.get("/sandbox-pay/p/anything")).status_code == 404
    assert (await buyer.http.get("/sandbox-pay/api/payments")).status_code == 404
    await buyer.close()
    await other.close()
