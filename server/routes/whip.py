"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep-03): stable addresses, whatever the engine.

Invariant: only tickets and stream keys open these addresses, never a cookie, so any origin may
call them; every answer, refusals too, has the headers that let its page read it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from commerce.kernel.errors import CommerceError
from server.db.faults import UNAVAILABLE
from server.routes.errors import DATABASE_RETRY_MS, HTTP_STATUS, UNLISTED_STATUS
from server.routes.requests import client_address, read_bytes
from server.services import services_of
from server.video.engine import Offer
from server.video.service import Admission, LiveVideo, read_ufrag
from server.video.tickets import Act

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
PROBLEM = "application/problem+json"
# An honest offer has some 5 KiB, with simulcast and all codecs of a browser 15.
SDP_BYTES_MAX = 32_768
PREFLIGHT_S = 86_400
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Location, ETag, Link, Retry-After, Accept-Post, Accept-Patch",
    "Cache-Control": "no-store",
}

Handler = Callable[[Request, Act], Awaitable[Response]]


class CasedName(bytes):
    """A header's name that goes out as it is written: OBS before 29 looked for `Location`."""

    def lower(self) -> bytes:
        """Return it unchanged, where the server would make it small."""
        return self


LOCATION = CasedName(b"Location")


def _answers(act: Act, handle: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Make an endpoint whose refusals are problems (RFC 9457) that any page may read."""

    async def endpoint(request: Request) -> Response:
        try:
            response = await handle(request, act)
        except CommerceError as error:
            response = problem(error)
        except UNAVAILABLE:
            response = problem(
                CommerceError(
                    "database_unavailable",
                    "The database does not answer. Try again.",
                    retryable=True,
                    retry_ms=DATABASE_RETRY_MS,
                )
            )
        for name, value in CORS.items():
            response.headers[name] = value
        return response

    return endpoint


def problem(error: CommerceError) -> Response:
    """Return a refusal as problem+json, with our code in it."""
    status = HTTP_STATUS.get(error.code, UNLISTED_STATUS)
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.message,
        "code": error.code,
        "retryable": error.retryable,
    }
    headers = {}
    if error.retry_ms is not None:
        headers["Retry-After"] = str(-(-error.retry_ms // 1000))
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="video"'
    if status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
        headers |= {"Accept-Post": SDP, "Accept-Patch": FRAGMENT}
    return Response(msgspec.json.encode(body), status, headers, media_type=PROBLEM)


async def _endpoint(request: Request, act: Act) -> Response:
    """Answer at the address of a room."""
    if request.method == "OPTIONS":
        return _options("OPTIONS, GET, HEAD, POST", {"Accept-Post": SDP})
    video = services_of(request).video
    begins = request.method == "POST"
    admission = await _admit(request, video, act, begins=begins)
    if not begins:
        # A player asks what kind of thing this is before it offers anything.
        return Response(b"", media_type=SDP if act == "play" else None)
    video.paces.check("POST", act, holder=admission.ticket.holder, room_id=admission.room.id)
    target = await video.engine.redirect(act, admission.room, _token(request))
    if target is not None:
        response = Response(b"", HTTPStatus.TEMPORARY_REDIRECT)
        response.raw_headers.append((LOCATION, target.encode()))
        return response
    offer = Offer(await _read_text(request, SDP), client_address(request))
    if not offer.sdp.startswith("v=0"):
        raise CommerceError("bad_offer", "The body is no session description.")
    take_over = request.query_params.get("take_over", "0") not in {"", "0"}
    handle, begun = await video.begin(act, admission, offer, take_over=take_over)
    if act == "publish":
        await video.note_use(admission.ticket)
    return _created(request, act, (handle, begun.answer), video, admission, begun.links)


def _created(  # noqa: PLR0913, PLR0917 - the parts of one answer.
    request: Request,
    act: Act,
    session: tuple[str, str],
    video: LiveVideo,
    admission: Admission,
    links: tuple[str, ...],
) -> Response:
    handle, answer = session
    way = "whip" if act == "publish" else "whep"
    response = Response(answer, HTTPStatus.CREATED, media_type=SDP)
    response.headers["ETag"] = etag_of(handle)
    response.headers["Accept-Patch"] = FRAGMENT
    location = f"/{way}/{admission.room.slug}/{handle}"
    response.raw_headers.append((LOCATION, location.encode()))
    own = video.ice.links(admission.ticket.holder, video.now_ms())
    for link in (*own, *links):
        response.headers.append("Link", link)
    return response


async def _session(request: Request, act: Act) -> Response:
    """Answer at the address of a session."""
    if request.method == "OPTIONS":
        return _options("OPTIONS, GET, HEAD, PATCH, DELETE", {"Accept-Patch": FRAGMENT})
    video = services_of(request).video
    admission = await _admit(request, video, act, begins=False)
    text = str(request.path_params["session"])
    handle = video.open_handle(act, text, admission)
    if request.method in {"GET", "HEAD"}:
        return Response(b"")
    video.paces.check(request.method, act, holder=handle.holder, room_id=handle.room_id)
    if request.method == "DELETE":
        await video.engine.end(handle.ref)
        return Response(b"")
    fragment = await _read_text(request, FRAGMENT)
    _check_tag(request.headers.get("if-match"), etag_of(text))
    ufrag = read_ufrag(fragment)
    if ufrag and ufrag != handle.ufrag:
        raise CommerceError(
            "restart_unsupported", "ICE is not restarted here: post a new offer instead."
        )
    await video.engine.trickle(handle.ref, fragment)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _admit(request: Request, video: LiveVideo, act: Act, *, begins: bool) -> Admission:
    """Return whom the request's token admits; its address may not try tokens too fast."""
    video.paces.check_address(client_address(request))
    room = str(request.path_params["room"])
    return await video.authorise(act, room, _token(request), begins=begins)


def _token(request: Request) -> str:
    """Return the bearer token of the header, else of the address (RFC 6750 section 2.3)."""
    header = request.headers.get("authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""
    return request.query_params.get("access_token", "")


async def _read_text(request: Request, media_type: str) -> str:
    """Return the body as text; raises `unsupported_media_type`, `body_too_large`, `bad_offer`."""
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent != media_type:
        raise CommerceError("unsupported_media_type", f"Send {media_type}.")
    body = await read_bytes(request)
    if len(body) > SDP_BYTES_MAX:
        raise CommerceError("body_too_large", "This is longer than any session description.")
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise CommerceError("bad_offer", "The body is not UTF-8.") from None


def etag_of(handle: str) -> str:
    """Return the tag of a session: one for its whole life, as ICE is never restarted."""
    return f'"{hashlib.sha256(handle.encode()).hexdigest()[:24]}"'


def _check_tag(sent: str | None, tag: str) -> None:
    """Raise unless If-Match names this session as it is (RFC 9725 section 4.3.1)."""
    if sent is None:
        raise CommerceError("precondition_required", "Send If-Match with the session's ETag.")
    if sent.strip() != "*" and tag not in {one.strip() for one in sent.split(",")}:
        raise CommerceError("precondition_failed", "If-Match names another state of the session.")


def _options(methods: str, more: dict[str, str]) -> Response:
    """Answer a preflight, or whoever asks what can be sent; nobody has to say who they are."""
    headers = {
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
        "Access-Control-Max-Age": str(PREFLIGHT_S),
        "Allow": methods,
        **more,
    }
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)


ROUTES = [
    Route("/whip/{room}", _answers("publish", _endpoint), methods=["POST", "GET", "OPTIONS"]),
    Route("/whep/{room}", _answers("play", _endpoint), methods=["POST", "GET", "OPTIONS"]),
    Route(
        "/whip/{room}/{session}",
        _answers("publish", _session),
        methods=["PATCH", "DELETE", "GET", "OPTIONS"],
    ),
    Route(
        "/whep/{room}/{session}",
        _answers("play", _session),
        methods=["PATCH", "DELETE", "GET", "OPTIONS"],
    ),
]
