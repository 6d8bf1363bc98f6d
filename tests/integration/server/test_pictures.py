"""Viewers tell how the picture arrives, visitors too; the console says it by median and 95 %."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from commerce.insight.pictures.model import Beat
from commerce.insight.pictures.rules import BEATS_PER_ADDRESS_MAX
from commerce.insight.pictures.service import PictureDesk, read_pictures
from server.db.database import PgDatabase
from server.wiring.gateway import GatewayProcess
from tests.integration.server.test_edge import staff
from tests.support.shop import make_shop

PATH = "/api/rooms/demo/video/beats"
BEAT = {
    "first_frame_ms": 420,
    "played_ms": 10_000,
    "stalled_ms": 50,
    "stalls": 1,
    "behind_ms": 90,
}
NOW_MS = 1_800_000_000_000


class Hands:
    """Two clocks that a test sets."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS
        self.monotonic_ms = 0


def make_desk(hands: Hands, name: str = "g1:a") -> PictureDesk:
    return PictureDesk(name, now_ms=lambda: hands.now_ms, monotonic_ms=lambda: hands.monotonic_ms)


async def console(gateway: GatewayProcess, http: httpx.AsyncClient) -> dict[str, Any]:
    """Store what was told, as the gateway does every few seconds, and read the console's part."""
    shop = gateway._shop
    await shop.pictures.flush(shop.carrier.database)
    host = await staff(gateway, http, "host")
    _, answer = await host.call("GET", "/api/rooms/demo/console")
    picture: dict[str, Any] = answer["picture"]
    return picture


async def test_a_visitors_beat_reaches_the_console(
    gateway: GatewayProcess, http: httpx.AsyncClient
) -> None:
    assert (await console(gateway, http))["beats"] == 0
    answer = await http.post(PATH, json=BEAT)
    assert (answer.status_code, answer.json()) == (200, {"counted": True})
    later = {name: value for name, value in BEAT.items() if name != "first_frame_ms"}
    assert (await http.post(PATH, json=later)).status_code == 200
    picture = await console(gateway, http)
    assert (picture["beats"], picture["stalls"], picture["first_frames"]) == (2, 2, 1)
    assert picture["stalled_share"] == pytest.approx(0.005)
    assert (picture["first_frame_ms_p50"], picture["behind_ms_p95"]) == (450, 100)


@pytest.mark.parametrize(
    "change",
    [
        {"played_ms": -1},
        {"played_ms": 60_001},
        {"stalled_ms": 10_001},
        {"stalls": 601},
        {"first_frame_ms": 120_001},
        {"behind_ms": "soon"},
        {"played_ms": 1.5},
    ],
)
async def test_what_cannot_be_true_is_refused(
    gateway: GatewayProcess, http: httpx.AsyncClient, change: dict[str, Any]
) -> None:
    answer = await http.post(PATH, json=BEAT | change)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert (await console(gateway, http))["beats"] == 0


async def test_a_room_that_is_none_counts_nothing(
    gateway: GatewayProcess, http: httpx.AsyncClient
) -> None:
    answer = await http.post("/api/rooms/nowhere/video/beats", json=BEAT)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_one_address_does_not_speak_for_the_room(
    gateway: GatewayProcess, http: httpx.AsyncClient
) -> None:
    answers = [(await http.post(PATH, json=BEAT)).json() for _ in range(BEATS_PER_ADDRESS_MAX + 3)]
    assert [one["counted"] for one in answers].count(True) == BEATS_PER_ADDRESS_MAX
    assert answers[-1] == {"counted": False}
    assert (await console(gateway, http))["beats"] == BEATS_PER_ADDRESS_MAX


async def test_a_minute_is_stored_whole_and_once_and_gateways_add_up(database: PgDatabase) -> None:
    shop = await make_shop(database)
    async with database.reading() as connection:
        now_ms = await connection.fetchval("SELECT clock_ms()")
    hands = Hands()
    hands.now_ms = now_ms
    desks = [make_desk(hands), make_desk(hands, "g2:b")]
    for turn in range(3):
        for desk in desks:
            hands.monotonic_ms += 1
            assert desk.take(shop.room.id, f"a{turn}", Beat(10_000, 100, 1, behind_ms=90))
            await desk.flush(database)
            await desk.flush(database)
    async with database.reading() as connection:
        figures = await read_pictures(connection, shop.room.id)
        rows = await connection.fetchval("SELECT count(*) FROM picture_minutes")
    assert (figures["beats"], figures["stalls"]) == (6, 6)
    assert rows == 2


async def test_what_could_not_be_stored_is_stored_with_the_next_turn(
    database: PgDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await make_shop(database)
    async with database.reading() as connection:
        now_ms = await connection.fetchval("SELECT clock_ms()")
    hands = Hands()
    hands.now_ms = now_ms
    desk = make_desk(hands)
    desk.take(shop.room.id, "a", Beat(10_000, 0, 0))

    async def refuse(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr("commerce.insight.pictures.service.upsert_minutes", refuse)
        with pytest.raises(OSError, match="full"):
            await desk.flush(database)
    await desk.flush(database)
    async with database.reading() as connection:
        assert (await read_pictures(connection, shop.room.id))["beats"] == 1


async def test_old_minutes_are_not_the_consoles(database: PgDatabase) -> None:
    shop = await make_shop(database)
    async with database.reading() as connection:
        now_ms = await connection.fetchval("SELECT clock_ms()")
    hands = Hands()
    hands.now_ms = now_ms - 4 * 60_000
    desk = make_desk(hands)
    desk.take(shop.room.id, "a", Beat(10_000, 0, 0))
    await desk.flush(database)
    async with database.reading() as connection:
        assert (await read_pictures(connection, shop.room.id))["beats"] == 0


async def test_only_the_console_may_ask_for_a_camera(
    gateway: GatewayProcess, http: httpx.AsyncClient
) -> None:
    host = await staff(gateway, http, "host")
    room = await http.get("/r/demo")
    console = await http.get("/console/demo", headers=host.headers)
    assert room.status_code == console.status_code == 200
    assert "camera=()" in room.headers["permissions-policy"]
    for name in ("camera", "microphone", "display-capture"):
        assert f"{name}=(self)" in console.headers["permissions-policy"]
