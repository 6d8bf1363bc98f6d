"""A press over HTTP: what reservations, places in line and entries into draws are asked with."""

from __future__ import annotations

import msgspec
from starlette.requests import Request

from commerce.goods.press_rules.model import Press
from server.arguments import Wish, check_qty
from server.routes.requests import (
    client_address,
    idempotency_key,
    path_id,
    read_body,
    require_user,
)
from server.services import services_of


class ReservationBody(msgspec.Struct, frozen=True):
    """Body of a reservation; a sale that asks for presence wants a `permit`."""

    qty: int
    permit: str | None = None


async def read_wish(request: Request) -> Wish:
    """Return what a caller wants of the sale in the path; raises what its parts do."""
    user = require_user(request)
    key = idempotency_key(request)
    sale_id = path_id(request, "sale")
    body = await read_body(request, ReservationBody)
    return {
        "user_id": user.user_id,
        "sale_id": sale_id,
        "qty": check_qty(body.qty),
        "key": key,
        "press": read_press(request, user_id=user.user_id, sale_id=sale_id, permit=body.permit),
    }


def read_press(request: Request, *, user_id: str, sale_id: str, permit: str | None) -> Press:
    """Return the press of a caller on a sale, with what their permit is worth there."""
    state = services_of(request).permits.judge(permit, user_id=user_id, sale_id=sale_id)
    return Press(address=client_address(request), permit=state)
