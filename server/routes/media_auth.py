"""MediaMTX's authentication callback: an engine asks us whether somebody may publish or read.

Invariant: it says yes only to what our own addresses would say yes to, and to the engine's own
token, which stands for requests that came through us.
"""

from __future__ import annotations

import hmac
from urllib.parse import parse_qs

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from commerce.kernel.errors import CommerceError, not_found
from server.routes.errors import json_response
from server.routes.requests import client_address, read_body
from server.services import services_of
from server.video.tickets import Act

# What MediaMTX names is done with a path; its other actions (api, metrics, pprof) are not ours.
ACTS: dict[str, Act] = {"publish": "publish", "read": "play", "playback": "play"}
# Where a token may stand in an address: our own way, and MediaMTX's for its readers.
QUERY_NAMES = ("access_token", "token", "jwt")


class AuthBody(msgspec.Struct, frozen=True):
    """What MediaMTX sends (`authMethod: http`); fields that decide nothing here are left out."""

    action: str
    path: str = ""
    token: str = ""
    password: str = ""
    query: str = ""


async def authorise(request: Request) -> Response:
    """Answer 200 for yes and 401 or 403 for no; 404 where no such engine is set."""
    video = services_of(request).video
    if video.backend != "whip":
        raise not_found("engine")
    video.paces.check_engine(client_address(request))
    body = await read_body(request, AuthBody)
    act = ACTS.get(body.action)
    if act is None:
        raise CommerceError("forbidden", "Only publishing, reading and playback are asked here.")
    token = _token(body)
    own = video.engine_token
    if own is not None and hmac.compare_digest(token.encode(), own.encode()):
        return json_response({})
    # The path's last part is the room, whatever folders the operator's address has before it.
    room = body.path.strip("/").rpartition("/")[2]
    await video.authorise(act, room, token, begins=True)
    return json_response({})


def _token(body: AuthBody) -> str:
    """Return the token from the header, the password, or the address, in this order."""
    if body.token or body.password:
        return body.token or body.password
    query = parse_qs(body.query.lstrip("?"))
    return next((query[name][0] for name in QUERY_NAMES if name in query), "")


ROUTES = [Route("/internal/media/auth", authorise, methods=["POST"])]
