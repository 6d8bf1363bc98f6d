"""Orders over HTTP: place, read, cancel; and the host's list of a room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from commerce.kernel.errors import invalid
from commerce.orders.checkout.model import OrderView, PlaceOrder
from commerce.orders.checkout.service import CheckoutService
from server.arguments import check_id, parse_id
from server.routes.errors import json_response
from server.routes.requests import (
    Edge,
    idempotency_key,
    path_id,
    path_text,
    query_number,
    read_body,
    require_role,
    require_user,
)

SHIP_TO_CHARS_MAX = 2_000


class OrderBody(msgspec.Struct, frozen=True):
    """`POST /api/orders`; `ship_to` is a text or the fields of an address form."""

    reservations: Annotated[list[str], msgspec.Meta(max_length=100)]
    coupon: str | None = None
    ship_to: str | dict[str, str] | None = None


def order_routes(checkout: CheckoutService) -> list[Route]:
    """Return the routes of orders."""

    async def place_order(request: Request) -> Response:
        user = require_user(request)
        key = idempotency_key(request)
        body = await read_body(request, OrderBody)
        order = await checkout.place_order(
            PlaceOrder(
                user_id=user.user_id,
                key=key,
                reservation_ids=parse_ids(body.reservations),
                ship_to=read_ship_to(body.ship_to),
                coupon=None if body.coupon is None else check_id(body.coupon, "coupon"),
            )
        )
        shown = _shown(request, order)
        return json_response({"order": shown, "payment": shown.payment}, status=201)

    async def list_orders(request: Request) -> Response:
        user = require_user(request)
        orders = await checkout.list_orders(
            user_id=user.user_id,
            since_ms=query_number(request, "since_ms", default=0),
            before=_before(request),
        )
        return _list(request, orders)

    async def get_order(request: Request) -> Response:
        user = require_user(request)
        order = await checkout.show_order(
            user_id=user.user_id, role=user.role, order_id=path_id(request, "order")
        )
        return json_response({"order": _shown(request, order)})

    async def cancel(request: Request) -> Response:
        user = require_user(request)
        idempotency_key(request)
        order = await checkout.cancel(user_id=user.user_id, order_id=path_id(request, "order"))
        return json_response({"order": _shown(request, order)})

    async def list_room_orders(request: Request) -> Response:
        user = require_role(request, "host", "operator")
        orders = await checkout.list_room_orders(
            user_id=user.user_id,
            role=user.role,
            slug=path_text(request, "room"),
            since_ms=query_number(request, "since_ms", default=0),
            before=_before(request),
        )
        return _list(request, orders)

    return [
        Route("/api/orders", place_order, methods=["POST"]),
        Route("/api/orders", list_orders, methods=["GET"]),
        Route("/api/orders/{order}", get_order, methods=["GET"]),
        Route("/api/orders/{order}/cancel", cancel, methods=["POST"]),
        Route("/api/rooms/{room}/orders", list_room_orders, methods=["GET"]),
    ]


def _before(request: Request) -> str | None:
    """Return the order that a page goes on from, if any; raises `invalid_request`."""
    text = request.query_params.get("before")
    if text is None:
        return None
    id = parse_id(text)
    if id is None:
        raise invalid("An order's id is a UUID.", field="before")
    return id


def _list(request: Request, orders: Sequence[OrderView]) -> Response:
    return json_response({"orders": [_shown(request, order) for order in orders]})


def _shown(request: Request, order: OrderView) -> OrderView:
    """Return the order with a whole address of the page to pay at.

    It keeps the host by which the buyer came, so that the way back finds the buyer's cookie.
    """
    payment = order.payment
    if payment is None or payment.url is None or not payment.url.startswith("/"):
        return order
    edge: Edge = request.app.state.edge
    scheme = "https" if edge.secure_cookies else request.url.scheme
    url = f"{scheme}://{request.url.netloc}{payment.url}"
    return msgspec.structs.replace(order, payment=msgspec.structs.replace(payment, url=url))


def parse_ids(texts: Sequence[str]) -> list[str]:
    """Return reservation ids in their usual text; raises `invalid_request` for other text."""
    ids = [id for id in map(parse_id, texts) if id is not None]
    if len(ids) != len(texts):
        raise invalid("A reservation's id is a UUID.", field="reservations")
    return ids


def read_ship_to(ship_to: str | dict[str, str] | None) -> str | None:
    """Return where to send the goods as one text; an address form becomes JSON."""
    text = msgspec.json.encode(ship_to).decode() if isinstance(ship_to, dict) else ship_to
    if text is not None and len(text) > SHIP_TO_CHARS_MAX:
        raise invalid("The address is too long.", field="ship_to")
    return text
