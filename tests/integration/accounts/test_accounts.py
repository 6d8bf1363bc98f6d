"""Coming in: names, logins, the brake on guessing, tokens, cookies, and whose page it is."""

from __future__ import annotations

import asyncio

import httpx
import jwt
import pytest

from commerce.members.accounts.model import DEMO_STAFF
from commerce.members.accounts.rules import FAILURES_OF_ADDRESS_MAX, FAILURES_OF_LOGIN_MAX
from commerce.members.accounts.service import has_demo_logins
from tests.support.till import ORIGIN, Till

HOST = {"login": "host", "password": "demo-host"}


async def try_password(client: httpx.AsyncClient, login: str, password: str) -> str:
    """Log in once and return `ok` or the error's code."""
    response = await client.post("/api/login", json={"login": login, "password": password})
    return "ok" if response.status_code == 200 else str(response.json()["error"]["code"])


async def test_a_guest_comes_in_with_one_call(till: Till) -> None:
    """The token and the cookie both say who it is from now on."""
    client = till.client()

    response = await client.post("/api/guests", json={"name": "  Lena  "})

    assert response.status_code == 201
    user = response.json()["user"]
    assert (user["name"], user["role"]) == ("Lena", "guest")
    cookie = response.headers["set-cookie"]
    assert "hubbub_session=" in cookie
    for part in ("HttpOnly", "SameSite=lax", "Path=/", "Max-Age=2592000"):
        assert part in cookie
    assert "Secure" not in cookie
    assert (await client.get("/api/me")).json() == {"user": user}
    token = response.json()["token"]
    by_token = await till.client(token).get("/api/me")
    assert by_token.json() == {"user": user}
    assert (await till.client().get("/api/me")).json() == {"user": None}


async def test_leaving_ends_the_session(till: Till) -> None:
    """The cookie is gone after logout."""
    client = till.client()
    await client.post("/api/guests", json={"name": "Lena"})
    assert (await client.post("/api/logout")).status_code == 200
    assert (await client.get("/api/me")).json() == {"user": None}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"{",
        b'{"name": 5}',
        b'{"name": ""}',
        b'{"name": "   "}',
        b'{"name": "1234567890123456789012345"}',
        b'{"name": "a\\u0000b"}',
        b'{"name": "a\\u202eb"}',
        b'{"name": "\\ud800"}',
        b'{"name": "\xff"}',
        b'{"name": ' + b"9" * 5_000 + b"}",
        b"[" * 30_000,
    ],
)
async def test_a_wrong_body_is_one_stable_error(till: Till, body: bytes) -> None:
    """400 `invalid_request`, no traceback, nobody comes in."""
    response = await till.client().post(
        "/api/guests", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_request"
    assert "Traceback" not in response.text
    assert await till.values("SELECT count(*) FROM users") == [0]


async def test_unknown_fields_are_ignored(till: Till) -> None:
    """A newer page may send more."""
    response = await till.client().post("/api/guests", json={"name": "L", "mood": [1, {}]})
    assert response.status_code == 201


@pytest.mark.parametrize("is_declared", [True, False])
async def test_a_large_body_is_not_read(till: Till, is_declared: bool) -> None:
    """1 MB is 413, with a Content-Length and without one."""

    async def chunks() -> object:
        for _ in range(16):
            yield b"x" * 65_536

    content = b"x" * 1_048_576 if is_declared else chunks()
    response = await till.client().post(
        "/api/guests", content=content, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "body_too_large"


async def test_addresses_methods_and_media_types_have_codes(till: Till) -> None:
    """404, 405 and 415 in the same envelope."""
    client = till.client()
    nothing = await client.get("/api/nothing")
    method = await client.get("/api/guests")
    media = await client.post(
        "/api/guests",
        content=b"name=L",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert (nothing.status_code, nothing.json()["error"]["code"]) == (404, "not_found")
    assert (method.status_code, method.json()["error"]["code"]) == (405, "method_not_allowed")
    assert method.headers["allow"] == "POST"
    assert (media.status_code, media.json()["error"]["code"]) == (415, "unsupported_media_type")


async def test_staff_logs_in_with_a_password(till: Till) -> None:
    """Right password in, wrong password and unknown login the same 401."""
    await till.accounts.add_staff(DEMO_STAFF)
    client = till.client()
    response = await client.post("/api/login", json=HOST)
    assert response.status_code == 200
    assert response.json()["user"]["role"] == "host"
    assert response.json()["user"]["name"] == "Xiaoman Ceramics"
    assert await try_password(client, "host", "wrong") == "bad_credentials"
    assert await try_password(client, "nobody", "demo-host") == "bad_credentials"
    assert await try_password(client, "host", "x" * 500) == "bad_credentials"


async def test_seeding_staff_twice_changes_nothing(till: Till) -> None:
    """The same people, one account each, also when two processes seed at once."""
    async with till.database.reading() as connection:
        assert not await has_demo_logins(connection)
    first, second = await asyncio.gather(
        till.accounts.add_staff(DEMO_STAFF), till.accounts.add_staff(DEMO_STAFF)
    )
    assert first == second
    assert await till.values("SELECT count(*) FROM users") == [3]
    async with till.database.reading() as connection:
        assert await has_demo_logins(connection)
    assert await till.values("SELECT avatar FROM users WHERE role = 'host'") == [
        "/static/img/host/xiaoman.svg"
    ]


async def test_guessing_one_login_is_slowed_down(till: Till) -> None:
    """After its failures even the right password waits, and the answer says how long."""
    await till.accounts.add_staff(DEMO_STAFF)
    client = till.client()
    for _ in range(FAILURES_OF_LOGIN_MAX):
        assert await try_password(client, "host", "wrong") == "bad_credentials"

    response = await client.post("/api/login", json=HOST)

    assert response.status_code == 429
    error = response.json()["error"]
    assert (error["code"], error["retryable"]) == ("slow_down", True)
    assert 0 < error["retry_ms"] <= 900_000
    assert int(response.headers["retry-after"]) > 0
    assert await try_password(client, "operator", "demo-operator") == "ok"
    await till.change("UPDATE login_failures SET at_ms = at_ms - 900001")
    assert await try_password(client, "host", "demo-host") == "ok"
    assert await till.values("SELECT count(*) FROM login_failures WHERE login = 'host'") == [0]


async def test_guessing_many_logins_is_slowed_down_by_address(till: Till) -> None:
    """A list of logins from one address stops as well."""
    client = till.client()
    codes = [
        await try_password(client, f"name-{number}", "x")
        for number in range(FAILURES_OF_ADDRESS_MAX + 1)
    ]
    assert codes[:-1] == ["bad_credentials"] * FAILURES_OF_ADDRESS_MAX
    assert codes[-1] == "slow_down"


async def test_a_burst_of_guesses_does_not_outrun_the_brake(till: Till) -> None:
    """Parallel attempts are counted before their passwords are checked."""
    await till.accounts.add_staff(DEMO_STAFF)
    client = till.client()
    codes = await asyncio.gather(
        *(try_password(client, "host", "wrong") for _ in range(FAILURES_OF_LOGIN_MAX + 10))
    )
    assert codes.count("bad_credentials") == FAILURES_OF_LOGIN_MAX
    assert codes.count("slow_down") == 10


async def test_forged_and_expired_tokens_are_refused(till: Till) -> None:
    """Another key, no algorithm, an old date, nonsense: 401 `invalid_token`."""
    claims = {"sub": "1", "name": "M", "role": "operator", "exp": 4_000_000_000}
    old = {**claims, "exp": 1_000_000_000}
    tokens = [
        jwt.encode(claims, "another key of at least thirty-two bytes", algorithm="HS256"),
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(old, b"a key of at least thirty-two bytes", algorithm="HS256"),
        "nonsense",
        "x" * 10_000,
    ]
    for token in tokens:
        response = await till.client(token).get("/api/orders")
        assert response.status_code == 401
        assert response.json()["error"]["code"] == "invalid_token"
    basic = await till.client().get("/api/me", headers={"Authorization": "Basic eDp5"})
    assert basic.json()["error"]["code"] == "invalid_token"


async def test_a_stale_cookie_makes_a_visitor(till: Till) -> None:
    """Pages still open; calls that need somebody say `unauthenticated`."""
    client = till.client()
    client.cookies.set("hubbub_session", "stale", domain="shop.test")
    assert (await client.get("/api/me")).json() == {"user": None}
    response = await client.get("/api/orders")
    assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://shop.test.evil.test"}, 403),
        ({"Origin": "http://[broken"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": ORIGIN}, 404),
        ({"Sec-Fetch-Site": "same-origin"}, 404),
        ({}, 404),
    ],
)
async def test_a_write_by_cookie_comes_from_our_own_pages(
    till: Till, headers: dict[str, str], status: int
) -> None:
    """A foreign page cannot act with a visitor's cookie; 404 here means it was let through."""
    client = till.client()
    await client.post("/api/guests", json={"name": "Lena"})
    url = "/api/orders/00000000-0000-0000-0000-000000000000/cancel"
    response = await client.post(url, headers=headers | {"Idempotency-Key": "cancel"})
    assert response.status_code == status
    if status == 403:
        assert response.json()["error"]["code"] == "foreign_origin"


async def test_a_foreign_page_cannot_sign_somebody_in_or_out(till: Till) -> None:
    """Login, guest entry and logout check the Origin as well, cookie or not."""
    foreign = {"Origin": "https://evil.test"}
    for url, body in (
        ("/api/guests", {"name": "M"}),
        ("/api/login", HOST),
        ("/api/logout", {}),
    ):
        response = await till.client().post(url, json=body, headers=foreign)
        assert response.json()["error"]["code"] == "foreign_origin"
    assert await till.values("SELECT count(*) FROM users") == [0]


async def test_a_token_needs_no_origin(till: Till) -> None:
    """A bearer token is no cookie: other sites' pages do not have it."""
    buyer = await till.buyer()
    response = await buyer.client.get("/api/orders", headers={"Origin": "https://other.test"})
    assert response.status_code == 200


@pytest.mark.parametrize("order", ["no-uuid", "0", "%00", "a%0ab", "9" * 400])
async def test_an_impossible_id_names_nothing(till: Till, order: str) -> None:
    """404, never a database error."""
    buyer = await till.buyer()
    response = await buyer.client.get(f"/api/orders/{order}")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


async def test_a_bug_and_a_lost_database_have_codes(till: Till) -> None:
    """500 `internal` and 503 `database_unavailable`, both without a word about the inside."""
    buyer = await till.buyer()
    await till.change("ALTER TABLE orders RENAME COLUMN ship_to TO elsewhere")
    bug = await buyer.client.get("/api/orders")
    assert (bug.status_code, bug.json()["error"]["code"]) == (500, "internal")
    assert "ship_to" not in bug.text
    await till.database.close()
    lost = await buyer.client.get("/api/orders")
    assert (lost.status_code, lost.json()["error"]["code"]) == (503, "database_unavailable")
    assert lost.json()["error"]["retryable"] is True
