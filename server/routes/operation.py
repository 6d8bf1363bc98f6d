"""What operators and machines ask: alive, ready, metrics, the audit, the host's console."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from commerce.insight.audit.service import describe_latest
from commerce.insight.show_report.service import read_console
from commerce.shows.schedule.rules import check_watch_console
from commerce.shows.schedule.store import select_room
from server.routes.errors import json_response
from server.routes.requests import path_text, require_role, require_user
from server.services import services_of


async def healthz(request: Request) -> Response:
    """Say that this process is alive."""
    return PlainTextResponse("ok\n")


async def readyz(request: Request) -> Response:
    """Say whether this process can serve: red while PostgreSQL or Redis is lost."""
    services = services_of(request)
    parts = {
        "postgresql": await services.database.is_alive(),
        "redis": services.is_link_ok(),
    }
    return json_response(
        {"ready": all(parts.values()), **parts}, status=200 if all(parts.values()) else 503
    )


async def metrics(request: Request) -> Response:
    """Answer this process's metrics in Prometheus' text format."""
    return PlainTextResponse(services_of(request).metrics(), media_type="text/plain; version=0.0.4")


async def show_audit(request: Request) -> Response:
    """Answer what the continuous audit last said; nothing is audited in here."""
    require_role(request, "operator")
    async with services_of(request).database.reading() as connection:
        return json_response(await describe_latest(connection))


async def show_console(request: Request) -> Response:
    """Answer what the host's console shows; a moderator gets it without money."""
    services, user = services_of(request), require_user(request)
    async with services.database.reading() as connection:
        room = await select_room(connection, path_text(request, "room"))
        sees_money = check_watch_console(room, user_id=user.user_id, role=user.role)
    # Between the two readings: no connection is kept while Redis is asked.
    viewers = await services.count_viewers(room.id)
    async with services.database.reading() as connection:
        console = await read_console(
            connection,
            room,
            viewers=viewers,
            sees_money=sees_money,
            sees_rows=user.role == "operator",
        )
    console["currency"] = services.settings.currency
    return json_response(console)


ROUTES = [
    Route("/healthz", healthz),
    Route("/readyz", readyz),
    Route("/metrics", metrics),
    Route("/api/audit", show_audit),
    Route("/api/rooms/{room}/console", show_console),
]
