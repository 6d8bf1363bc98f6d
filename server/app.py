"""The HTTP application, as a table of contents."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from server.access_log import AccessLog
from server.routes import (
    chat,
    coupons,
    draws,
    goods,
    groups,
    media_auth,
    moderation,
    operation,
    pages,
    rooms,
    sales,
    stock,
    video,
    waiting,
    whip,
)
from server.routes.errors import EXCEPTION_HANDLERS
from server.routes.requests import Edge
from server.services import Services


def build_app(services: Services, edge: Edge, more_routes: Sequence[BaseRoute]) -> Starlette:
    """Build the application; `more_routes` are accounts, orders, payments and the sandbox."""
    app = Starlette(
        routes=[
            *operation.ROUTES,
            *rooms.ROUTES,
            *goods.ROUTES,
            *sales.ROUTES,
            *stock.ROUTES,
            *waiting.ROUTES,
            *draws.ROUTES,
            *coupons.ROUTES,
            *groups.ROUTES,
            *moderation.ROUTES,
            *chat.ROUTES,
            *video.ROUTES,
            *whip.ROUTES,
            *media_auth.ROUTES,
            *more_routes,
            *pages.ROUTES,
        ],
        middleware=[Middleware(AccessLog, new_id=services.ids.new)],
        exception_handlers={**EXCEPTION_HANDLERS, HTTPException: pages.answer_wrong_link},
    )
    app.state.services = services
    app.state.edge = edge
    app.state.pages = pages.Pages(services.settings.engine_origins)
    return app
