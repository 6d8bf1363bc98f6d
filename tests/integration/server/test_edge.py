"""Bad input, foreign rooms and missing rights: a stable code each, and nothing changes."""

from __future__ import annotations

import re
import uuid
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from server.wiring.commerce import build_tokens
from server.wiring.gateway import GatewayProcess
from tests.support.shop import make_shop, make_user

NOBODY = str(uuid.UUID(int=7))
TERMS = {
    "sku": "demo-tea-bowl",
    "price_minor": 19_900,
    "quantity": 5,
    "per_buyer": 1,
    "countdown_s": 0,
    "duration_s": 60,
}


class Person:
    """Somebody with a token over the in-process application."""

    def __init__(self, http: httpx.AsyncClient, token: str) -> None:
        self.http = http
        self.headers = {"Authorization": f"Bearer {token}"}

    async def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = "", **more: Any
    ) -> tuple[int, Any]:
        """Call with `key` (None: none, empty: a fresh one); return (status, code or body)."""
        headers = dict(self.headers)
        if key is not None:
            headers["Idempotency-Key"] = key or str(uuid.uuid4())
        response = await self.http.request(method, path, json=body, headers=headers, **more)
        answer = response.json()
        return response.status_code, answer.get("error", {}).get("code", answer)


async def sign_in(http: httpx.AsyncClient, path: str, body: dict[str, str]) -> Person:
    """Come in and forget the cookie: these tests speak by token."""
    token = (await http.post(path, json=body)).json()["token"]
    http.cookies.clear()
    return Person(http, token)


async def staff(gateway: GatewayProcess, http: httpx.AsyncClient, role: str) -> Person:
    """Return a member of the demo's staff; logging in, with its slow hash, has its own tests."""
    services = gateway.app.state.services
    async with services.database.reading() as connection:
        row = await connection.fetchrow("SELECT id::text, name FROM users WHERE role = $1", role)
    tokens = build_tokens(services.settings)
    identity = tokens.identity(user_id=row["id"], name=row["name"], role=role)
    return Person(http, tokens.issue(identity))


@pytest.fixture
async def host(gateway: GatewayProcess, http: httpx.AsyncClient) -> Person:
    """The demo room's host, with a live show."""
    person = await staff(gateway, http, "host")
    await person.call("POST", "/api/rooms/demo/start")
    return person


@pytest.fixture
async def guest(http: httpx.AsyncClient) -> Person:
    """A guest."""
    return await sign_in(http, "/api/guests", {"name": "Lin"})


async def snapshot(http: httpx.AsyncClient) -> Any:
    """Return the room's state, to see that nothing changed."""
    return (await http.get("/api/rooms/demo")).json()


HOST_COMMANDS = [
    ("POST", "/api/rooms/demo/start", None),
    ("POST", "/api/rooms/demo/end", None),
    ("POST", "/api/rooms/demo/pin", {"item": NOBODY}),
    ("POST", "/api/rooms/demo/unpin", None),
    ("POST", "/api/rooms/demo/announce", {"text": "Hi"}),
    ("POST", "/api/rooms/demo/bag", {"sku": "demo-teapot"}),
    ("DELETE", f"/api/rooms/demo/bag/{NOBODY}", None),
    ("POST", "/api/rooms/demo/shows", {"title": "Next", "starts_at_ms": 1}),
    ("POST", "/api/rooms/demo/flash-sales", TERMS),
    ("DELETE", f"/api/rooms/demo/chat/{NOBODY}", None),
    ("POST", "/api/rooms/demo/mutes", {"user": NOBODY, "minutes": 5}),
    ("DELETE", f"/api/rooms/demo/mutes/{NOBODY}", None),
    ("GET", "/api/rooms/demo/console", None),
    ("PUT", "/api/rooms/demo/modes", {"slow_s": 5}),
    ("GET", "/api/products", None),
    ("GET", "/api/audit", None),
]


async def test_guests_and_visitors_command_nothing(
    http: httpx.AsyncClient, host: Person, guest: Person
) -> None:
    before = await snapshot(http)
    for method, path, body in HOST_COMMANDS:
        assert await guest.call(method, path, body) == (403, "forbidden"), path
        visitor = await http.request(method, path, json=body, headers={"Idempotency-Key": "k"})
        code = visitor.json()["error"]["code"]
        assert (visitor.status_code, code) == (401, "unauthenticated"), path
    assert await snapshot(http) == before


async def test_a_host_commands_only_the_own_room(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person
) -> None:
    database = gateway.app.state.services.database
    other = await make_shop(database, slug="other")
    for method, path, body in HOST_COMMANDS:
        if "/rooms/demo/" in path:
            foreign = path.replace("/rooms/demo/", "/rooms/other/")
            assert await host.call(method, foreign, body) == (403, "forbidden"), path
    async with database.reading() as connection:
        sale_id = await connection.fetchval(
            "SELECT id::text FROM sales WHERE room_id = $1", other.room.id
        )
    assert (await host.call("POST", f"/api/sales/{sale_id}/close"))[0] == 403


async def test_a_moderator_keeps_order_and_sees_no_money(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person
) -> None:
    moderator = await staff(gateway, http, "moderator")
    muted = await make_user(gateway.app.state.services.database)
    body = {"user": muted, "minutes": 10, "reason": "links"}
    assert (await moderator.call("POST", "/api/rooms/demo/mutes", body))[0] == 201
    assert (await moderator.call("DELETE", f"/api/rooms/demo/mutes/{muted}"))[0] == 200
    status, console = await moderator.call("GET", "/api/rooms/demo/console")
    assert status == 200
    assert "orders" not in console
    assert "gmv_minor" not in console["figures"]
    assert console["audit"] is None
    assert console["delivery"]["share"] is None
    for method, path, body in HOST_COMMANDS[:9]:
        assert await moderator.call(method, path, body) == (403, "forbidden")


async def test_staff_are_not_muted(http: httpx.AsyncClient, host: Person) -> None:
    host_id = (await snapshot(http))["host"]["id"]
    body = {"user": host_id, "minutes": 5}
    assert await host.call("POST", "/api/rooms/demo/mutes", body) == (409, "staff_not_muted")


IMPOSSIBLE_TERMS: list[tuple[dict[str, Any], str]] = [
    ({"quantity": 0}, "quantity"),
    ({"quantity": -1}, "quantity"),
    ({"quantity": "5"}, "quantity"),
    ({"quantity": 1.5}, "quantity"),
    ({"quantity": 10**30}, "quantity"),
    ({"price_minor": -1}, "price_minor"),
    ({"per_buyer": 0}, "per_buyer"),
    ({"countdown_s": -1}, "countdown_s"),
    ({"duration_s": 0}, "duration_s"),
    ({"hold_s": 0}, "hold_s"),
    ({"sku": 7}, "sku"),
]


async def test_impossible_terms_are_refused_by_field(http: httpx.AsyncClient, host: Person) -> None:
    before = await snapshot(http)
    for change, field in IMPOSSIBLE_TERMS:
        response = await http.post(
            "/api/rooms/demo/flash-sales",
            json=TERMS | change,
            headers=host.headers | {"Idempotency-Key": "k"},
        )
        error = response.json()["error"]
        assert (response.status_code, error["code"]) == (400, "invalid_request"), change
        assert error["detail"]["field"] == field
    assert await snapshot(http) == before


async def test_a_flash_sale_needs_goods_in_the_bag_and_enough_of_them(
    http: httpx.AsyncClient, host: Person
) -> None:
    for change, expected in [
        ({"sku": "nothing"}, (409, "not_in_bag")),
        ({"quantity": 100_000}, (409, "not_enough_stock")),
    ]:
        path = "/api/rooms/demo/flash-sales"
        assert await host.call("POST", path, TERMS | change) == expected


async def test_same_key_is_the_same_sale_and_other_terms_a_conflict(
    http: httpx.AsyncClient, host: Person
) -> None:
    path = "/api/rooms/demo/flash-sales"
    first = await host.call("POST", path, TERMS, key="k1")
    again = await host.call("POST", path, TERMS, key="k1")
    assert first[0] == again[0] == 201
    assert first[1]["sale"]["id"] == again[1]["sale"]["id"]
    other = await host.call("POST", path, TERMS | {"quantity": 6}, key="k1")
    assert other == (422, "idempotency_conflict")
    assert await host.call("POST", path, TERMS, key="k2") == (409, "already_on_flash")


async def arm(host: Person, **change: int) -> str:
    """Arm a flash sale and return its id."""
    status, answer = await host.call("POST", "/api/rooms/demo/flash-sales", TERMS | change)
    assert status == 201
    return str(answer["sale"]["id"])


async def test_writes_that_move_stock_need_a_key(
    http: httpx.AsyncClient, host: Person, guest: Person
) -> None:
    sale_id = await arm(host)
    needed = (400, "idempotency_key_required")
    path = f"/api/sales/{sale_id}/reservations"
    assert await guest.call("POST", path, {"qty": 1}, key=None) == needed
    assert await guest.call("DELETE", f"/api/reservations/{NOBODY}", key=None) == needed
    assert await guest.call("POST", "/api/orders", {"reservations": []}, key=None) == needed
    assert await guest.call("POST", f"/api/orders/{NOBODY}/cancel", key=None) == needed
    assert await host.call("POST", f"/api/sales/{sale_id}/close", key=None) == needed
    assert await host.call("POST", "/api/rooms/demo/flash-sales", TERMS, key=None) == needed


async def test_impossible_quantities_are_refused(
    http: httpx.AsyncClient, host: Person, guest: Person
) -> None:
    sale_id = await arm(host)
    for qty in (0, -1, 1001, "1", 1.5, None, 10**30, True):
        answer = await guest.call("POST", f"/api/sales/{sale_id}/reservations", {"qty": qty})
        assert answer == (400, "invalid_request"), qty


async def test_reserving_over_http_answers_every_refusal(
    http: httpx.AsyncClient, host: Person, guest: Person
) -> None:
    sale_id = await arm(host, quantity=1, countdown_s=600)
    path = f"/api/sales/{sale_id}/reservations"
    assert await guest.call("POST", path, {"qty": 1}) == (409, "not_open")
    assert (await host.call("POST", f"/api/sales/{sale_id}/cancel", {"reason": "typo"}))[0] == 200
    assert await guest.call("POST", path, {"qty": 1}) == (409, "ended")
    sale_id = await arm(host, quantity=1)
    path = f"/api/sales/{sale_id}/reservations"
    status, answer = await guest.call("POST", path, {"qty": 1}, key="mine")
    assert status == 201
    assert answer["reservation"]["state"] == "held"
    assert await guest.call("POST", path, {"qty": 1}, key="other") in [
        (409, "held_out"),
        (409, "limit_reached"),
    ]
    assert await guest.call("POST", path, {"qty": 2}, key="mine") == (422, "idempotency_conflict")
    mine = answer["reservation"]["id"]
    thief = await sign_in(http, "/api/guests", {"name": "Thief"})
    assert await thief.call("DELETE", f"/api/reservations/{mine}") == (404, "not_found")
    for unknown in (NOBODY, "not-an-id", "%00", "../../etc"):
        status, _ = await guest.call("POST", f"/api/sales/{unknown}/reservations", {"qty": 1})
        assert status == 404


NO_BODIES = [
    (b"", 400),
    (b"{", 400),
    (b"[]", 400),
    (b'{"item": "\xff\xfe"}', 400),
    (b'{"item": null}', 400),
    (b"[" * 50_000, 400),
    (b'{"item": "' + b"a" * 1_000_000 + b'"}', 413),
]


async def test_bodies_that_are_no_bodies(http: httpx.AsyncClient, host: Person) -> None:
    for content, expected in NO_BODIES:
        response = await http.post(
            "/api/rooms/demo/pin",
            content=content,
            headers=host.headers | {"Content-Type": "application/json"},
        )
        assert response.status_code == expected, content[:20]
        assert response.json()["error"]["code"] in ("invalid_request", "body_too_large")


async def test_unknown_rooms_and_addresses_are_not_found(
    http: httpx.AsyncClient, host: Person
) -> None:
    for path in ("/api/rooms/nowhere", "/api/rooms/%00", "/api/rooms/DROP%20TABLE", "/api/what"):
        response = await http.get(path)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")
    assert await host.call("POST", "/api/rooms/nowhere/start") == (404, "not_found")


async def test_ending_a_show_ends_its_sales(
    http: httpx.AsyncClient, host: Person, guest: Person
) -> None:
    sale_id = await arm(host)
    assert (await host.call("POST", "/api/rooms/demo/end"))[0] == 200
    path = f"/api/sales/{sale_id}/reservations"
    assert await guest.call("POST", path, {"qty": 1}) == (409, "ended")
    state = await snapshot(http)
    assert state["show"]["status"] == "ended"
    assert await host.call("POST", "/api/rooms/demo/end") == (409, "show_not_live")
    assert (await host.call("POST", "/api/rooms/demo/start"))[0] == 200
    again = await snapshot(http)
    assert [item["no"] for item in again["bag"]] == list(range(1, 8))
    assert (await host.call("POST", "/api/rooms/demo/start"))[0] == 200


async def test_pages_have_a_strict_policy_and_both_languages(
    http: httpx.AsyncClient, host: Person
) -> None:
    for path, words in (
        ("/", "Hubbub"),
        ("/r/demo", "Xiaoman Ceramics"),
        ("/login", "Hubbub"),
        ("/orders", ""),
    ):
        page = await http.get(f"{path}?lang=en")
        assert page.status_code == 200
        assert words in page.text
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
    assert 'lang="zh-Hans"' in (await http.get("/r/demo?lang=zh")).text
    assert (await http.get("/r/nowhere")).status_code == 404
    refused = await http.get("/console/demo")
    assert refused.headers["location"] == "/login?next=/console/demo"
    evil = await http.get("/login?next=//evil.example/x")
    assert "evil.example" not in evil.text


async def test_text_of_people_is_escaped_in_pages(http: httpx.AsyncClient, host: Person) -> None:
    nasty = "</script><img src=x onerror=alert(1)>"
    await host.call("POST", "/api/rooms/demo/announce", {"text": nasty})
    page = (await http.get("/r/demo")).text
    assert nasty not in page
    assert "</script><img" not in page


async def test_every_request_has_a_name_in_answer_and_log(
    http: httpx.AsyncClient, host: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="server.access_log")
    await http.get("/api/me?t=secret", headers=host.headers | {"X-Request-Id": "given-by-proxy"})
    forged = await http.get("/api/me", headers={"X-Request-Id": "a b\tforged"})
    assert forged.headers["x-request-id"] != "a b\tforged"
    assert forged.headers["x-content-type-options"] == "nosniff"
    line = next(record for record in caplog.records if record.message == "request")
    assert (line.method, line.path, line.status) == ("GET", "/api/me", 200)
    assert "secret" not in caplog.text


async def test_products_with_variants_can_be_made_and_sold(
    http: httpx.AsyncClient, host: Person, guest: Person
) -> None:
    product = {
        "title": "Tea caddy",
        "title_zh": "茶叶罐",
        "picture": "/static/img/goods/teapot.svg",
        "variants": [
            {"sku": "caddy-s", "label": "small", "price_minor": 5_900, "quantity": 2},
            {"sku": "caddy-l", "label": "large", "price_minor": 8_900, "quantity": 3},
        ],
    }
    assert (await guest.call("POST", "/api/products", product))[0] == 403
    assert (await host.call("POST", "/api/products", product))[0] == 201
    assert await host.call("POST", "/api/products", product) == (409, "sku_taken")
    remote = product | {"picture": "https://elsewhere.example/x.png"}
    assert await host.call("POST", "/api/products", remote) == (400, "invalid_request")
    status, answer = await host.call("POST", "/api/rooms/demo/bag", {"sku": "caddy-l"})
    assert (status, answer["no"]) == (201, 8)
    again = await host.call("POST", "/api/rooms/demo/bag", {"sku": "caddy-l"})
    assert again == (409, "already_in_bag")
    item = (await snapshot(http))["bag"][-1]
    assert (item["title"], item["title_zh"]) == ("Tea caddy, large", "茶叶罐，large")
    path = f"/api/sales/{item['sale']}/reservations"
    assert await guest.call("POST", path, {"qty": 4}) == (409, "not_enough_left")
    assert (await guest.call("POST", path, {"qty": 3}))[0] == 201


async def test_the_rooms_first_load_stays_small(http: httpx.AsyncClient, host: Person) -> None:
    page = (await http.get("/r/demo")).text
    urls = set(re.findall(r'(?:href|src)="(/static/[^"#]+\.(?:css|js))"', page))
    assert len(urls) > 10
    seen_bytes = len(page.encode())
    waiting = list(urls)
    while waiting:
        url = waiting.pop()
        answer = await http.get(url)
        assert answer.status_code == 200, url
        seen_bytes += int(answer.headers["content-length"])
        for name in re.findall(r"""(?:from|import) '(\.[^']+\.js)'""", answer.text):
            found = urljoin(url, name)
            if found not in urls:
                urls.add(found)
                waiting.append(found)
    assert seen_bytes < 150_000
