"""A show recorded by the whole program: what is kept, how long it is, and what a kill takes."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import psutil
import pytest

from tests.faults.test_media_process import MEDIA, host_of, live_picture, open_session
from tests.support.api import Caller, eventually, open_client
from tests.support.filming import decode_bytes
from tests.support.program import Program
from tests.support.whip_client import WhipClient, only_loopback

SEGMENT = re.compile(r"#EXTINF:([\d.]+),\n#EXT-X-BYTERANGE:(\d+)@(\d+)\n(\S+)")
# A recording is right to within one of these.
SEGMENT_S = 4.0
RECORDED_WITHIN_S = 90.0


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients reach the media process over loopback."""
    only_loopback(monkeypatch)


async def read_metrics(program: Program) -> str:
    """Return the media process's page of metrics, from the port that it listens on."""
    (media,) = program.children_with_role("media")
    (port,) = {
        one.laddr.port for one in media.net_connections("tcp") if one.status == psutil.CONN_LISTEN
    }
    async with open_client(f"http://127.0.0.1:{port}") as http:
        return (await http.get("/metrics")).text


async def read_playlist(host: Caller, address: str) -> str:
    """Return a playlist, or an empty text where nothing is recorded yet."""
    answer = await host.http.get(address, follow_redirects=True)
    return answer.text if answer.is_success else ""


def length_s(playlist: str, name: str = "") -> float:
    """Return how long a playlist is, or what it has of one file."""
    return sum(float(found[1]) for found in SEGMENT.finditer(playlist) if name in found[4])


async def wait_recorded(host: Caller, seconds: float, parts: int = 1) -> str:
    """Wait until the running playlist has so much, in so many parts; return it."""
    seen = ""

    async def is_there() -> bool:
        nonlocal seen
        seen = await read_playlist(host, "/hls/demo/live.m3u8")
        return length_s(seen) >= seconds and seen.count("#EXT-X-MAP") >= parts

    await eventually(is_there, timeout_s=RECORDED_WITHIN_S)
    return seen


async def end_and_read(host: Caller) -> dict[str, Any]:
    """End the show; return its replay once the recording is complete."""
    show = (await host.call("GET", "/api/rooms/demo"))["show"]["id"]
    await host.call("POST", "/api/rooms/demo/end")
    replay: dict[str, Any] = {}

    async def is_complete() -> bool:
        nonlocal replay
        answer = await host.http.get(f"/api/shows/{show}/replay")
        replay = answer.json() if answer.is_success else {}
        return bool(replay) and replay["recording"]["state"] != "recording"

    await eventually(is_complete, timeout_s=RECORDED_WITHIN_S)
    assert replay["recording"]["state"] == "complete"
    return replay


async def wait_finished(host: Caller, replay: dict[str, Any]) -> str:
    """Return the playlist once it says that it is over; a gateway knows it for a second."""
    text = ""

    async def is_over() -> bool:
        nonlocal text
        text = await read_playlist(host, replay["recording"]["playlist"])
        return text.rstrip().endswith("#EXT-X-ENDLIST")

    await eventually(is_over)
    return text


async def publish_anew(stack: AsyncExitStack, host: Caller) -> None:
    """Publish as soon as a media process answers again, as often as the answers ask for."""
    async with asyncio.timeout(60):
        while True:
            ticket = await host.call("POST", "/api/rooms/demo/video/publish", status=201)
            client = WhipClient(host.http, ticket["protocol"], ticket["token"])
            stack.push_async_callback(client.close)
            answer = await client.begin()
            if answer.is_success:
                return
            await asyncio.sleep(int(answer.headers["Retry-After"]))


async def fetch_part(host: Caller, replay: dict[str, Any], text: str, name: str) -> bytes:
    """Return a part as a player of this playlist fetches it: its segments, range by range."""
    show = replay["show"]["id"]
    first = int(SEGMENT.search(text.partition(f'"{name}"')[2])[3])  # type: ignore[index]
    pieces = [(0, first)] + [
        (int(found[3]), int(found[2])) for found in SEGMENT.finditer(text) if found[4] == name
    ]
    data = b""
    for offset, size in pieces:
        headers = {"Range": f"bytes={offset}-{offset + size - 1}"}
        answer = await host.http.get(f"/hls/demo/{show}/{name}", headers=headers)
        assert answer.status_code == 206
        data += answer.content
    return data


async def test_a_show_is_kept_from_its_first_picture_to_its_end(
    serve: Callable[..., Program],
) -> None:
    program = serve("--demo", environment=MEDIA)
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(host_of(program.url))
        await open_session(stack, host, "publish")
        began_ms = (await eventually(lambda: live_picture(host)))["since_ms"]
        await wait_recorded(host, SEGMENT_S)
        item = (await host.call("GET", "/api/rooms/demo"))["bag"][0]
        await host.call("POST", "/api/rooms/demo/pin", {"item": item["item"]})
        await wait_recorded(host, 2 * SEGMENT_S)
        await host.call("POST", "/api/rooms/demo/unpin")
        counted = await read_metrics(program)
        assert re.search(r"^hubbub_recording_shows\{[^}]+\} 1\.0$", counted, re.MULTILINE)
        assert re.search(r"^hubbub_recording_segments_total\{[^}]+\} [1-9]", counted, re.MULTILINE)
        replay = await end_and_read(host)

        recording = replay["recording"]
        wanted_ms = replay["show"]["ended_at_ms"] - began_ms
        assert abs(recording["length_ms"] - wanted_ms) < SEGMENT_S * 1000
        text = await wait_finished(host, replay)
        assert length_s(text) == pytest.approx(recording["length_ms"] / 1000, abs=0.2)
        (part,) = recording["parts"]
        times = decode_bytes(await fetch_part(host, replay, text, f"0001.{part['kind']}"))
        assert max(times) - min(times) == pytest.approx(length_s(text), abs=0.5)

        (chapter,) = replay["chapters"]
        assert chapter["item"] == item["item"]
        explained_ms = chapter["end_ms"] - chapter["start_ms"]
        assert 0 < explained_ms < recording["length_ms"]
        page = await host.http.get(f"/r/demo/replay/{replay['show']['id']}")
        assert page.status_code == 200
        assert recording["playlist"] in page.text
        assert await read_playlist(host, "/hls/demo/live.m3u8") == ""


async def test_a_killed_media_process_leaves_what_it_recorded_and_the_next_goes_on(
    serve: Callable[..., Program],
) -> None:
    program = serve("--demo", environment=MEDIA)
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(host_of(program.url))
        await open_session(stack, host, "publish")
        before = await wait_recorded(host, SEGMENT_S)
        (media,) = program.children_with_role("media")
        media.send_signal(signal.SIGKILL)
        await asyncio.to_thread(media.wait, 60)
        # What was in the playlist stays there while nobody records.
        assert length_s(await read_playlist(host, "/hls/demo/live.m3u8")) >= length_s(before)
        await publish_anew(stack, host)
        await wait_recorded(host, length_s(before) + SEGMENT_S, parts=2)
        replay = await end_and_read(host)

        parts = replay["recording"]["parts"]
        assert [part["no"] for part in parts] == [1, 2]
        # The hole between the two is no part of what is played.
        assert parts[1]["from_ms"] > parts[0]["to_ms"]
        assert parts[1]["start_ms"] == parts[0]["to_ms"] - parts[0]["from_ms"]
        text = await wait_finished(host, replay)
        for part in parts:
            name = f"{part['no']:04}.{part['kind']}"
            times = decode_bytes(await fetch_part(host, replay, text, name))
            assert max(times) - min(times) == pytest.approx(length_s(text, name), abs=0.5)
        assert length_s(text, "0001") >= length_s(before)
