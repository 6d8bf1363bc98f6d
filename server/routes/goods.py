"""The catalogue and its campaign prices over HTTP, for those who fill a bag."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from commerce.goods.catalogue.model import NewProduct
from commerce.goods.catalogue.service import add_product
from commerce.goods.catalogue.store import select_variants
from commerce.sales.campaign_prices.model import CampaignPrice, CampaignPriceTerms
from commerce.sales.campaign_prices.store import select_current
from commerce.sales.show_floor import shop_prices
from server.routes.errors import json_response
from server.routes.requests import (
    idempotency_key,
    path_id,
    path_text,
    read_body,
    require_role,
)
from server.services import services_of


async def list_products(request: Request) -> Response:
    """List the catalogue for a host's bag."""
    require_role(request, "host", "operator")
    services = services_of(request)
    async with services.database.reading() as connection:
        variants = await select_variants(connection)
        prices = await select_current(connection)
    return json_response(
        {
            "products": [
                {
                    **msgspec.to_builtins(variant),
                    "currency": services.settings.currency,
                    "available": available,
                    "campaign_price": msgspec.to_builtins(prices.get(variant.sku)),
                }
                for variant, available in variants
            ]
        }
    )


async def create_product(request: Request) -> Response:
    """Put a product with its variants and first stock on the shelf."""
    require_role(request, "host", "operator")
    services = services_of(request)
    body = await read_body(request, NewProduct)
    product_id = await add_product(services.database, services.ids, body)
    return json_response({"product": {"id": product_id}}, status=201)


async def set_campaign_price(request: Request) -> Response:
    """Sell a SKU at less than its list price for a while."""
    services, user = services_of(request), require_role(request, "host", "operator")
    key, sku = idempotency_key(request), path_text(request, "sku")
    terms = await read_body(request, CampaignPriceTerms)
    async with services.database.transaction() as transaction:
        made = await shop_prices.set_campaign_price(
            transaction, sku, terms, user_id=user.user_id, key=key
        )
    return json_response({"campaign_price": _campaign_price(made)}, status=201)


async def withdraw_campaign_price(request: Request) -> Response:
    """End a campaign price before its time; holds keep theirs."""
    services, user = services_of(request), require_role(request, "host", "operator")
    idempotency_key(request)
    id = path_id(request, "campaign_price")
    async with services.database.transaction() as transaction:
        ended = await shop_prices.withdraw_campaign_price(transaction, id, user_id=user.user_id)
    return json_response({"campaign_price": _campaign_price(ended)})


def _campaign_price(price: CampaignPrice) -> dict[str, Any]:
    shown = msgspec.to_builtins(price)
    del shown["request_hash"]
    return dict(shown)


ROUTES = [
    Route("/api/skus/{sku}/campaign-prices", set_campaign_price, methods=["POST"]),
    Route(
        "/api/campaign-prices/{campaign_price}/withdraw",
        withdraw_campaign_price,
        methods=["POST"],
    ),
    Route("/api/products", list_products),
    Route("/api/products", create_product, methods=["POST"]),
]
