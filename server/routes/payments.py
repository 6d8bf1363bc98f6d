"""Webhooks of payment providers."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from commerce.kernel.errors import CommerceError
from commerce.orders.payments.service import PaymentService
from server.routes.errors import json_response
from server.routes.requests import path_text, read_bytes


def payment_routes(payments: PaymentService) -> list[Route]:
    """Return the route that providers call; it answers 200 for news and for old news."""

    async def receive_webhook(request: Request) -> Response:
        provider = path_text(request, "provider")
        header = payments.signature_header(provider)
        signature = request.headers.get(header)
        if signature is None:
            raise CommerceError("bad_signature", f"A webhook needs {header}.")
        is_new = await payments.receive_webhook(provider, await read_bytes(request), signature)
        return json_response({"accepted": True, "is_new": is_new})

    return [
        Route("/api/payments/{provider}/webhook", receive_webhook, methods=["POST"]),
    ]
