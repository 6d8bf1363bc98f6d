"""Recordings of several shows beside each other: faults, limits, and files that will not go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import pytest

from realtime.video.recording.files import RecordingFolder
from realtime.video.recording.recorder import Limits
from server.recording import keeper as keepers
from server.recording.keeper import FAULT_REST_MS, remove_expired
from server.recording.shelf import RecordingShelf
from server.settings import Settings
from server.wiring.gateway import GatewayProcess
from tests.support.evidence import Stage
from tests.support.filming import Filmed

DAYS_31 = "UPDATE recordings SET ended_at_ms = ended_at_ms - 31::bigint * 86400000"


@pytest.fixture
async def filmed(gateway: GatewayProcess, http: httpx.AsyncClient, settings: Settings) -> Filmed:
    """A live show whose picture is recorded."""
    filmed = Filmed(await Stage(gateway, http).open(), settings.data / "recordings")
    await filmed.begin()
    return filmed


async def saved(filmed: Filmed) -> None:
    """Let the rows say what is on disk."""
    [running] = filmed.keeper._running.values()
    async with asyncio.timeout(30):
        while not running.recorder.news():  # The writer is a thread of its own.
            await asyncio.sleep(0.01)
    running.saved_at_ms = 0
    await filmed.keeper.look()


async def test_files_that_will_not_go_are_removed_the_next_time(
    filmed: Filmed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The row says that they are removed, so nobody would look for them again."""
    await filmed.play(2.0)
    await filmed.end()
    folder = RecordingFolder(filmed.root, filmed.stage.room_id, filmed.show_id)
    database = filmed.stage.database
    await filmed.stage.change(DAYS_31)

    def refuse(path: Path, **_: object) -> None:
        raise PermissionError(13, "not now", str(path))

    with monkeypatch.context() as away:
        away.setattr("realtime.video.recording.files.shutil.rmtree", refuse)
        assert await remove_expired(database, filmed.root, 30) == 1
    assert folder.numbers() == [1]
    assert "files of a recording stay for now" in caplog.text
    # Also where nothing is to be forgotten by its age any more.
    assert await remove_expired(database, filmed.root, 0) == 0
    assert not folder.path.exists()


async def test_one_recordings_files_hold_back_no_others(
    filmed: Filmed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filmed.play(2.0)
    await filmed.end()
    stage = filmed.stage
    await stage.post("host", "/api/rooms/demo/start")
    first_id = filmed.show_id
    await filmed.begin()
    await filmed.play(2.0)
    await filmed.end()
    await stage.change(DAYS_31)
    real = keepers.RecordingFolder.remove

    def remove(folder: RecordingFolder) -> None:
        if folder.path.name == first_id:
            raise OSError("a disk that went away")
        real(folder)

    monkeypatch.setattr("server.recording.keeper.RecordingFolder.remove", remove)
    assert await remove_expired(stage.database, filmed.root, 30) == 2
    left = [path.name for path in (filmed.root / stage.room_id).iterdir()]
    assert left == [first_id]


async def test_a_folder_of_a_show_that_is_kept_is_not_touched(filmed: Filmed) -> None:
    """Nor one that no row knows: it may be a copy."""
    await filmed.play(2.0)
    await filmed.end()
    strange = filmed.root / filmed.stage.room_id / "00000000-0000-0000-0000-000000000000"
    for folder in (strange, filmed.root / "lost+found"):
        folder.mkdir()
    assert await remove_expired(filmed.stage.database, filmed.root, 30) == 0
    assert strange.exists()
    assert (filmed.root / filmed.stage.room_id / filmed.show_id).exists()
    assert await remove_expired(filmed.stage.database, filmed.root / "none", 30) == 0


async def test_one_shows_fault_does_not_end_the_round_for_all(
    filmed: Filmed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What comes after it in the round happens; its own turn comes later."""
    await filmed.play(2.0)
    await saved(filmed)
    keeper, broken = filmed.keeper, 0
    keeper._running["another"] = msgspec.structs.replace(
        keeper._running[filmed.show_id], saved_at_ms=0
    )
    keeper._running = dict(reversed(keeper._running.items()))  # The broken one comes first.
    real = keeper._end

    async def end(show_id: str, *more: object) -> None:
        nonlocal broken
        if show_id == "another":
            broken += 1
            raise ValueError("a broken show")
        await real(show_id)

    monkeypatch.setattr(keeper, "_end", end)
    with caplog.at_level(logging.ERROR):
        await filmed.end()
        await keeper.look()
    row = await filmed.stage.row("SELECT state FROM recordings WHERE show_id = $1", filmed.show_id)
    assert row["state"] == "complete"
    assert (broken, keeper.refusals.recording_faults) == (1, 1)
    filmed.clock_ms += FAULT_REST_MS
    await keeper.look()
    assert broken == 2
    del keeper._running["another"]


async def test_all_recordings_together_have_a_limit(filmed: Filmed) -> None:
    """What is under way is cut, what comes later is not begun, and the console is told."""
    await filmed.play(2.0)
    await saved(filmed)
    stage, keeper = filmed.stage, filmed.keeper
    total = (await stage.row("SELECT sum(size_bytes)::bigint AS bytes FROM recordings"))["bytes"]
    assert total > 0
    keeper._limits = Limits(bytes_max=10**9, free_bytes_min=0, total_bytes_max=total + 1)
    await keeper.look()
    assert keeper.running == 1
    keeper._limits = Limits(bytes_max=10**9, free_bytes_min=0, total_bytes_max=total)
    await keeper.look()
    assert (keeper.running, keeper.refusals.recordings_refused) == (0, 1)
    told = {"state": "cut", "reason": "total_limit"}
    headers = stage.headers["host"]
    answer = await stage.http.get("/api/rooms/demo/video", headers=headers)
    assert answer.json()["recording"] == told
    await filmed.end()
    await stage.post("host", "/api/rooms/demo/start")
    answer = await stage.http.get("/api/rooms/demo/video", headers=headers)
    assert answer.json()["recording"] is None
    for _ in range(3):
        await keeper.look()
    assert (keeper.running, keeper.refusals.recordings_refused) == (0, 2)
    answer = await stage.http.get("/api/rooms/demo/video", headers=headers)
    assert answer.json()["recording"] == told
    # With its files gone there is room again, for the next show.
    await stage.change(DAYS_31)
    await remove_expired(stage.database, filmed.root, 30)
    await stage.post("host", "/api/rooms/demo/end")
    await stage.post("host", "/api/rooms/demo/start")
    await filmed.begin()
    assert keeper.running == 1


async def test_a_crowd_that_asks_for_a_playlist_has_it_read_once(
    filmed: Filmed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the first who asked goes away meanwhile."""
    await filmed.play(3.0)
    await filmed.end()
    now_ms, reads = 0, 0
    shelf = RecordingShelf(filmed.stage.database, filmed.root, lambda: now_ms)
    real: Callable[..., tuple[bytes, bytes]] = shelf._text

    def text(*args: object) -> tuple[bytes, bytes]:
        nonlocal reads
        reads += 1
        return real(*args)

    monkeypatch.setattr(shelf, "_text", text)
    for round_ in (1, 2):
        asked = [asyncio.create_task(shelf.playlist(filmed.show_id)) for _ in range(20)]
        await asyncio.sleep(0)
        asked[0].cancel()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(answers[0], asyncio.CancelledError)
        assert len({one[1] for one in answers[1:] if not isinstance(one, BaseException)}) == 1
        assert reads == round_
        now_ms += 1_000
    assert not shelf._reading
