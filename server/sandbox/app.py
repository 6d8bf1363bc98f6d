"""The pretend provider's own app, mounted at `/sandbox-pay`: its API for shops and its page.

Invariant: it shares no code path with the shop's routes; the two meet over HTTP alone.
"""

from __future__ import annotations

import hmac
import logging
from urllib.parse import parse_qs

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from server.db.faults import UNAVAILABLE
from server.sandbox.model import (
    Capture,
    NewPayment,
    NewRefund,
    SandboxError,
    SandboxPayment,
)
from server.sandbox.page import PaymentPage, choose_lang
from server.sandbox.service import Sandbox

log = logging.getLogger(__name__)

# The longest call is a new payment with its references.
BODY_BYTES_MAX = 4_096
LANG_COOKIE = "lang"
API_ACTS = frozenset({"capture", "void"})
SINCE_DIGITS_MAX = 15
PAGE_ACTS = frozenset({"pay", "decline"})
SEE_OTHER = 303
PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def sandbox_app(sandbox: Sandbox, *, api_key: str) -> Starlette:
    """Return the provider's app; shops call its API with `api_key`."""
    return Starlette(
        routes=[*_api_routes(sandbox, api_key), *_page_routes(sandbox)],
        exception_handlers={
            SandboxError: _answer_error,
            **dict.fromkeys(UNAVAILABLE, _answer_unavailable),
        },
    )


def _api_routes(sandbox: Sandbox, api_key: str) -> list[Route]:
    """Return what shops call."""

    async def create(request: Request) -> Response:
        _check_key(request, api_key)
        try:
            new = msgspec.json.decode(await _read(request), type=NewPayment)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise SandboxError(422, "invalid_payment", "The body is not a payment.") from None
        return _answer(sandbox, await sandbox.open(new))

    async def status(request: Request) -> Response:
        _check_key(request, api_key)
        return _answer(sandbox, await sandbox.find(request.path_params["id"]))

    async def act(request: Request) -> Response:
        _check_key(request, api_key)
        if request.path_params["act"] not in API_ACTS:
            raise SandboxError(404, "not_found", "There is no such act.")
        wish = _read_capture(await _read(request))
        payment = await sandbox.act(
            request.path_params["id"], request.path_params["act"], wish.amount_minor
        )
        return _answer(sandbox, payment)

    async def refund(request: Request) -> Response:
        _check_key(request, api_key)
        try:
            new = msgspec.json.decode(await _read(request), type=NewRefund)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise SandboxError(422, "invalid_refund", "The body is not a refund.") from None
        payment, done = await sandbox.refund(request.path_params["id"], new)
        return _json({"payment": sandbox.describe(payment), "refund": done}, 200)

    async def list_since(request: Request) -> Response:
        _check_key(request, api_key)
        since = request.query_params.get("since_ms", "0")
        if not since.isascii() or not since.isdigit() or len(since) > SINCE_DIGITS_MAX:
            raise SandboxError(422, "invalid_time", "since_ms is a time in milliseconds.")
        payments, after = await sandbox.list_since(
            int(since), after=request.query_params.get("after")
        )
        return _json({"payments": [sandbox.describe(one) for one in payments], "after": after}, 200)

    return [
        Route("/api/payments", create, methods=["POST"]),
        Route("/api/payments", list_since, methods=["GET"]),
        Route("/api/payments/{id}", status, methods=["GET"]),
        Route("/api/payments/{id}/refunds", refund, methods=["POST"]),
        Route("/api/payments/{id}/{act}", act, methods=["POST"]),
    ]


def _read_capture(body: bytes) -> Capture:
    """Return what a capture asks for; a void asks for nothing."""
    try:
        return msgspec.json.decode(body, type=Capture) if body else Capture()
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise SandboxError(422, "invalid_capture", "The body is not a capture.") from None


def _page_routes(sandbox: Sandbox) -> list[Route]:
    """Return what buyers see."""
    page = PaymentPage()

    async def show(request: Request) -> Response:
        try:
            payment = await sandbox.find_page(request.path_params["key"])
        except SandboxError as error:
            return _page(page.render(None, _lang(request)), status=error.status)
        return _page(page.render(payment, _lang(request)))

    async def choose(request: Request) -> Response:
        form = parse_qs((await _read(request)).decode("latin-1"))
        chosen, card = form.get("act", [""])[0], form.get("card", [""])[0]
        try:
            payment = await sandbox.find_page(request.path_params["key"])
            if chosen not in PAGE_ACTS:
                return _page(page.render(payment, _lang(request)), status=400)
            payment = await sandbox.choose(request.path_params["key"], chosen, card)
        except SandboxError as error:
            if error.status != 409:
                return _page(page.render(None, _lang(request)), status=error.status)
            # Decided or voided before this press: the page says what the payment is now.
            payment = await sandbox.find_page(request.path_params["key"])
            return _page(page.render(payment, _lang(request)), status=error.status)
        return RedirectResponse(payment.return_path, SEE_OTHER, headers=PAGE_HEADERS)

    return [
        Route("/p/{key}", show, methods=["GET"]),
        Route("/p/{key}", choose, methods=["POST"]),
    ]


async def _answer_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, SandboxError)
    return _json({"error": {"code": error.code, "message": error.message}}, error.status)


async def _answer_unavailable(_request: Request, error: Exception) -> Response:
    log.warning("the sandbox has no database: %s", type(error).__name__)
    return _json({"error": {"code": "unavailable", "message": "Try again."}}, 503)


def _answer(sandbox: Sandbox, payment: SandboxPayment) -> Response:
    return _json({"payment": sandbox.describe(payment)}, 200)


def _json(data: object, status: int) -> Response:
    return Response(msgspec.json.encode(data), status, media_type="application/json")


def _page(html: str, status: int = 200) -> Response:
    return HTMLResponse(html, status, headers=PAGE_HEADERS)


def _check_key(request: Request, api_key: str) -> None:
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode(), api_key.encode()):
        raise SandboxError(401, "wrong_key", "The API key is wrong.")


def _lang(request: Request) -> str:
    asked = request.query_params.get("lang") or request.cookies.get(LANG_COOKIE)
    return choose_lang(asked, request.headers.get("accept-language", ""))


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise SandboxError(413, "body_too_large", "The body is too large.")
    return bytes(body)
