"""The catalogue over HTTP, for those who fill a bag."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from commerce.goods.catalogue.model import NewProduct
from commerce.goods.catalogue.service import add_product
from commerce.goods.catalogue.store import select_variants
from server.routes.errors import json_response
from server.routes.requests import read_body, require_role
from server.services import services_of


async def list_products(request: Request) -> Response:
    """List the catalogue for a host's bag."""
    require_role(request, "host", "operator")
    services = services_of(request)
    async with services.database.reading() as connection:
        variants = await select_variants(connection)
    return json_response(
        {
            "products": [
                {
                    **msgspec.to_builtins(variant),
                    "currency": services.settings.currency,
                    "available": available,
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


ROUTES = [
    Route("/api/products", list_products),
    Route("/api/products", create_product, methods=["POST"]),
]
