"""Carts in the words of the wire contract."""

from __future__ import annotations

from typing import Any

from commerce.goods.carts.model import Granted, RefusedItems
from commerce.goods.inventory.views import refusal_error, view_reservation
from commerce.kernel.errors import CommerceError


def view_cart(answer: Granted | RefusedItems) -> dict[str, Any]:
    """Return `{"reservations": […]}`; a refusal raises `cart_refused` with each item's reason."""
    if isinstance(answer, RefusedItems):
        items = []
        for sale_id, refused in answer.items:
            error = refusal_error(refused)
            detail = {k: v for k, v in (error.detail or {}).items() if k != "version"}
            items.append({"sale": sale_id, "code": error.code, **detail})
        raise CommerceError(
            "cart_refused",
            "Not everything can be reserved, so nothing was.",
            detail={"items": items},
        )
    return {"reservations": [view_reservation(one.reservation) for one in answer.reservations]}
