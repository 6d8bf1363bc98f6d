"""Refunds over HTTP: a person gives money back, or asks again for what failed."""

from __future__ import annotations

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from commerce.kernel.errors import invalid
from commerce.orders.checkout.model import OrderView
from commerce.orders.refunds.model import LINES_MAX, Actor, LineWish, RefundWish
from commerce.orders.refunds.service import RefundService
from server.arguments import parse_id
from server.routes.errors import json_response
from server.routes.requests import idempotency_key, path_id, read_body, require_role


class RefundBody(msgspec.Struct, frozen=True):
    """`POST /api/orders/{order}/refunds`; without amount and lines all that is left goes back."""

    reason: str
    amount_minor: int | None = None
    lines: Annotated[list[LineWish], msgspec.Meta(max_length=LINES_MAX)] = []
    restock: bool = False


def refund_routes(refunds: RefundService) -> list[Route]:
    """Return the routes of refunds, for the host of the order's room and for operators."""

    async def refund(request: Request) -> Response:
        actor = _actor(request)
        key = idempotency_key(request)
        body = await read_body(request, RefundBody)
        wish = RefundWish(
            amount_minor=body.amount_minor,
            lines=[_line(line) for line in body.lines],
            reason=body.reason,
            restock=body.restock,
        )
        refund_id, order = await refunds.refund(
            actor, order_id=path_id(request, "order"), key=key, wish=wish
        )
        return _answer(refund_id, order, status=201)

    async def retry(request: Request) -> Response:
        actor = _actor(request)
        idempotency_key(request)
        refund_id, order = await refunds.retry(
            actor, order_id=path_id(request, "order"), refund_id=path_id(request, "refund")
        )
        return _answer(refund_id, order, status=200)

    return [
        Route("/api/orders/{order}/refunds", refund, methods=["POST"]),
        Route("/api/orders/{order}/refunds/{refund}/retry", retry, methods=["POST"]),
    ]


def _actor(request: Request) -> Actor:
    user = require_role(request, "host", "operator")
    return Actor(user.user_id, user.role)


def _line(line: LineWish) -> LineWish:
    """Return the line with its id in the usual text; raises `invalid_request` for other text."""
    id = parse_id(line.reservation)
    if id is None:
        raise invalid("A reservation's id is a UUID.", field="lines")
    return LineWish(id, line.qty)


def _answer(refund_id: str, order: OrderView, *, status: int) -> Response:
    [refund] = [refund for refund in order.refunds if refund.id == refund_id]
    return json_response({"refund": refund, "order": order}, status=status)
