"""Guests, logins, and who is calling."""

from __future__ import annotations

from uuid import uuid4

from loadtests.conformance.http import expect_error, expect_shape, expect_status
from loadtests.conformance.model import check, require
from loadtests.conformance.shapes import USER
from loadtests.conformance.stage import SESSION_COOKIE, Stage


@check("people.guest", "People", "A guest gives a name and gets a token, also as a cookie.")
async def guest(stage: Stage) -> None:
    reply = await stage.visitor.call("POST /api/guests", {"name": "  kit  "})
    body = expect_status(reply, 201).json
    stage.left["guests"] += 1
    expect_shape(body, {"token": str, "user": USER}, "POST /api/guests")
    came = [body["user"]["name"], body["user"]["role"]]
    require(came == ["kit", "guest"], "the trimmed name and the role guest", came)
    cookie = reply.headers.get("set-cookie", "")
    is_cookie = cookie.startswith(f"{SESSION_COOKIE}={body['token']};") and "HttpOnly" in cookie
    require(is_cookie, "the session cookie, HttpOnly, with the same token", cookie)


@check("people.guest_name", "People", "A guest's name has 1–24 visible characters.")
async def guest_name(stage: Stage) -> None:
    for name in ("", "   ", "x" * 25, "a\x07b"):
        error = expect_error(
            await stage.visitor.call("POST /api/guests", {"name": name}), 400, "invalid_request"
        )
        require(error.get("detail", {}).get("field") == "name", "detail.field is 'name'", error)


@check("people.me", "People", "`GET /api/me` says who is calling, null for a visitor.")
async def me(stage: Stage) -> None:
    nobody = await stage.visitor.get("/api/me")
    require(nobody.get("user", 0) is None, '{"user":null}', nobody)
    somebody = await stage.guest()
    came = await somebody.get("/api/me")
    require(came == {"user": somebody.user}, f"{somebody.user}", came)


@check("people.cookie", "HTTP", "The session cookie counts; a stale one makes a visitor.")
async def cookie(stage: Stage) -> None:
    somebody = await stage.guest()
    for value, user in ((somebody.token, somebody.user), ("stale", None)):
        headers = {"Cookie": f"{SESSION_COOKIE}={value}"}
        came = expect_status(await stage.visitor.call("GET /api/me", headers=headers), 200).json
        require(came == {"user": user}, f"the user {user}", came)


@check("people.bad_login", "People", "A wrong login is 401 `bad_credentials`.")
async def bad_login(stage: Stage) -> None:
    body = {"login": f"nobody-{uuid4().hex[:8]}", "password": "wrong"}
    expect_error(await stage.visitor.call("POST /api/login", body), 401, "bad_credentials")


@check("people.host", "People", "The host's token is a host's.", needs_host=True)
async def host(stage: Stage) -> None:
    came = await stage.host.get("/api/me")
    expect_shape(came, {"user": USER}, "GET /api/me")
    require(came["user"]["role"] == "host", "the role host", came)


@check("people.logout", "People", "`POST /api/logout` answers no user and takes the cookie away.")
async def logout(stage: Stage) -> None:
    reply = expect_status(await stage.visitor.call("POST /api/logout"), 200)
    require(reply.json.get("user", 0) is None, '{"user":null}', reply.json)
    came = reply.headers.get("set-cookie", "")
    require(came.startswith(f"{SESSION_COOKIE}="), "a cookie that is taken away", came)


CHECKS = (guest, guest_name, me, cookie, bad_login, host, logout)
