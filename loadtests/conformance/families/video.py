"""Live video's signalling: tickets, preflights, refusals; no media is sent."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from loadtests.conformance.http import Person, Reply, expect_shape, expect_status
from loadtests.conformance.matching import Each
from loadtests.conformance.model import NotApplicableError, check, require
from loadtests.conformance.shapes import STREAM_KEY, TICKET
from loadtests.conformance.stage import Stage

SECTION = "Live video"
SDP = "application/sdp"
WAYS = (("whip", "publish"), ("whep", "play"))


@check(
    "video.preflight",
    SECTION,
    "OPTIONS needs no token, and says methods, headers and what is taken.",
)
async def preflight(stage: Stage) -> None:
    for way, _ in WAYS:
        reply = await stage.visitor.call(f"OPTIONS /{way}/{stage.target.room}")
        expect_status(reply, 204)
        require(reply.headers.get("accept-post") == SDP, "Accept-Post", reply.headers)
        require(reply.headers.get("access-control-allow-origin") == "*", "CORS", reply.headers)
        methods = reply.headers.get("access-control-allow-methods", "")
        require("POST" in methods, "POST among the methods", methods)
        session = await stage.visitor.call(f"OPTIONS /{way}/{stage.target.room}/x")
        allowed = session.headers.get("allow", "")
        require("PATCH" in allowed and "DELETE" in allowed, "PATCH and DELETE", allowed)


@check(
    "video.no_token",
    SECTION,
    "Without a ticket nothing is answered but a problem, readable from any origin.",
)
async def no_token(stage: Stage) -> None:
    for way, _ in WAYS:
        for method in ("POST", "GET"):
            call = f"{method} /{way}/{stage.target.room}"
            _expect_problem(await stage.visitor.call(call), 401, "unauthenticated")
        forged = Person(stage.target.base_url, token="forged")  # noqa: S106 - it opens nothing.
        _expect_problem(await forged.call(f"POST /{way}/{stage.target.room}"), 401, "invalid_token")
    guest = await stage.guest()
    _expect_problem(await guest.call(f"POST /whep/{stage.target.room}"), 401, "invalid_token")


@check(
    "video.tickets",
    SECTION,
    "The host gets tickets to publish, anybody to play; each is good for its act alone.",
    needs_host=True,
)
async def tickets(stage: Stage) -> None:
    await stage.live_state()
    host = stage.host
    for way, act in WAYS:
        ticket = await _ticket(stage, host, act)
        require(ticket["protocol"] == way, f"protocol {way}", ticket)
        holder = Person(stage.target.base_url, token=ticket["token"])
        other = WAYS[0][0] if way == "whep" else WAYS[1][0]
        call = f"POST /{other}/{stage.target.room}"
        _expect_problem(await holder.call(call), 403, "forbidden")
        call = f"POST /{way}/{stage.target.room}"
        sent = {"Content-Type": "text/plain"}
        refused = await holder.call(call, data=b"v=0", headers=sent)
        _expect_problem(refused, 415, "unsupported_media_type")
        sent = {"Content-Type": SDP}
        refused = await holder.call(call, data=b"hello", headers=sent)
        _expect_problem(refused, 400, "bad_offer")
        call = f"DELETE /{way}/{stage.target.room}/made-up"
        _expect_problem(await holder.call(call), 404, "session_unknown")
    guest = await stage.guest()
    reply = await guest.call(f"POST /api/rooms/{stage.target.room}/video/publish")
    require(reply.status == 403, "403 for a guest who would publish", str(reply))


@check(
    "video.stream_keys",
    SECTION,
    "A stream key is shown once, is listed without itself, and is worthless once revoked.",
    needs_host=True,
)
async def stream_keys(stage: Stage) -> None:
    host, path = stage.host, f"/api/rooms/{stage.target.room}/video/keys"
    made = await host.do(f"POST {path}", {"label": f"kit {uuid4().hex[:8]}"}, status=201)
    expect_shape(made["key"], STREAM_KEY, "a stream key")
    key = made["key"]["id"]
    try:
        listed = await host.get(path)
        expect_shape(listed, {"keys": Each(STREAM_KEY)}, "the keys")
        require(key in [one["id"] for one in listed["keys"]], "the new key", listed)
        require(made["token"] not in str(listed), "no key in the list", listed)
    finally:
        await host.do(f"DELETE {path}/{key}")
    holder = Person(stage.target.base_url, token=made["token"])
    reply = await holder.call(f"GET /whip/{stage.target.room}")
    _expect_problem(reply, 401, "invalid_token")


async def _ticket(stage: Stage, person: Person, act: str) -> Any:
    reply = await person.call(f"POST /api/rooms/{stage.target.room}/video/{act}")
    if reply.status == 409 and reply.json["error"]["code"] == "video_off":
        raise NotApplicableError("this shop carries no live video")
    return expect_shape(expect_status(reply, 201).json, TICKET, "a ticket")


def _expect_problem(reply: Reply, status: int, code: str) -> None:
    """Raise MismatchError unless this is RFC 9457's body with our code, open to any page."""
    require(reply.status == status, f"{reply.call}: status {status}", str(reply))
    kind = reply.headers.get("content-type", "")
    require(kind.startswith("application/problem+json"), "application/problem+json", kind)
    require(f'"code":"{code}"'.encode() in reply.data, f"the code {code}", str(reply))
    require(reply.headers.get("access-control-allow-origin") == "*", "CORS", reply.headers)


CHECKS = (preflight, no_token, tickets, stream_keys)
