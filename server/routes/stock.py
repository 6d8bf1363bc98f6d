"""Restocking and adjustments over HTTP: who changes what a SKU or a flash sale has."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from commerce.goods.adjustments.model import Adjustment
from commerce.goods.adjustments.service import adjust
from commerce.kernel.ids import adjustment_id
from commerce.sales.flash_sales.quantity import change_quantity
from commerce.sales.flash_sales.store import select_sale
from commerce.shows.schedule.rules import check_command
from commerce.shows.schedule.store import select_room
from server.routes.errors import json_response
from server.routes.requests import (
    idempotency_key,
    path_id,
    path_text,
    read_body,
    require_role,
    require_user,
)
from server.services import services_of


class AdjustmentBody(msgspec.Struct, frozen=True):
    """Body of an adjustment: units more (or fewer, when negative) and why."""

    delta: int
    reason: str


class QuantityBody(msgspec.Struct, frozen=True):
    """Body of a change of a flash sale's units."""

    quantity: int
    reason: str = ""


async def adjust_stock(request: Request) -> Response:
    """Add units to a SKU, or write free ones off."""
    services, user = services_of(request), require_role(request, "operator", "host")
    key, sku = idempotency_key(request), path_text(request, "sku")
    body = await read_body(request, AdjustmentBody)
    id = adjustment_id(user.user_id, sku, key)
    wish = Adjustment(id, user.user_id, sku, body.delta, body.reason)
    async with services.database.transaction() as transaction:
        pool_id, done = await adjust(transaction, wish)
    services.inventory.forget_latches([pool_id])
    return json_response(done)


async def add_to_sale(request: Request) -> Response:
    """Carve more units into a running flash sale, or give free ones back."""
    services, user = services_of(request), require_user(request)
    key, sale_id = idempotency_key(request), path_id(request, "sale")
    body = await read_body(request, QuantityBody)
    id = adjustment_id(user.user_id, sale_id, key)
    async with services.database.transaction() as transaction:
        sale = await select_sale(transaction, sale_id)
        room = await select_room(transaction, sale.room)
        check_command(room, user_id=user.user_id, role=user.role)
        wish = Adjustment(id, user.user_id, sale.sku, body.quantity, body.reason, sale_id)
        pools, done = await change_quantity(transaction, sale, wish)
    services.inventory.forget_latches(pools)
    return json_response(done)


ROUTES = [
    Route("/api/skus/{sku}/adjustments", adjust_stock, methods=["POST"]),
    Route("/api/sales/{sale}/add", add_to_sale, methods=["POST"]),
]
