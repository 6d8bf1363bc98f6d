"""The evidence of an order over HTTP, to read or to keep as a file."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from commerce.insight.evidence.service import read_evidence
from commerce.kernel.ports import Database
from server.routes.errors import json_response
from server.routes.requests import path_id, query_number, require_user


def evidence_routes(database: Database) -> list[Route]:
    """Return the route of evidence: for the room's host, an operator and, reduced, the buyer."""

    async def show_evidence(request: Request) -> Response:
        user = require_user(request)
        order_id = path_id(request, "order")
        bundle = await read_evidence(database, order_id, user_id=user.user_id, role=user.role)
        headers = {}
        if query_number(request, "download", default=0):
            name = f"evidence-{order_id}.json"
            headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return json_response(bundle, headers=headers)

    return [Route("/api/orders/{order}/evidence", show_evidence, methods=["GET"])]
