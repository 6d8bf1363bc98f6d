"""A show is recorded, ends, and is played again: over HTTP, by whoever comes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from realtime.video.recording.files import RecordingFolder
from server.recording.keeper import RecordingKeeper, remove_expired
from server.recording.metrics import RecordingCollector
from server.settings import Settings
from server.wiring.gateway import GatewayProcess
from tests.support.evidence import Stage
from tests.support.filming import FPS, Filmed, decode_bytes


@pytest.fixture
async def filmed(gateway: GatewayProcess, http: httpx.AsyncClient, settings: Settings) -> Filmed:
    """A live show whose picture is recorded."""
    stage = await Stage(gateway, http).open()
    filmed = Filmed(stage, settings.data / "recordings")
    await filmed.begin()
    return filmed


async def replay_of(filmed: Filmed) -> dict[str, Any]:
    """Return the replay as a visitor reads it."""
    response = await filmed.stage.http.get(f"/api/shows/{filmed.show_id}/replay")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_a_recorded_show_has_a_replay_with_chapters(filmed: Filmed) -> None:
    stage = filmed.stage
    item = await stage.pin(0)
    await filmed.keeper.look()
    await filmed.play(6.0)
    await stage.post("host", "/api/rooms/demo/unpin")
    await filmed.end()
    found = await replay_of(filmed)
    assert found["show"]["id"] == filmed.show_id
    recording = found["recording"]
    assert recording["state"] == "complete"
    assert recording["length_ms"] == pytest.approx(6000, abs=34)
    [part] = recording["parts"]
    # Dated by the database's clock, though the recorder's own is years away.
    row = await stage.row(
        "SELECT started_at_ms, ended_at_ms FROM shows WHERE id = $1", filmed.show_id
    )
    assert row["started_at_ms"] - 1000 < part["from_ms"] < row["ended_at_ms"] + 1000
    assert [one["item"] for one in found["chapters"]] in ([item], [])
    assert {one["sku"] for one in found["bag"]} == {one["sku"] for one in stage.bag}
    # Nothing is sold in a room without a live show, and the bag says so.
    assert {one["sale"] for one in found["bag"]} == {None}
    await stage.post("host", "/api/rooms/demo/start")
    again = await replay_of(filmed)
    sold = next(one for one in again["bag"] if one["sku"] == "demo-tea-bowl")
    assert sold["sale"] is not None
    assert sold["available"] > 0


async def test_a_keyframe_is_asked_for_at_each_pin(filmed: Filmed) -> None:
    before = len(filmed.forwarder.keyframes_asked)
    await filmed.keeper.look()
    assert len(filmed.forwarder.keyframes_asked) == before
    await filmed.stage.pin(1)
    await filmed.keeper.look()
    assert filmed.forwarder.keyframes_asked[before:] == [filmed.stage.room_id]
    await filmed.keeper.close()


async def test_the_playlist_and_its_ranges_make_the_film(filmed: Filmed) -> None:
    http = filmed.stage.http
    await filmed.play(7.0)
    live = await http.get("/hls/demo/live.m3u8")
    assert live.status_code == 307
    await filmed.end()
    base = f"/hls/demo/{filmed.show_id}/"
    answer = await until_over(http, base + "index.m3u8")
    assert answer.headers["content-type"].startswith("application/vnd.apple.mpegurl")
    lines = answer.text.splitlines()
    data = (await ranged(http, base, init_range(answer.text))).content
    for place, line in enumerate(lines):
        if line.startswith("#EXT-X-BYTERANGE:"):
            part = await ranged(http, base + lines[place + 1], line.partition(":")[2])
            assert part.status_code == 206
            assert part.headers["content-type"] == "video/mp4"
            data += part.content
    assert len(decode_bytes(data)) == 7 * FPS


async def until_over(http: httpx.AsyncClient, path: str) -> httpx.Response:
    """Read a playlist until it says that it is complete; processes remember it for a second."""
    async with asyncio.timeout(30):
        while True:
            answer = await http.get(path)
            if "#EXT-X-ENDLIST" in answer.text:
                return answer
            await asyncio.sleep(0.1)


def init_range(text: str) -> str:
    """Return `500@0` of the first header."""
    return text.partition('BYTERANGE="')[2].partition('"')[0]


async def ranged(http: httpx.AsyncClient, path: str, words: str) -> httpx.Response:
    """Ask for `size@offset` of a part."""
    size, _, offset = words.partition("@")
    path = path if path.endswith("mp4") else f"{path}0001.mp4"
    first = int(offset)
    return await http.get(path, headers={"Range": f"bytes={first}-{first + int(size) - 1}"})


async def test_a_range_behind_the_end_is_refused(filmed: Filmed) -> None:
    await filmed.play(2.0)
    await filmed.end()
    answer = await ranged(filmed.stage.http, f"/hls/demo/{filmed.show_id}/", "10@999999999")
    assert answer.status_code == 416


@pytest.mark.parametrize(
    "path",
    [
        "/hls/demo/{show}/../../../secret.key",
        "/hls/demo/{show}/..%2f..%2f..%2fsecret.key",
        "/hls/demo/{show}/0001.index",
        "/hls/demo/{show}/0001.mp4%00",
        "/hls/demo/{show}/0001.mp4/..",
        "/hls/demo/{show}/9999.mp4",
        "/hls/demo/{show}/1.mp4",
        "/hls/demo/..%2f{show}/index.m3u8",
        "/hls/demo/00000000-0000-0000-0000-000000000000/index.m3u8",
        "/hls/demo/not-an-id/0001.mp4",
        "/hls/elsewhere/{show}/index.m3u8",
        "/api/shows/00000000-0000-0000-0000-000000000000/replay",
        "/r/elsewhere/replay/{show}",
    ],
)
async def test_no_address_leads_out_of_a_shows_folder(filmed: Filmed, path: str) -> None:
    await filmed.play(2.0)
    await filmed.end()
    answer = await filmed.stage.http.get(path.format(show=filmed.show_id))
    assert answer.status_code == 404, answer.text


async def test_what_was_removed_is_not_said_again(filmed: Filmed) -> None:
    stage = filmed.stage
    row = await stage.row("SELECT started_at_ms FROM shows WHERE id = $1", filmed.show_id)
    at_ms = row["started_at_ms"]
    kept = await stage.say("viewer", "How big is it?", at_ms + 10)
    gone = await stage.say("viewer", "An insult", at_ms + 20)
    await stage.say("viewer", "Before the show", at_ms - 60_000)
    await stage.remove(gone)
    await filmed.play(2.0)
    await filmed.end()
    path = f"/api/shows/{filmed.show_id}/replay/chat"
    answer = await stage.http.get(path)
    assert [line[0] for line in answer.json()["lines"]] == [kept]
    assert "An insult" not in answer.text
    await stage.remove(kept)
    assert (await stage.http.get(path)).json() == {"lines": [], "next": None}


async def test_the_log_is_played_without_what_kept_the_chat_in_order(filmed: Filmed) -> None:
    stage = filmed.stage
    item = await stage.pin(0)
    mute = {"minutes": 10, "reason": "links"}
    await stage.http.post(
        f"/api/rooms/demo/users/{stage.ids['viewer']}/mute",
        json=mute,
        headers=stage.headers["host"],
    )
    sale = await stage.arm()
    await filmed.play(2.0)
    await filmed.end()
    answer = await stage.http.get(f"/api/shows/{filmed.show_id}/replay/log")
    events = answer.json()["events"]
    types = [event[1] for event in events]
    assert types[0] == "room.state"
    assert "user.muted" not in types
    assert ["show.pinned", {"item": item}] in [event[1:3] for event in events]
    assert any(event[1] == "flash.armed" and event[2]["sale"]["id"] == sale for event in events)
    assert [event[0] for event in events] == sorted(event[0] for event in events)


async def test_the_evidence_of_an_order_names_its_clip(filmed: Filmed) -> None:
    stage = filmed.stage
    sale = await stage.arm()
    # The recorder's clock runs beside the database's: the press falls into the film.
    await filmed.play(2.0)
    order, _ = await stage.order("buyer", sale)
    await filmed.play(4.0)
    await filmed.end()
    [line] = (await stage.evidence("host", order))["lines"]
    place_ms = (
        line["press"]["at_ms"] - (await replay_of(filmed))["recording"]["parts"][0]["from_ms"]
    )
    clip = line["clip"]
    assert clip["show"] == filmed.show_id
    assert clip["at_ms"] == place_ms
    assert clip["from_ms"] == 0
    assert clip["to_ms"] == pytest.approx(6000, abs=40)


async def test_a_show_that_was_not_recorded_has_no_replay(
    gateway: GatewayProcess, http: httpx.AsyncClient, settings: Settings
) -> None:
    stage = await Stage(gateway, http).open()
    filmed = Filmed(stage, settings.data / "recordings")
    row = await stage.row("SELECT id FROM shows WHERE status = 'live'")
    await stage.post("host", "/api/rooms/demo/end")
    await filmed.keeper.look()
    for path in (f"/api/shows/{row['id']}/replay", f"/hls/demo/{row['id']}/index.m3u8"):
        assert (await http.get(path)).status_code == 404


async def test_the_next_process_goes_on_where_one_was_killed(filmed: Filmed) -> None:
    await filmed.play(3.0)
    first = filmed.keeper
    # Its rows were never written; its files are what is left.
    for running in first._running.values():
        running.stop()
        assert await asyncio.to_thread(running.recorder.close)
    filmed.keeper = filmed.open_keeper()
    filmed.clock_ms += 2000
    await filmed.keeper.look()
    await filmed.play(3.0)
    await filmed.end()
    recording = (await replay_of(filmed))["recording"]
    assert [part["no"] for part in recording["parts"]] == [1, 2]
    assert recording["length_ms"] == pytest.approx(6000, abs=70)


async def test_a_recording_left_open_is_completed_by_whoever_comes(filmed: Filmed) -> None:
    await filmed.play(3.0)
    for running in filmed.keeper._running.values():
        running.stop()
        assert await asyncio.to_thread(running.recorder.close)
    filmed.keeper = filmed.open_keeper()
    await filmed.end()
    recording = (await replay_of(filmed))["recording"]
    assert recording["state"] == "complete"
    assert recording["length_ms"] == pytest.approx(3000, abs=34)


async def test_a_full_disk_cuts_the_recording_and_says_so(filmed: Filmed) -> None:
    await filmed.play(3.0)
    [running] = filmed.keeper._running.values()
    async with asyncio.timeout(30):
        while not running.recorder.news():  # The writer is a thread of its own.
            await asyncio.sleep(0.01)
    running.recorder.ended = "disk_full"
    await filmed.keeper.look()
    recording = (await replay_of(filmed))["recording"]
    assert (recording["state"], recording["reason"]) == ("cut", "disk_full")
    await filmed.keeper.look()
    assert filmed.keeper.running == 0
    written = filmed.keeper.counters
    assert written.ended == {"disk_full": 1}
    assert written.bytes_written > 0
    page = generate_latest(collecting(filmed.keeper)).decode()
    labels = 'process="m1",reason="disk_full"'
    assert f"hubbub_recording_ended_total{{{labels}}} 1.0" in page
    assert 'hubbub_recording_shows{process="m1"} 0.0' in page
    assert f'hubbub_recording_bytes_total{{process="m1"}} {written.bytes_written:.1f}' in page


def collecting(keeper: RecordingKeeper) -> CollectorRegistry:
    """Return a registry of a keeper's metrics alone."""
    registry = CollectorRegistry()
    registry.register(RecordingCollector(keeper, "m1"))
    return registry


async def test_the_lobby_names_the_last_show_that_can_be_watched_again(filmed: Filmed) -> None:
    async def replay() -> Any:
        rooms = (await filmed.stage.http.get("/api/rooms")).json()["rooms"]
        return next(room for room in rooms if room["room"] == "demo")["replay"]

    await filmed.play(3.0)
    assert await replay() is None  # Not while it is on the air.
    await filmed.end()
    named = await replay()
    assert named["show"] == filmed.show_id
    assert named["length_ms"] == pytest.approx(3000, abs=34)
    # A show without a recording does not hide an earlier one that has.
    await filmed.stage.post("host", "/api/rooms/demo/start")
    await filmed.stage.post("host", "/api/rooms/demo/end")
    assert await replay() == named
    await filmed.stage.change(
        "UPDATE recordings SET state = 'removed', reason = 'retention' WHERE show_id = $1",
        filmed.show_id,
    )
    assert await replay() is None


async def test_recordings_are_forgotten_after_their_time(
    filmed: Filmed, settings: Settings
) -> None:
    await filmed.play(2.0)
    await filmed.end()
    root: Path = filmed.root
    folder = RecordingFolder(root, filmed.stage.room_id, filmed.show_id)
    database = filmed.stage.database
    assert await remove_expired(database, root, 30) == 0
    assert folder.numbers() == [1]
    await filmed.stage.change(
        "UPDATE recordings SET ended_at_ms = ended_at_ms - 31::bigint * 86400000"
    )
    assert await remove_expired(database, root, 0) == 0
    assert await remove_expired(database, root, 30) == 1
    assert not folder.path.exists()
    answer = await filmed.stage.http.get(f"/api/shows/{filmed.show_id}/replay")
    assert answer.status_code == 404


@pytest.mark.parametrize(("language", "word"), [("en", "Chapters"), ("zh", "章节")])
async def test_the_page_has_the_show_in_both_languages(
    filmed: Filmed, language: str, word: str
) -> None:
    await filmed.play(2.0)
    path = f"/r/demo/replay/{filmed.show_id}?lang={language}"
    while_live = await filmed.stage.http.get(path)
    assert while_live.status_code == 404  # Rows of its parts come with the first save.
    await filmed.end()
    page = await filmed.stage.http.get(path)
    assert page.status_code == 200
    assert word in page.text
    assert filmed.show_id in page.text
