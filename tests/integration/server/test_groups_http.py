"""Group buys at the edge: who may call what, over HTTP and over the socket, and what is shown."""

from __future__ import annotations

import re
import time
from typing import Any

import httpx
import orjson
import pytest

from loadtests.conformance.matching import find_mismatch
from loadtests.conformance.shapes import GROUP, GROUP_ROW, MY_SEAT, SALE, SEAT, STATE
from realtime.protocol.errors import CommandError
from realtime.rooms.ports import Caller, Identity, RoomRef
from server.bridge import RoomCommands
from server.figures import group_board
from server.wiring.gateway import GatewayProcess
from tests.integration.server.test_edge import NOBODY, TERMS, Person, sign_in, staff

CAMPAIGN = {"sku": TERMS["sku"], "price_minor": 9_900, "need": 3, "quantity": 6}


class Board:
    """A hub that keeps the state keys it is given."""

    def __init__(self) -> None:
        self.active_rooms: list[str] = []
        self.keys: dict[str, Any] = {}

    def set_state(self, room_id: str, key: str, value: Any) -> None:
        """Keep a key."""
        self.keys[key] = value


@pytest.fixture
async def host(gateway: GatewayProcess, http: httpx.AsyncClient) -> Person:
    """The demo room's host, with a live show."""
    person = await staff(gateway, http, "host")
    await person.call("POST", "/api/rooms/demo/start")
    return person


async def guests(http: httpx.AsyncClient, count: int) -> list[Person]:
    """Let people in."""
    return [await sign_in(http, "/api/guests", {"name": "Lin"}) for _ in range(count)]


async def open_campaign(host: Person, **terms: Any) -> str:
    """Open a group buy in the demo room."""
    status, answer = await host.call("POST", "/api/rooms/demo/group-buys", CAMPAIGN | terms)
    assert status == 201, answer
    assert find_mismatch(answer["sale"], SALE) is None
    assert answer["sale"]["group"] == {"need": 3, "lasts_ms": 86_400_000}
    sale: str = answer["sale"]["id"]
    return sale


async def test_the_whole_way_over_http(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person
) -> None:
    first, second, third = await guests(http, 3)
    assert await first.call("POST", "/api/rooms/demo/group-buys", CAMPAIGN) == (403, "forbidden")
    sale = await open_campaign(host)
    again = await host.call("POST", "/api/rooms/demo/group-buys", CAMPAIGN)
    assert again == (409, "already_grouped")
    path = f"/api/sales/{sale}/groups"
    status, seat = await first.call("POST", path, {}, key="one")
    assert (status, find_mismatch(seat, SEAT)) == (201, None)
    assert (await first.call("POST", path, {}, key="one"))[1]["group"] == seat["group"]
    assert await first.call("POST", path, {"open": True}) == (409, "already_in_group")
    reserve = await second.call("POST", f"/api/sales/{sale}/reservations", {"qty": 1})
    assert reserve == (409, "group_only")
    team = f"/api/groups/{seat['group']}"
    preview = (await http.get(team)).json()["group"]
    assert find_mismatch(preview, GROUP) is None
    assert (preview["joined"], preview["leader"]) == (1, "L***")
    assert (preview["is_open"], preview["can_open"]) == (True, True)
    assert await second.call("POST", path, {"group": NOBODY}) == (404, "not_found")
    assert (await second.call("POST", path, {"group": seat["group"]}))[0] == 201
    assert (await third.call("POST", path, {}))[1]["group"] == seat["group"]
    [late] = await guests(http, 1)
    assert await late.call("POST", path, {"group": seat["group"]}) == (409, "group_full")
    assert (await late.call("POST", path, {"open": True}))[0] == 201
    [mine] = (await first.call("GET", "/api/groups"))[1]["seats"]
    assert (mine["is_leader"], find_mismatch(mine, MY_SEAT)) == (True, None)
    assert (await first.call("DELETE", f"{team}/seat"))[1]["seat"]["state"] == "released"
    assert (await http.get(team)).json()["group"]["joined"] == 2
    assert await late.call("DELETE", f"{team}/seat") == (404, "not_found")
    assert await first.call("GET", "/api/rooms/demo/groups") == (403, "forbidden")
    listed = (await host.call("GET", "/api/rooms/demo/groups"))[1]["groups"]
    assert [find_mismatch(one, GROUP) for one in listed] == [None, None]
    assert await first.call("POST", f"{team}/complete") == (403, "forbidden")
    assert await host.call("POST", f"{team}/complete") == (409, "wrong_state")
    assert await first.call("POST", f"/api/group-buys/{sale}/close") == (403, "forbidden")
    closed = (await host.call("POST", f"/api/group-buys/{sale}/close"))[1]["sale"]
    assert closed["state"] == "ended"
    preview = (await http.get(team)).json()["group"]
    assert (preview["is_open"], "can_open" in preview) == (True, False)


async def test_the_room_shows_teams_with_a_seat_and_takes_the_others_away(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person
) -> None:
    sale = await open_campaign(host)
    people = await guests(http, 3)
    answer = await people[0].call("POST", f"/api/sales/{sale}/groups", {})
    group_id = answer[1]["group"]
    state = (await http.get("/api/rooms/demo")).json()
    assert find_mismatch(state, STATE) is None
    [row] = state["groups"]
    assert (row["id"], row["joined"], find_mismatch(row, GROUP_ROW)) == (group_id, 1, None)
    hub = Board()
    database = gateway.app.state.services.database
    board = group_board(database, hub)  # type: ignore[arg-type]
    async with database.reading() as connection:
        room_id = str(await connection.fetchval("SELECT id FROM rooms WHERE slug = 'demo'"))
    board.hint(room_id, {f"stock:{sale}"})
    await board.read()
    preview = (await http.get(f"/api/groups/{group_id}")).json()["group"]
    assert row["leader"] == preview["leader"]
    figures = [1, 3, row["deadline_ms"], sale, preview["leader"]]
    assert hub.keys == {f"group:{group_id}": figures}
    for person in people[1:]:
        await person.call("POST", f"/api/sales/{sale}/groups", {})
    board.hint(room_id, {"*"})
    await board.read()
    assert hub.keys == {f"group:{group_id}": None}
    assert (await http.get("/api/rooms/demo")).json()["groups"] == []


async def test_teams_of_a_show_that_is_over_take_no_place_in_the_room(
    http: httpx.AsyncClient, host: Person
) -> None:
    """They end before the new show's teams do: twenty of them, and the room would see no other."""
    sale = await open_campaign(host)
    old, new = await guests(http, 2)
    await old.call("POST", f"/api/sales/{sale}/groups", {})
    await host.call("POST", "/api/rooms/demo/end")
    assert (await http.get("/api/rooms/demo")).json()["groups"] == []
    await host.call("POST", "/api/rooms/demo/start")
    sale = await open_campaign(host)
    _, seat = await new.call("POST", f"/api/sales/{sale}/groups", {})
    state = (await http.get("/api/rooms/demo")).json()
    assert [team["id"] for team in state["groups"]] == [seat["group"]]


async def test_teams_that_outlive_their_show_stay_in_their_hosts_hands(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person
) -> None:
    """Over, or with the next show on: the room has the sale no more, its teams run for a day."""
    sale = await open_campaign(host)
    [buyer] = await guests(http, 1)
    _, seat = await buyer.call("POST", f"/api/sales/{sale}/groups", {})

    async def read() -> tuple[list[Any], list[Any]]:
        console = (await host.call("GET", "/api/rooms/demo/console"))[1]
        listed = (await host.call("GET", "/api/rooms/demo/groups"))[1]["groups"]
        return [one["id"] for one in console["group_buys"]], [one["id"] for one in listed]

    assert await read() == ([], [seat["group"]])
    for act in ("end", "start"):
        await host.call("POST", f"/api/rooms/demo/{act}")
        assert await read() == ([sale], [seat["group"]])
    console = (await host.call("GET", "/api/rooms/demo/console"))[1]
    assert [find_mismatch(one, SALE) for one in console["group_buys"]] == [None]
    stopped = (await host.call("POST", f"/api/group-buys/{sale}/cancel"))[1]["sale"]
    assert stopped["state"] == "cancelled"
    assert await read() == ([], [])
    moderator = await staff(gateway, http, "moderator")
    assert "group_buys" not in (await moderator.call("GET", "/api/rooms/demo/console"))[1]


async def test_the_console_knows_when_a_group_buy_ran(
    http: httpx.AsyncClient, host: Person
) -> None:
    sale = await open_campaign(host)
    opened = (await http.get("/api/rooms/demo")).json()["sales"][-1]
    [ran] = (await host.call("GET", "/api/rooms/demo/console"))[1]["series"]["groups"]
    assert (ran["sale"], ran["need"]) == (sale, 3)
    assert (ran["from_ms"], ran["to_ms"]) == (opened["opens_at_ms"], opened["ends_at_ms"])


async def test_the_socket_joins(gateway: GatewayProcess, host: Person) -> None:
    sale = await open_campaign(host)
    services = gateway.app.state.services
    commands = RoomCommands(
        services.inventory,
        services.waiting_list,
        services.draws,
        services.groups,
        services.permits,
        drops=services.drops,
    )
    caller = Caller(Identity(NOBODY, "Lena", "guest", 0), RoomRef("r", "demo", "e", "h", 0), "g1-1")

    async def run(key: str | None = "k", **args: Any) -> Any:
        return orjson.loads(await commands(caller, "join_group", orjson.dumps(args), key))

    seat = await run(sale=sale)
    assert find_mismatch(seat, SEAT) is None
    assert (await run(sale=sale))["reservation"]["id"] == seat["reservation"]["id"]
    with pytest.raises(CommandError) as refused:
        await run(sale=sale, key="other", open=True)
    assert refused.value.code == "already_in_group"


PREVIEWS = {
    "en": (
        "Kiln-change tea bowl · Buy as a team",
        "Needs 2 more: 1 of 3 have joined. ¥99 as a team, ¥329 alone.",
        "en_US",
    ),
    "zh": ("窑变天目盏 · 一起拼团", "还差 2 人：3 人团已有 1 人。拼团价 ¥99，单买 ¥329。", "zh_CN"),
}


async def test_a_shared_link_has_a_page_without_signing_in(
    http: httpx.AsyncClient, host: Person
) -> None:
    sale = await open_campaign(host)
    [leader] = await guests(http, 1)
    _, seat = await leader.call("POST", f"/api/sales/{sale}/groups", {})
    for language, said in PREVIEWS.items():
        page = await http.get(f"/g/{seat['group']}?lang={language}")
        assert page.status_code == 200
        assert "Lin" not in page.text
        found = dict(re.findall(r'<meta property="og:([\w:]+)" content="([^"]*)">', page.text))
        assert (found["title"], found["description"], found["locale"]) == said
        assert found["url"].endswith(f"/g/{seat['group']}")
        assert found["image"].startswith(("http://", "https://"))
        assert (await http.get(found["image"].split("/", 3)[3])).status_code == 200
        # Whoever reads the page without its script sees the same.
        body = page.text.split("<main", 1)[1]
        assert all(part in body for part in re.split(r"\. |。", said[1].rstrip(".。")))
    assert (await http.get(f"/g/{NOBODY}")).status_code == 404


async def test_what_one_pays_alone_is_the_price_that_holds_now(
    http: httpx.AsyncClient, host: Person
) -> None:
    sale = await open_campaign(host)
    [leader] = await guests(http, 1)
    _, seat = await leader.call("POST", f"/api/sales/{sale}/groups", {})
    until_ms = seat["reservation"]["expires_in_ms"] + time.time_ns() // 1_000_000 + 3_600_000
    terms = {"price_minor": 29_900, "until_ms": until_ms}
    status, answer = await host.call("POST", f"/api/skus/{TERMS['sku']}/campaign-prices", terms)
    assert status == 201, answer
    shown = (await http.get(f"/api/groups/{seat['group']}")).json()["group"]
    assert shown["normal_price_minor"] == 29_900
    assert "¥299 alone" in (await http.get(f"/g/{seat['group']}?lang=en")).text
