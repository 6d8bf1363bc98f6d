"""A shop whose money goes by Stripe: order, pay, and tell it what Stripe would."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support.refunding import PaidOrder
from tests.support.stripe_fake import StripeSide, encode, event_of, signed
from tests.support.till import Till

AUTHORISED = "payment_intent.amount_capturable_updated"


async def place(till: Till, **terms: Any) -> tuple[PaidOrder, str]:
    """Order one unit; return the order and the id of its PaymentIntent."""
    shop, sale = await till.sale(**terms)
    order = PaidOrder(till, shop, sale, await till.buyer("Lena"))
    order.reservations = [await till.reserve(sale, order.buyer.id)]
    answer = (await order.buyer.order(order.reservations)).json()
    order.id = answer["order"]["id"]
    return order, await ref(till, order.id)


async def ref(till: Till, order_id: str) -> str:
    """Return the newest PaymentIntent of an order."""
    row = await till.row(
        "SELECT provider_ref FROM payments WHERE order_id = $1 ORDER BY id DESC LIMIT 1",
        order_id,
    )
    return str(row[0])


async def tell(
    till: Till, event: dict[str, Any], *, secret: str | None = None, age_s: int = 0
) -> httpx.Response:
    """Post an event to the shop as Stripe would."""
    body = encode(event)
    more = {"secret": secret} if secret else {}
    header = {"Stripe-Signature": signed(body, age_s=age_s, **more)}
    return await till.client().post("/api/payments/stripe/webhook", content=body, headers=header)


async def pay(till: Till, side: StripeSide, intent_id: str) -> None:
    """Enter a good card and let the event come."""
    assert (await side.enter_card(intent_id)).status_code == 200
    event = event_of(await side.intent(intent_id), AUTHORISED)
    assert (await tell(till, event)).status_code == 200
