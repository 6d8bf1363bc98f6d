"""HTTP: the envelope, and what is refused before anything is done."""

from __future__ import annotations

from uuid import uuid4

from loadtests.conformance.http import expect_error, expect_status
from loadtests.conformance.model import check, require
from loadtests.conformance.stage import FOREIGN_ORIGIN, SESSION_COOKIE, Stage

BODY_BYTES_MAX = 64 * 1024


@check("http.unknown_path", "HTTP", "An unknown address is 404 `not_found`, in the envelope.")
async def unknown_path(stage: Stage) -> None:
    expect_error(await stage.visitor.call("GET /api/nothing-here"), 404, "not_found")


@check("http.wrong_method", "HTTP", "A method that an address does not take is 405.")
async def wrong_method(stage: Stage) -> None:
    expect_error(await stage.visitor.call("PUT /api/guests", {}), 405, "method_not_allowed")


@check("http.bad_json", "HTTP", "A body that is not JSON is 400 `invalid_request`.")
async def bad_json(stage: Stage) -> None:
    for data in (b"{", b"\xff\xfe", b""):
        reply = await stage.visitor.call("POST /api/guests", data=data)
        expect_error(reply, 400, "invalid_request")


@check("http.wrong_field", "HTTP", "`detail.field` names what is wrong in a body.")
async def wrong_field(stage: Stage) -> None:
    error = expect_error(
        await stage.visitor.call("POST /api/guests", {"name": 7}), 400, "invalid_request"
    )
    require(error.get("detail", {}).get("field") == "name", "detail.field is 'name'", error)


@check("http.unknown_fields", "HTTP", "Unknown fields of a body are ignored.")
async def unknown_fields(stage: Stage) -> None:
    body = {"name": "kit", "later": {"more": [1]}}
    expect_status(await stage.visitor.call("POST /api/guests", body), 201)
    stage.left["guests"] += 1


@check("http.media_type", "HTTP", "A body of another type than JSON is 415.")
async def media_type(stage: Stage) -> None:
    reply = await stage.visitor.call(
        "POST /api/guests", {"name": "kit"}, headers={"Content-Type": "text/plain"}
    )
    expect_error(reply, 415, "unsupported_media_type")


@check("http.body_too_large", "Limits", "A body of more than 64 KiB is 413.")
async def body_too_large(stage: Stage) -> None:
    body = {"name": "x" * BODY_BYTES_MAX}
    expect_error(await stage.visitor.call("POST /api/guests", body), 413, "body_too_large")


@check("http.key_required", "HTTP", "A call marked K without `Idempotency-Key` is 400.")
async def key_required(stage: Stage) -> None:
    guest = await stage.guest()
    reply = await guest.call(f"POST /api/sales/{uuid4()}/reservations", {"qty": 1})
    expect_error(reply, 400, "idempotency_key_required")


@check("http.key_form", "HTTP", "A key has 1–200 plain ASCII characters without spaces.")
async def key_form(stage: Stage) -> None:
    guest = await stage.guest()
    for key in ("two words", "k" * 201):
        reply = await guest.call(f"POST /api/sales/{uuid4()}/reservations", {"qty": 1}, key=key)
        expect_error(reply, 400, "invalid_request")


@check("http.unauthenticated", "HTTP", "A call that wants somebody refuses a visitor with 401.")
async def unauthenticated(stage: Stage) -> None:
    for call in ("GET /api/orders", "GET /api/reservations"):
        expect_error(await stage.visitor.call(call), 401, "unauthenticated")


@check("http.invalid_token", "HTTP", "A bad bearer token is 401 `invalid_token`.")
async def invalid_token(stage: Stage) -> None:
    for value in ("Bearer forged", "Basic Zm9v"):
        reply = await stage.visitor.call("GET /api/me", headers={"Authorization": value})
        expect_error(reply, 401, "invalid_token")


@check("http.forbidden", "Calls", "What a host commands is 403 `forbidden` to everybody else.")
async def forbidden(stage: Stage) -> None:
    guest = await stage.guest()
    for call, body in (
        (f"POST {stage.room_path}/start", None),
        (f"POST {stage.room_path}/announce", {"text": "I am not the host."}),
    ):
        expect_error(await guest.call(call, body), 403, "forbidden")


@check("http.foreign_origin", "HTTP", "A write by a page of another site is 403.")
async def foreign_origin(stage: Stage) -> None:
    headers = {"Origin": FOREIGN_ORIGIN}
    reply = await stage.visitor.call("POST /api/guests", {"name": "kit"}, headers=headers)
    expect_error(reply, 403, "foreign_origin")
    guest = await stage.guest()
    headers["Cookie"] = f"{SESSION_COOKIE}={guest.token}"
    reply = await stage.visitor.call(
        f"POST /api/sales/{uuid4()}/reservations", {"qty": 1}, key="k", headers=headers
    )
    expect_error(reply, 403, "foreign_origin")


@check("http.ids", "HTTP", "An id that names nothing, a UUID or not, is 404 `not_found`.")
async def ids(stage: Stage) -> None:
    guest = await stage.guest()
    for order in (str(uuid4()), "no-uuid"):
        expect_error(await guest.call(f"GET /api/orders/{order}"), 404, "not_found")


CHECKS = (
    unknown_path,
    wrong_method,
    bad_json,
    wrong_field,
    unknown_fields,
    media_type,
    body_too_large,
    key_required,
    key_form,
    unauthenticated,
    invalid_token,
    forbidden,
    foreign_origin,
    ids,
)
