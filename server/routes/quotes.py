"""Quotes over HTTP: what would be charged, in all its parts, without holding anything."""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from commerce.kernel.errors import invalid
from commerce.orders.checkout.model import PlaceOrder
from commerce.orders.checkout.quoting import QuoteService
from server.arguments import check_id, check_qty
from server.routes.errors import json_response
from server.routes.orders import parse_ids, read_ship_to
from server.routes.requests import read_body, require_user


class QuoteItem(msgspec.Struct, frozen=True):
    """Units of a bag item."""

    item: str
    qty: int


class QuoteBody(msgspec.Struct, frozen=True):
    """`POST /api/quotes`: own reservations, or items of a bag."""

    reservations: Annotated[list[str], msgspec.Meta(max_length=100)] = []
    items: Annotated[list[QuoteItem], msgspec.Meta(max_length=100)] = []
    coupon: str | None = None
    ship_to: str | dict[str, str] | None = None


def quote_routes(quotes: QuoteService) -> list[Route]:
    """Return the route of quotes."""

    async def show_quote(request: Request) -> Response:
        user = require_user(request)
        body = await read_body(request, QuoteBody)
        ship_to = read_ship_to(body.ship_to)
        if bool(body.reservations) == bool(body.items):
            raise invalid("A quote is of reservations or of items.", field="reservations")
        if body.items:
            items = [(check_id(one.item, "item"), check_qty(one.qty)) for one in body.items]
            return json_response({"quote": await quotes.quote_items(items, ship_to=ship_to)})
        coupon = None if body.coupon is None else check_id(body.coupon, "coupon")
        ids = parse_ids(body.reservations)
        wish = PlaceOrder(user.user_id, "", ids, ship_to, coupon)
        asked, options = await quotes.quote_holds(wish)
        return json_response({"quote": asked, "coupons": options})

    return [Route("/api/quotes", show_quote, methods=["POST"])]
