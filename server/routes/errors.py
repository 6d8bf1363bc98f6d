"""Every HTTP error of Hubbub: one table from code to status, one envelope, no traceback.

Invariant: whatever goes wrong, the answer is `{"error": {code, message, retryable, …}}` with a
code of this table; what went wrong inside is in the log, never in the answer.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from commerce.kernel.errors import CommerceError
from server.db.faults import IMPOSSIBLE_VALUE, UNAVAILABLE

log = logging.getLogger(__name__)

HTTP_STATUS: Mapping[str, int] = {
    # The request itself.
    "invalid_request": 400,
    "idempotency_key_required": 400,
    "bad_signature": 400,
    "not_found": 404,
    "method_not_allowed": 405,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "unknown_command": 400,
    "idempotency_conflict": 422,
    "amount_mismatch": 422,
    # Who is asking.
    "unauthenticated": 401,
    "invalid_token": 401,
    "bad_credentials": 401,
    "forbidden": 403,
    "foreign_origin": 403,
    "slow_down": 429,
    "permit_required": 403,
    "permit_invalid": 403,
    "not_present_long_enough": 403,
    "too_many_unpaid": 429,
    # The state of things says no.
    "sold_out": 409,
    "held_out": 409,
    "not_held_out": 409,
    "already_waiting": 409,
    "list_full": 409,
    "draw_only": 409,
    "not_a_draw": 409,
    "entries_closed": 409,
    "already_entered": 409,
    "group_only": 409,
    "not_a_group_buy": 409,
    "already_in_group": 409,
    "group_full": 409,
    "group_over": 409,
    "already_grouped": 409,
    "not_enough_left": 409,
    "limit_reached": 409,
    "halted": 409,
    "not_open": 409,
    "ended": 409,
    "wrong_state": 409,
    "not_captured": 409,
    "total_not_payable": 409,
    "refund_too_large": 409,
    "reservation_gone": 409,
    "campaign_price_exists": 409,
    "not_enough_stock": 409,
    "below_claimed": 409,
    "coupon_not_usable": 409,
    "coupons_gone": 409,
    "coupon_halted": 409,
    "account_too_new": 403,
    "already_dropping": 409,
    "not_enough_coupons": 409,
    "cart_refused": 409,
    "no_show": 409,
    "show_not_live": 409,
    "already_in_bag": 409,
    "not_in_bag": 409,
    "bag_full": 409,
    "item_pinned": 409,
    "already_on_flash": 409,
    "price_needs_confirmation": 409,
    "sku_taken": 409,
    "staff_not_muted": 409,
    # Live video.
    "bad_offer": 400,
    "session_unknown": 404,
    "video_off": 409,
    "not_live": 409,
    "publisher_present": 409,
    "publisher_too_fast": 429,
    "keys_full": 409,
    "precondition_failed": 412,
    "offer_unsupported": 422,
    "restart_unsupported": 422,
    "precondition_required": 428,
    "engine_refused": 502,
    "video_full": 503,
    "video_busy": 503,
    "media_unavailable": 503,
    # Ours to repair.
    "internal": 500,
    "unknown_outcome": 503,
    "provider_unavailable": 503,
    "provider_refused": 502,
    "database_unavailable": 503,
    "overloaded": 503,
}

# A code that is not in the table is a refusal all the same; a test keeps the table complete.
UNLISTED_STATUS = 409

FRAMEWORK_CODES: Mapping[int, tuple[str, str]] = {
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take that method."),
    413: ("body_too_large", "The body is larger than this server reads."),
    415: ("unsupported_media_type", "Send JSON with Content-Type: application/json."),
}

DATABASE_RETRY_MS = 1_000


def error_response(error: CommerceError) -> Response:
    """Return the envelope of an error, with `Retry-After` when the error names a time."""
    body: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "retryable": error.retryable,
    }
    headers: dict[str, str] = {}
    if error.detail is not None:
        body["detail"] = error.detail
    if error.retry_ms is not None:
        body["retry_ms"] = error.retry_ms
        headers["Retry-After"] = str(-(-error.retry_ms // 1000))
    status = HTTP_STATUS.get(error.code, UNLISTED_STATUS)
    return json_response({"error": body}, status=status, headers=headers)


def json_response(
    data: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return `data` (builtins or structs) as JSON; who asks again asks the server."""
    return Response(
        msgspec.json.encode(data),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


async def answer_commerce_error(_request: Request, error: Exception) -> Response:
    """Answer a refusal or a bad request."""
    assert isinstance(error, CommerceError)
    return error_response(error)


async def answer_framework_error(_request: Request, error: Exception) -> Response:
    """Answer what the router refuses: unknown address, wrong method."""
    assert isinstance(error, HTTPException)
    code, message = FRAMEWORK_CODES.get(
        error.status_code, ("invalid_request", "The request cannot be read.")
    )
    response = error_response(CommerceError(code, message))
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


async def answer_unavailable(_request: Request, error: Exception) -> Response:
    """Answer while PostgreSQL is away or has no free connection."""
    log.warning("the database is unavailable: %s", type(error).__name__)
    return error_response(
        CommerceError(
            "database_unavailable",
            "The database does not answer. Try again.",
            retryable=True,
            retry_ms=DATABASE_RETRY_MS,
        )
    )


async def answer_impossible_value(_request: Request, error: Exception) -> Response:
    """Answer for a value that the edge let through and no column can hold."""
    log.warning("a value was refused by the database: %s", type(error).__name__)
    return error_response(CommerceError("invalid_request", "A value is out of range."))


async def answer_bug(request: Request, error: Exception) -> Response:
    """Answer a bug: log it with its traceback, tell nothing of it."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return error_response(CommerceError("internal", "Something went wrong here."))


EXCEPTION_HANDLERS: Mapping[type[Exception], ExceptionHandler] = {
    CommerceError: answer_commerce_error,
    HTTPException: answer_framework_error,
    **dict.fromkeys(UNAVAILABLE, answer_unavailable),
    **dict.fromkeys(IMPOSSIBLE_VALUE, answer_impossible_value),
    Exception: answer_bug,
}
