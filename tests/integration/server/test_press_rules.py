"""Who may press, at the edge: each rule of a sale over HTTP and over the socket, and attackers."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import httpx
import orjson
import pytest

from realtime.protocol.errors import CommandError
from realtime.rooms.ports import Caller, Identity, RoomRef
from server.auth.departures import GRACE_MS
from server.auth.permits import LIFETIME_MS, Permits
from server.bridge import RoomCommands
from server.wiring.commerce import build_tokens
from server.wiring.gateway import GatewayProcess
from tests.integration.server.test_edge import TERMS, Person, sign_in, staff

LONG_MS = 600_000


class Viewer:
    """Somebody whose socket has been in the room for `present_ms`, and who calls over HTTP too."""

    def __init__(self, gateway: GatewayProcess, person: Person, room_id: str) -> None:
        self.services = gateway.app.state.services
        self.commands = RoomCommands(
            self.services.inventory,
            self.services.waiting_list,
            self.services.draws,
            self.services.groups,
            self.services.permits,
            drops=self.services.drops,
        )
        self.person = person
        token = person.headers["Authorization"].removeprefix("Bearer ")
        identity = build_tokens(self.services.settings).identify(token)
        assert identity is not None
        self.identity: Identity = identity
        self.room_id = room_id
        self.present_ms = LONG_MS
        self.address = "203.0.113.7"
        self.conn = "g1-7"

    async def ask(self, command: str, *, key: str = "", **args: Any) -> Any:
        """Run a command over the socket; return its result, or the CommandError."""
        room = RoomRef(self.room_id, "demo", "e", "h", 0)
        caller = Caller(self.identity, room, self.conn, self.address, self.present_ms)
        key = key or str(uuid.uuid4())
        try:
            return orjson.loads(await self.commands(caller, command, orjson.dumps(args), key))
        except CommandError as error:
            return error

    async def press(self, sale: str, *, key: str = "", **more: Any) -> Any:
        """Press over the socket; return `got`, or the error."""
        answer = await self.ask("reserve", key=key, sale=sale, **more)
        return answer if isinstance(answer, CommandError) else "got"

    async def post(self, sale: str, *, key: str = "", **more: Any) -> tuple[int, Any]:
        """Press over HTTP; return the status and the error, or None."""
        headers = self.person.headers | {"Idempotency-Key": key or str(uuid.uuid4())}
        response = await self.person.http.post(
            f"/api/sales/{sale}/reservations", json={"qty": 1} | more, headers=headers
        )
        return response.status_code, response.json().get("error")


@pytest.fixture
async def host(gateway: GatewayProcess, http: httpx.AsyncClient) -> Person:
    """The demo room's host, with a live show."""
    person = await staff(gateway, http, "host")
    await person.call("POST", "/api/rooms/demo/start")
    return person


@pytest.fixture
async def room_id(gateway: GatewayProcess, host: Person) -> str:
    """The demo room's id."""
    found = await gateway.app.state.services.states.find("demo")
    return str(found.id)


async def make_viewer(gateway: GatewayProcess, http: httpx.AsyncClient, room_id: str) -> Viewer:
    """Come in as a guest."""
    return Viewer(gateway, await sign_in(http, "/api/guests", {"name": "Lin"}), room_id)


@pytest.fixture
async def viewer(gateway: GatewayProcess, http: httpx.AsyncClient, room_id: str) -> Viewer:
    """A guest in the demo room."""
    return await make_viewer(gateway, http, room_id)


async def arm(host: Person, rules: dict[str, Any] | None, **terms: Any) -> str:
    """Arm an open sale with rules and return its id."""
    wish = TERMS | {"per_buyer": 5} | terms | ({} if rules is None else {"rules": rules})
    status, answer = await host.call("POST", "/api/rooms/demo/flash-sales", wish)
    assert status == 201, answer
    return str(answer["sale"]["id"])


async def test_rules_are_shown_to_everybody_beforehand_with_their_version(
    http: httpx.AsyncClient, host: Person
) -> None:
    sale = await arm(host, {"present_s": 20, "drop_limit": 2}, countdown_s=60)
    state = (await http.get("/api/rooms/demo")).json()
    [shown] = [one for one in state["sales"] if one["id"] == sale]
    assert shown["rules"] == {"version": 1, "present_s": 20, "drop_limit": 2}


@pytest.mark.parametrize("rules", [None, {}])
async def test_without_rules_there_are_none_and_nobody_is_asked(
    http: httpx.AsyncClient, host: Person, viewer: Viewer, rules: dict[str, Any] | None
) -> None:
    sale = await arm(host, rules)
    state = (await http.get("/api/rooms/demo")).json()
    assert all("rules" not in one for one in state["sales"])
    viewer.present_ms = 0
    assert await viewer.press(sale) == "got"
    assert await viewer.post(sale) == (201, None)


@pytest.mark.parametrize(
    "rules",
    [
        {"present_s": 0},
        {"present_s": 601},
        {"present_s": "20"},
        {"presses_per_user_s": 101},
        {"presses_per_address_s": -1},
        {"drop_limit": 0},
        {"per_card": 0},
        {"drop_limit": 1.5},
        [],
    ],
)
async def test_impossible_rules_are_refused_and_nothing_is_armed(
    http: httpx.AsyncClient, host: Person, rules: Any
) -> None:
    wish = TERMS | {"rules": rules}
    assert await host.call("POST", "/api/rooms/demo/flash-sales", wish) == (400, "invalid_request")
    sales = (await http.get("/api/rooms/demo")).json()["sales"]
    assert all(one["kind"] == "regular" for one in sales)


async def test_a_retry_of_arming_must_ask_for_the_same_rules(host: Person) -> None:
    wish = TERMS | {"rules": {"present_s": 20}}
    path = "/api/rooms/demo/flash-sales"
    first = await host.call("POST", path, wish, key="one")
    assert await host.call("POST", path, wish, key="one") == first
    for other in (TERMS, TERMS | {"rules": {"present_s": 21}}):
        assert await host.call("POST", path, other, key="one") == (422, "idempotency_conflict")


async def test_a_socket_that_has_just_come_has_to_stay_first(host: Person, viewer: Viewer) -> None:
    sale = await arm(host, {"present_s": 20})
    viewer.present_ms = 8_000
    refused = await viewer.press(sale)
    assert (refused.code, refused.retryable, refused.retry_ms) == (
        "not_present_long_enough",
        True,
        12_000,
    )
    assert refused.detail == {"rule": "present_s", "needed_s": 20, "present_s": 8}
    assert (await viewer.ask("permit", sale=sale)).code == "not_present_long_enough"
    viewer.present_ms = 20_000
    assert await viewer.press(sale) == "got"


async def test_a_socket_in_another_room_shows_nothing(host: Person, viewer: Viewer) -> None:
    sale = await arm(host, {"present_s": 20})
    viewer.room_id = str(uuid.uuid4())
    assert (await viewer.press(sale)).retry_ms == 20_000
    assert (await viewer.ask("permit", sale=sale)).code == "not_present_long_enough"


async def test_over_http_one_presses_with_a_permit(host: Person, viewer: Viewer) -> None:
    sale = await arm(host, {"present_s": 20})
    status, error = await viewer.post(sale)
    assert (status, error["code"]) == (403, "permit_required")
    assert error["detail"] == {"rule": "present_s", "needed_s": 20}
    given = await viewer.ask("permit", sale=sale)
    assert given["expires_in_ms"] == LIFETIME_MS
    assert await viewer.post(sale, permit=given["permit"]) == (201, None)


async def test_a_lost_line_costs_nobody_their_right(host: Person, viewer: Viewer) -> None:
    sale = await arm(host, {"present_s": 20})
    permit = (await viewer.ask("permit", sale=sale))["permit"]
    viewer.present_ms = 5
    assert (await viewer.press(sale)).code == "not_present_long_enough"
    assert await viewer.press(sale, permit=permit) == "got"
    renewed = await viewer.ask("permit", sale=sale, permit=permit)
    assert await viewer.post(sale, permit=renewed["permit"]) == (201, None)


async def test_whoever_has_left_keeps_a_permit_for_its_short_life_alone(
    host: Person, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another room's socket does not renew it; a gateway of any process refuses it in the end."""
    sale = await arm(host, {"present_s": 20})
    permit = (await viewer.ask("permit", sale=sale))["permit"]
    viewer.room_id = str(uuid.uuid4())
    assert (await viewer.ask("permit", sale=sale, permit=permit)).code == "not_present_long_enough"
    permits = viewer.services.permits
    left_ms = permits._now_ms() + LIFETIME_MS
    monkeypatch.setattr(permits, "_now_ms", lambda: left_ms)
    status, error = await viewer.post(sale, permit=permit)
    assert (status, error["code"]) == (403, "permit_invalid")
    assert error["detail"]["reason"] == "expired"


async def test_a_permit_ends_soon_after_its_socket(host: Person, viewer: Viewer) -> None:
    sale = await arm(host, {"present_s": 20})
    permit = (await viewer.ask("permit", sale=sale))["permit"]
    viewer.commands.left("g1-7")
    assert await viewer.post(sale, permit=permit) == (201, None), "a lost line costs nobody"
    viewer.conn, viewer.present_ms = "g1-8", 0
    renewed = (await viewer.ask("permit", sale=sale, permit=permit))["permit"]
    gone = viewer.services.permits._departures._gone
    gone |= {seat: at_ms - GRACE_MS for seat, at_ms in gone.items()}
    assert (await viewer.post(sale, permit=permit))[1]["detail"]["reason"] == "left"
    assert await viewer.post(sale, permit=renewed) == (201, None)


async def test_a_permit_is_no_use_in_other_hands(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person, viewer: Viewer
) -> None:
    sale = await arm(host, {"present_s": 20})
    other_sale = await arm(host, {"present_s": 20}, sku="demo-teapot")
    permit = (await viewer.ask("permit", sale=sale))["permit"]
    thief = await make_viewer(gateway, http, viewer.room_id)
    thief.present_ms = 0
    services = gateway.app.state.services

    def late() -> int:
        return int(services.clock.now_ms()) - LIFETIME_MS

    stale = Permits(_secret(gateway), late).issue(
        user_id=viewer.identity.user_id, sale_id=sale, conn="c"
    )
    for who, at, token, reason in (
        (thief, sale, permit, "other_user"),
        (viewer, other_sale, permit, "other_sale"),
        (viewer, sale, stale, "expired"),
        (viewer, sale, permit[:-2] + "xx", "forged"),
        (viewer, sale, "x" * 5_000, "forged"),
    ):
        status, error = await who.post(at, permit=token)
        assert (status, error["code"]) == (403, "permit_invalid")
        assert error["detail"] == {"rule": "present_s", "needed_s": 20, "reason": reason}
    # Nor does it give a thief's socket time in the room, or a permit of its own.
    assert (await thief.press(sale, permit=permit)).code == "not_present_long_enough"
    renewal = await thief.ask("permit", sale=sale, permit=permit)
    assert renewal.code == "not_present_long_enough"


def _secret(gateway: GatewayProcess) -> bytes:
    settings = gateway.app.state.services.settings
    return (settings.data / "secret.key").read_bytes().strip()


async def test_a_cart_and_the_waiting_list_are_no_way_around(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person, viewer: Viewer
) -> None:
    sale = await arm(host, {"present_s": 20}, quantity=1)
    path, cart = "/api/reservations", {"items": [{"sale": sale, "qty": 1}]}
    assert await viewer.person.call("POST", path, cart) == (403, "permit_required")
    line = f"/api/sales/{sale}/waiting-list"
    assert await viewer.person.call("POST", line, {"qty": 1}) == (403, "permit_required")
    permit = (await viewer.ask("permit", sale=sale))["permit"]
    cart["items"][0]["permit"] = permit
    assert (await viewer.person.call("POST", path, cart))[0] == 201
    waiter = await make_viewer(gateway, http, viewer.room_id)
    waiter.present_ms = 0
    refused = await waiter.ask("join_waiting_list", sale=sale)
    assert refused.code == "not_present_long_enough"
    waiter.present_ms = 20_000
    joined = await waiter.ask("join_waiting_list", key="mine", sale=sale)
    # Asking again for one's own place is a retry, also from a socket that has just come.
    waiter.present_ms = 0
    assert await waiter.ask("join_waiting_list", key="mine", sale=sale) == joined


async def test_the_rules_bind_who_enters_a_draw(host: Person, viewer: Viewer) -> None:
    sale = await arm(host, {"present_s": 20}, fairness="draw", entry_s=30)
    entries = f"/api/sales/{sale}/entries"
    assert await viewer.person.call("POST", entries, {"qty": 1}) == (403, "permit_required")
    viewer.present_ms = 0
    refused = await viewer.ask("enter_draw", key="mine", sale=sale)
    assert refused.code == "not_present_long_enough"
    viewer.present_ms = 20_000
    entered = await viewer.ask("enter_draw", key="mine", sale=sale)
    assert entered["entry"]["state"] == "entered"
    # Asking again for one's own entry is a retry, also from a socket that has just come.
    viewer.present_ms = 0
    assert await viewer.ask("enter_draw", key="mine", sale=sale) == entered


async def test_a_person_presses_at_a_pace_on_any_transport(
    host: Person, viewer: Viewer, press_clock: list[int]
) -> None:
    sale = await arm(host, {"presses_per_user_s": 2})
    answers = [await viewer.press(sale), (await viewer.post(sale))[0], await viewer.press(sale)]
    assert answers[:2] == ["got", 201]
    assert answers[2].code == "slow_down"
    assert answers[2].detail == {"rule": "presses_per_user", "limit_per_s": 2}
    assert 0 < answers[2].retry_ms <= 500
    status, error = await viewer.post(sale)
    said = (status, error["code"], error["detail"]["rule"])
    assert said == (429, "slow_down", "presses_per_user")
    press_clock[0] += answers[2].retry_ms
    assert await viewer.press(sale) == "got"


@pytest.mark.usefixtures("press_clock")
async def test_an_address_presses_at_a_pace_whoever_presses(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person, viewer: Viewer
) -> None:
    sale = await arm(host, {"presses_per_address_s": 1})
    neighbour = await make_viewer(gateway, http, viewer.room_id)
    stranger = await make_viewer(gateway, http, viewer.room_id)
    stranger.address = "198.51.100.2"
    assert await viewer.press(sale) == "got"
    refused = await neighbour.press(sale)
    assert refused.detail == {"rule": "presses_per_address", "limit_per_s": 1}
    assert await stranger.press(sale) == "got"


@pytest.mark.usefixtures("press_clock")
async def test_a_made_up_header_is_no_other_address(host: Person, viewer: Viewer) -> None:
    sale = await arm(host, {"presses_per_address_s": 1})
    viewer.person.headers["X-Forwarded-For"] = "198.51.100.1"
    assert (await viewer.post(sale))[0] == 201
    viewer.person.headers["X-Forwarded-For"] = "198.51.100.2"
    assert (await viewer.post(sale))[1]["detail"]["rule"] == "presses_per_address"


async def test_a_retry_reaches_its_row_whatever_the_rules_say(host: Person, viewer: Viewer) -> None:
    sale = await arm(host, {"present_s": 20, "presses_per_user_s": 1, "drop_limit": 1})
    first = await viewer.ask("reserve", key="mine", sale=sale)
    viewer.present_ms = 0
    for _ in range(3):
        again = await viewer.ask("reserve", key="mine", sale=sale)
        assert again["reservation"]["id"] == first["reservation"]["id"]
        assert (await viewer.post(sale, key="mine"))[0] == 201
    assert isinstance(await viewer.press(sale), CommandError)


async def test_a_retry_of_a_press_under_way_shares_its_answer(host: Person, viewer: Viewer) -> None:
    sale = await arm(host, {"presses_per_user_s": 1})
    answers = await asyncio.gather(
        *(viewer.ask("reserve", key="mine", sale=sale) for _ in range(5))
    )
    assert len({answer["reservation"]["id"] for answer in answers}) == 1


async def test_hold_and_drop_is_slowed_and_buying_clears_it(
    gateway: GatewayProcess, host: Person, viewer: Viewer
) -> None:
    sale = await arm(host, {"drop_limit": 2})
    database = gateway.app.state.services.database
    for number in range(2):
        held = await viewer.ask("reserve", sale=sale)
        reservation = held["reservation"]["id"]
        async with database.transaction() as transaction:
            await transaction.execute(
                "UPDATE reservations SET decided_at_ms = decided_at_ms - $2 WHERE id = $1",
                reservation,
                6_000 * (2 - number),
            )
        await viewer.ask("release", reservation=reservation)
    refused = await viewer.press(sale)
    assert refused.code == "slow_down"
    assert refused.detail == {"rule": "dropped_holds", "dropped": 2, "limit": 2}
    assert 10_000 < refused.retry_ms <= 15_000
    async with database.transaction() as transaction:
        await transaction.execute(
            "UPDATE reservations SET released_at_ms = released_at_ms - 15000 WHERE sale_id = $1",
            sale,
        )
    assert await viewer.press(sale) == "got"


async def test_the_refusals_are_counted_among_the_presses(
    gateway: GatewayProcess, host: Person, viewer: Viewer
) -> None:
    sale = await arm(host, {"present_s": 20})
    viewer.present_ms = 0
    await viewer.press(sale)
    await viewer.post(sale)
    services = gateway.app.state.services
    presses = services.inventory.news
    await presses._presses.flush(services.database)
    _, console = await host.call("GET", "/api/rooms/demo/console")
    assert console["now"]["refused"] == {"not_present_long_enough": 1, "permit_required": 1}
