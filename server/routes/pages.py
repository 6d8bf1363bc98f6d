"""The web pages: templates filled on the server, so that the first paint needs no script.

Invariant: a strict Content-Security-Policy on every page; nothing inline, nothing from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from commerce.kernel.errors import CommerceError
from commerce.shows.schedule.rules import check_watch_console
from commerce.shows.schedule.store import select_room
from server.routes.errors import answer_framework_error
from server.routes.previews import preview_team
from server.routes.requests import current_user, path_id, path_text
from server.routes.rooms import read_lobby, read_room
from server.services import services_of

STATIC = Path(__file__).parents[2] / "static"
LANGUAGES = {"en": "en", "zh": "zh-Hans"}
GZIP_BYTES_MIN = 1_024  # Below a packet, packing only costs.
LANGUAGE_COOKIE_S = 365 * 86_400

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "font-src 'self'",
        "media-src 'self' blob:",  # Recordings reach the player through Media Source Extensions.
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), display-capture=(), geolocation=()",
    "Cache-Control": "private, no-cache",  # A page names who is signed in.
}
# The one page that takes a picture, and only with its own script.
CONSOLE_PERMISSIONS = "camera=(self), microphone=(self), display-capture=(self), geolocation=()"


class Pages:
    """Templates and texts of both languages, read once a process."""

    def __init__(self, engine_origins: Sequence[str] = ()) -> None:
        """`engine_origins` are where pages send their offers when they are sent on (307)."""
        policy = CONTENT_SECURITY_POLICY.replace(
            "connect-src 'self'", " ".join(("connect-src 'self'", *engine_origins))
        )
        self._headers = {**SECURITY_HEADERS, "Content-Security-Policy": policy}
        self.texts = {
            language: json.loads((STATIC / "i18n" / f"{language}.json").read_text("utf-8"))
            for language in LANGUAGES
        }
        self._templates = Environment(
            loader=FileSystemLoader(STATIC / "html"), autoescape=True, undefined=StrictUndefined
        )

    def render(self, request: Request, name: str, *, status: int = 200, **context: Any) -> Response:
        """Fill a template in the request's language; a chosen language is remembered."""
        language = pick_language(request)
        user = current_user(request)
        html = self._templates.get_template(name).render(
            lang=language,
            html_lang=LANGUAGES[language],
            t=self.texts[language],
            user={"id": user.user_id, "name": user.name, "role": user.role} if user else None,
            **context,
        )
        response = HTMLResponse(html, status_code=status, headers=self._headers)
        if request.query_params.get("lang") in LANGUAGES:
            response.set_cookie("lang", language, max_age=LANGUAGE_COOKIE_S, samesite="lax")
        return response


def pick_language(request: Request) -> str:
    """Return "en" or "zh": by `?lang=`, else the cookie, else what the browser prefers."""
    for choice in (request.query_params.get("lang"), request.cookies.get("lang")):
        if choice in LANGUAGES:
            return str(choice)
    preferred = request.headers.get("accept-language", "").strip().lower()
    return "zh" if preferred.startswith("zh") else "en"


def embed_json(data: object) -> str:
    """Return JSON that cannot end the script element it is put into."""
    return orjson.dumps(data).decode().replace("<", "\\u003c")


def pages_of(request: Request) -> Pages:
    """Return the templates that the app was built with."""
    pages: Pages = request.app.state.pages
    return pages


async def answer_wrong_link(request: Request, error: Exception) -> Response:
    """Show a browser that goes to no address of ours a page; programs read the envelope."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404 and _is_for_eyes(request):
        return pages_of(request).render(request, "error.html", status=404)
    return await answer_framework_error(request, error)


def _is_for_eyes(request: Request) -> bool:
    """Say whether a browser goes to this address: no call of a program, which reads JSON."""
    return (
        request.method in ("GET", "HEAD")
        and "text/html" in request.headers.get("accept", "")
        and "authorization" not in request.headers
        and not request.url.path.startswith("/api/")
    )


async def lobby(request: Request) -> Response:
    """Show what is on and what comes."""
    rooms = await read_lobby(services_of(request))
    return pages_of(request).render(
        request, "lobby.html", rooms=rooms, state_json=embed_json({"rooms": rooms})
    )


async def room(request: Request) -> Response:
    """Show a live room; a slug without a room gets a page that says so."""
    try:
        state = await read_room(services_of(request), path_text(request, "room"))
    except CommerceError:
        return pages_of(request).render(request, "error.html", status=404, code="no_room")
    return pages_of(request).render(request, "room.html", state=state, state_json=embed_json(state))


async def console(request: Request) -> Response:
    """Show the host's console; who may not see it is sent to sign in."""
    slug = path_text(request, "room")
    services, user = services_of(request), current_user(request)
    try:
        async with services.database.reading() as connection:
            own = await select_room(connection, slug)
        if user is None:
            raise CommerceError("unauthenticated", "Sign in first.")
        check_watch_console(own, user_id=user.user_id, role=user.role)
    except CommerceError as error:
        if error.code == "not_found":
            return pages_of(request).render(request, "error.html", status=404, code="no_room")
        return RedirectResponse(f"/login?next={quote(request.url.path)}", status_code=303)
    state = await read_room(services, slug)
    response = pages_of(request).render(
        request, "console.html", state=state, state_json=embed_json(state)
    )
    response.headers["Permissions-Policy"] = CONSOLE_PERMISSIONS
    return response


async def login(request: Request) -> Response:
    """Show the staff's sign-in; its script leads back to `?next=`, on this site only."""
    return pages_of(request).render(request, "login.html")


async def orders(request: Request) -> Response:
    """Show my orders."""
    return pages_of(request).render(request, "orders.html")


async def order(request: Request) -> Response:
    """Show one order of mine: to pay, or its receipt."""
    return pages_of(request).render(request, "order.html", order_id=path_text(request, "order"))


async def group(request: Request) -> Response:
    """Show a team to whoever has its link, signed in or not."""
    try:
        team = await services_of(request).groups.find_team(path_id(request, "group"))
    except CommerceError:
        return pages_of(request).render(request, "error.html", status=404)
    view, pages, language = msgspec.to_builtins(team), pages_of(request), pick_language(request)
    base_url = services_of(request).settings.base_url
    preview = preview_team(team, pages.texts[language], language=language, base_url=base_url)
    return pages.render(
        request, "group.html", group=view, preview=preview, state_json=embed_json({"group": view})
    )


ROUTES = [
    Route("/", lobby),
    Route("/g/{group}", group),
    Route("/r/{room}", room),
    Route("/console/{room}", console),
    Route("/login", login),
    Route("/orders", orders),
    Route("/orders/{order}", order),
    # Scripts and drawings shrink to a third; nothing in them is secret or echoes a request.
    Mount("/static", GZipMiddleware(StaticFiles(directory=STATIC), minimum_size=GZIP_BYTES_MIN)),
]
