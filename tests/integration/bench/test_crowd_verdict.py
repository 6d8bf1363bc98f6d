"""The crowd client's verdict can be believed: a server that errs on purpose is found out.

Each test plays one faulty server against the compiled client. Where there is no C compiler they
fail and say so, because the benchmarks' figures would then rest on nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets

from tests.bench.crowd_client import CrowdClient

pytestmark = pytest.mark.integration

Frames = Sequence[Sequence[Any]]
EPOCH = "e-1"
START = 10
FINAL = START + 5
SENT_TIMEOUT_S = 15.0


def hello(offset: int, rec: str = "fresh") -> list[Any]:
    return ["h", {"conn": "c", "user": None, "epoch": EPOCH, "offset": offset, "rec": rec}]


def snapshot(offset: int) -> list[Any]:
    return ["Z", EPOCH, offset, {"room": "demo", "tricky": '"]}[\\"'}]


def sale(first: int, last: int | None = None, *, word: str = "") -> list[Any]:
    events = [
        ["announcement", {"text": f'event {number} "]}} {word}'}, 1_700_000_000_000 + number]
        for number in range(first, (first if last is None else last) + 1)
    ]
    return ["S", first, events]


WELCOME = [hello(START), snapshot(START)]


async def judge(
    frames_for: Callable[[int, str], Frames], *, clients: int = 1, sent: int = FINAL
) -> dict[str, Any]:
    """Serve each connection (its number, its path) these frames; judge them by a log to `FINAL`.

    The newest event that the server sends is `sent`; everybody is waited for until they have it.
    After the frames the server waits; it hangs up where the last frame is `["hang up"]`.
    """
    connections = 0

    async def serve(connection: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        assert connection.request is not None
        for frame in frames_for(connections, connection.request.path):
            if frame == ["hang up"]:
                return
            await connection.send(msgspec.json.encode(frame).decode())
        with contextlib.suppress(Exception):
            await connection.wait_closed()

    async with serve_websockets(serve, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        crowd = await asyncio.to_thread(lambda: CrowdClient(port, "--sale", clients=clients))
        try:
            await asyncio.to_thread(crowd.wait_until_ready)
            seen = await asyncio.to_thread(lambda: crowd.verdict(sent, within_s=SENT_TIMEOUT_S))
            if sent == FINAL:
                return seen
            # Nothing more comes, so there is nothing to wait for.
            return await asyncio.to_thread(lambda: crowd.verdict(FINAL, within_s=0.0))
        finally:
            await asyncio.to_thread(crowd.stop)


async def test_an_honest_server_is_found_honest() -> None:
    seen = await judge(lambda *_: [*WELCOME, sale(11, 13), sale(14), sale(15)], clients=3)
    assert (seen["delivered"], seen["expected"], seen["missed"]) == (15, 15, 0)
    assert (seen["duplicates"], seen["differing"], seen["malformed"]) == (0, 0, 0)


async def test_a_dropped_event_is_missed() -> None:
    seen = await judge(lambda *_: [*WELCOME, sale(11, 12), sale(14, 15)])
    assert (seen["missed"], seen["delivered"], seen["duplicates"]) == (1, 4, 0)


async def test_a_dropped_end_is_missed() -> None:
    seen = await judge(lambda *_: [*WELCOME, sale(11, 13)], sent=13)
    assert (seen["missed"], seen["behind"]) == (2, 1)


async def test_an_event_that_comes_twice_is_a_duplicate() -> None:
    seen = await judge(lambda *_: [*WELCOME, sale(11, 13), sale(13, 15)])
    assert (seen["duplicates"], seen["missed"], seen["delivered"]) == (1, 0, 5)


async def test_events_out_of_order_are_found() -> None:
    seen = await judge(lambda *_: [*WELCOME, sale(12), sale(11), sale(13, 15)])
    assert (seen["missed"], seen["duplicates"]) == (1, 1)


async def test_two_clients_with_another_event_at_one_offset_differ() -> None:
    def frames(number: int, _: str) -> Frames:
        return [*WELCOME, sale(11, 14), sale(15, word="other" if number == 2 else "")]

    seen = await judge(frames, clients=2)
    assert (seen["differing"], seen["missed"]) == (1, 0)


async def test_a_snapshot_stands_for_what_it_contains_and_is_counted_apart() -> None:
    seen = await judge(lambda *_: [*WELCOME, sale(11), snapshot(14), sale(15)])
    assert (seen["missed"], seen["delivered"]) == (0, 2)
    assert (seen["snapshots"], seen["covered"]) == (1, 3)


async def test_a_client_comes_back_with_its_position_and_its_replay_is_timed() -> None:
    paths: list[str] = []

    def frames(number: int, path: str) -> Frames:
        paths.append(path)
        if number == 1:
            return [*WELCOME, sale(11, 12), ["b", 4200, 20], ["hang up"]]
        return [hello(15, "replayed"), sale(13, 15)]

    seen = await judge(frames)
    assert paths[1].endswith(f"&e={EPOCH}&o=12")
    assert (seen["replayed"], seen["replay"]["count"], seen["lost"]) == (1, 1, 1)
    assert (seen["missed"], seen["duplicates"], seen["delivered"]) == (0, 0, 5)


async def test_a_replay_that_begins_too_late_is_a_loss() -> None:
    def frames(number: int, _: str) -> Frames:
        if number == 1:
            return [*WELCOME, sale(11, 12), ["b", 4200, 20], ["hang up"]]
        return [hello(15, "replayed"), sale(14, 15)]

    seen = await judge(frames)
    assert (seen["missed"], seen["duplicates"]) == (1, 0)
