"""SQL of carts: one call decides and commits."""

from __future__ import annotations

from typing import Any

from commerce.goods.carts.model import Cart, CartResult
from commerce.goods.inventory.model import Hold

RESERVE_CART = """
    SELECT outcomes, states, versions, prices, shown_until, opens_at, available, now_ms,
        expired_ids, expired_sales, expired_users
    FROM reserve_cart($1, $2, $3, $4, $5, $6)
"""


async def reserve_cart(connection: Any, cart: Cart) -> CartResult:
    """Decide a cart and commit it, in one round trip; outside any transaction."""
    row = await connection.fetchrow(
        RESERVE_CART,
        cart.id,
        cart.request_hash,
        cart.user_id,
        [request.id for request in cart.requests],
        [request.sale_id for request in cart.requests],
        [request.qty for request in cart.requests],
    )
    expired = zip(
        row["expired_ids"] or (),
        row["expired_sales"] or (),
        row["expired_users"] or (),
        strict=True,
    )
    fields = {name: row[name] for name in CartResult.__struct_fields__ if name != "expired"}
    holds = [Hold(str(id), str(sale), str(user)) for id, sale, user in expired]
    return CartResult(expired=holds, **fields)
