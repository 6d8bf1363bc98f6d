"""Webhooks of payment providers, and the report that compares them with us."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from commerce.kernel.errors import CommerceError
from commerce.orders.payments.service import PaymentService
from commerce.orders.reconciliation.service import ReconciliationService
from server.routes.errors import json_response
from server.routes.requests import (
    idempotency_key,
    path_id,
    path_text,
    query_number,
    read_bytes,
    require_role,
)


def payment_routes(payments: PaymentService, reconciliation: ReconciliationService) -> list[Route]:
    """Return the route that providers call (200 for news and for old news), and operators'.

    Those are the report that compares, and the calls that were given up.
    """

    async def receive_webhook(request: Request) -> Response:
        provider = path_text(request, "provider")
        header = payments.signature_header(provider)
        signature = request.headers.get(header)
        if signature is None:
            raise CommerceError("bad_signature", f"A webhook needs {header}.")
        is_new = await payments.receive_webhook(provider, await read_bytes(request), signature)
        return json_response({"accepted": True, "is_new": is_new})

    async def reconcile(request: Request) -> Response:
        require_role(request, "operator")
        since_ms = query_number(request, "since_ms", default=0)
        return json_response(await reconciliation.reconcile(since_ms))

    async def list_failed_calls(request: Request) -> Response:
        require_role(request, "operator")
        return json_response({"calls": await payments.failed_calls.list_all()})

    async def retry_call(request: Request) -> Response:
        require_role(request, "operator")
        idempotency_key(request)
        return json_response({"call": await payments.failed_calls.retry(path_id(request, "call"))})

    async def give_up_call(request: Request) -> Response:
        require_role(request, "operator")
        idempotency_key(request)
        return json_response(
            {"call": await payments.failed_calls.give_up(path_id(request, "call"))}
        )

    return [
        Route("/api/payments/calls", list_failed_calls, methods=["GET"]),
        Route("/api/payments/calls/{call}/retry", retry_call, methods=["POST"]),
        Route("/api/payments/calls/{call}/give-up", give_up_call, methods=["POST"]),
        Route("/api/payments/reconciliation", reconcile, methods=["GET"]),
        Route("/api/payments/{provider}/webhook", receive_webhook, methods=["POST"]),
    ]
