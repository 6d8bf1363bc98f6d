"""What a press over HTTP shows of whoever makes it."""

from __future__ import annotations

from starlette.requests import Request

from commerce.goods.press_rules.model import Press
from server.routes.requests import client_address
from server.services import services_of


def read_press(request: Request, *, user_id: str, sale_id: str, permit: str | None) -> Press:
    """Return the press of a caller on a sale, with what their permit is worth there."""
    state = services_of(request).permits.judge(permit, user_id=user_id, sale_id=sale_id)
    return Press(address=client_address(request), permit=state)
