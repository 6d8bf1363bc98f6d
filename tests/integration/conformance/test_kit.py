"""The conformance kit against the real program, and against one that breaks its promises."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from loadtests.conformance import ear
from loadtests.conformance.__main__ import choose
from loadtests.conformance.families import EVERY
from loadtests.conformance.runner import prepare, run
from loadtests.conformance.stage import Target
from tests.integration.conformance.tampering import PONG, TEXT, Tampering, tampering_proxy
from tests.support.program import Program

ROOT = Path(__file__).resolve().parents[3]
TIMEOUT_S = 300.0
# What a proxy withholds never comes; to wait longer for it proves nothing.
SHORT_TIMEOUT_S = 3.0
HOST = ("--host-login", "host", "--host-password", "demo-host")
# An engine that nobody is: tickets and refusals need none.
ENGINE = {
    "HUBBUB_MEDIA_BACKEND": "whip",
    "HUBBUB_WHIP_PUBLISH_URL": "http://127.0.0.1:1/{room}/whip",
    "HUBBUB_WHIP_PLAY_URL": "http://127.0.0.1:1/{room}/whep",
}
# One pass over a fresh demo room: its log is too short for this.
NOT_APPLICABLE = {"recovery.too_old"}


def run_kit(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the kit as a client's author would."""
    return subprocess.run(
        [sys.executable, "-m", "loadtests.conformance", *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.mark.slow
def test_the_real_program_passes_every_check(serve: Callable[..., Program]) -> None:
    url = serve(environment=ENGINE).url
    done = run_kit(url, *HOST, "--json")
    report = json.loads(done.stdout)
    failed = [outcome for outcome in report["outcomes"] if outcome["verdict"] == "fail"]
    assert failed == [], done.stderr
    assert report["problems"] == []
    assert done.returncode == 0
    skipped = {o["name"]: o["reason"] for o in report["outcomes"] if o["verdict"] not in {"pass"}}
    assert set(skipped) == NOT_APPLICABLE
    assert report["left"]["guests"] > 0
    # What it leaves is usable: nothing held, nothing on flash, the announcement as it was.
    state = read_state(url)
    assert [sale["stock"][1] for sale in state["sales"]] == [0] * len(state["sales"])
    assert {s["state"] for s in state["sales"] if s["kind"] == "flash"} <= {"ended", "cancelled"}
    assert (state["announcement"], state["pinned"]) == (None, None)


def test_without_a_host_login_the_host_checks_are_counted_not_skipped(
    serve: Callable[..., Program],
) -> None:
    done = run_kit(serve().url, "--only", "selling", "--only", "http", "--only", "recovery.future")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout
    assert "no host login was given" in done.stdout
    selling = sum(check.family == "selling" for check in EVERY)
    assert f" 0 failed, {selling} not applicable" in lines[-1]


def read_state(url: str) -> dict[str, Any]:
    """Read the demo room's state."""
    import httpx

    state: dict[str, Any] = httpx.get(f"{url}/api/rooms/demo", trust_env=False).json()
    return state


def drop_every_third_event() -> Tampering:
    counter = itertools.count(1)

    def message(parts: list[Any]) -> list[list[Any]]:
        return [] if parts[0] == "S" and next(counter) % 3 == 0 else [parts]

    return Tampering(message)


def drop_even_offsets() -> Tampering:
    """Lose events on every connection alike: whoever hears three misses one between two."""
    return Tampering(lambda parts: [] if parts[0] == "S" and parts[1] % 2 == 0 else [parts])


def twice(kind: str) -> Tampering:
    return Tampering(lambda parts: [parts, parts] if parts[0] == kind else [parts])


def never(kind: str) -> Tampering:
    return Tampering(lambda parts: [] if parts[0] == kind else [parts])


def replaced(kind: str, change: Callable[[list[Any]], list[Any]]) -> Tampering:
    return Tampering(lambda parts: [change(parts)] if parts[0] == kind else [parts])


def versions_backwards() -> Tampering:
    numbers = itertools.count(1_000_000, -1)

    def message(parts: list[Any]) -> list[list[Any]]:
        if parts[0] == "K":
            values = {key: [next(numbers), value[1]] for key, value in parts[2].items()}
            return [["K", parts[1], values]]
        return [parts]

    return Tampering(message)


def other_event(parts: list[Any]) -> list[Any]:
    next_id = next(OTHER)
    events = [[type, {**payload, "changed": next_id}, at] for type, payload, at in parts[2]]
    return ["S", parts[1], events]


OTHER = itertools.count()

# What is broken → the checks that are run; every one of them must see it.
BROKEN: dict[str, tuple[Tampering, tuple[str, ...]]] = {
    "an event is lost": (drop_every_third_event(), ("sale_lane.everybody",)),
    "an event comes twice": (twice("S"), ("sale_lane.everybody",)),
    "two viewers hear of different events": (
        replaced("S", other_event),
        ("recovery.replayed",),
    ),
    "versions go down": (versions_backwards(), ("state_lane.stock",)),
    "errors have no envelope": (
        Tampering(answer=lambda data: data.replace(b'"error":', b'"fault":')),
        ("http.unknown_path", "http.wrong_method", "people.bad_login", "moderation.forbidden"),
    ),
    "statuses are all 200": (
        Tampering(answer=lambda data: data.replace(b"HTTP/1.1 404", b"HTTP/1.1 200", 1)),
        ("rooms.unknown", "http.ids"),
    ),
    "the close code is another": (
        Tampering(close_code=4000),
        ("handshake.bad_token", "handshake.unknown_room", "limits.flood", "limits.bad_frames"),
    ),
    "hello lacks its limits": (
        replaced("h", lambda parts: ["h", {k: v for k, v in parts[1].items() if k != "limits"}]),
        ("handshake.hello_first",),
    ),
    "hello comes after the state": (
        Tampering(lambda parts: [["p", 0], parts] if parts[0] == "h" else [parts]),
        ("handshake.hello_first",),
    ),
    "no state after a fresh hello": (never("Z"), ("handshake.snapshot_after_fresh",)),
    "an author does not see the own line": (never("L"), ("chat.echo",)),
    "chat lines lack their time": (
        replaced("L", lambda parts: ["L", parts[1], [row[:5] for row in parts[2]], parts[3]]),
        ("chat.echo",),
    ),
    "ids come back as texts": (
        replaced("r", lambda parts: ["r", str(parts[1]), parts[2]]),
        ("frames.ids",),
    ),
    "pings are not answered": (Tampering(without=PONG), ("liveness.ping",)),
    "likes are not told": (never("K"), ("state_lane.likes",)),
    "direct messages do not come": (never("D"), ("selling.hold_expires",)),
    "refusals are silent": (never("e"), ("commands.key_required", "chat.too_long")),
    "nothing is told at all": (Tampering(without=TEXT), ("handshake.visitor",)),
    "the retry header is missing": (
        Tampering(answer=lambda data: data.replace(b"retry-after:", b"retry-other:", 1)),
        ("selling.not_open",),
    ),
}


@pytest.mark.slow
async def test_every_broken_promise_is_reported(
    serve: Callable[..., Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = serve().port
    monkeypatch.setattr(ear, "ANSWER_TIMEOUT_S", SHORT_TIMEOUT_S)
    monkeypatch.setattr(ear, "CLOSE_TIMEOUT_S", SHORT_TIMEOUT_S)
    # Two kits would take each other's pieces for a flash sale.
    one_at_a_time = asyncio.Lock()
    unseen = {}

    async def see(what: str, tampering: Tampering, names: tuple[str, ...]) -> None:
        async with tampering_proxy(port, tampering) as url:
            stage = await prepare(Target(url, host_login="host", host_password="demo-host"))
            needs_pieces = any(name.startswith(("selling", "state_lane.stock")) for name in names)
            async with one_at_a_time if needs_pieces else nullcontext():
                report = await run(stage, choose(EVERY, names))
        for outcome in report.outcomes:
            if outcome.verdict != "fail" or not outcome.expected or outcome.came is None:
                unseen[f"{what}: {outcome.name}"] = outcome

    async with asyncio.TaskGroup() as tasks:
        for what, (tampering, names) in BROKEN.items():
            tasks.create_task(see(what, tampering, names))
    assert unseen == {}


async def test_the_proxy_itself_breaks_nothing(serve: Callable[..., Program]) -> None:
    names = sorted({name for _, names in BROKEN.values() for name in names})
    async with tampering_proxy(serve().port, Tampering()) as url:
        stage = await prepare(Target(url, host_login="host", host_password="demo-host"))
        report = await run(stage, choose(EVERY, [*names, "witness"]))
    assert [outcome for outcome in report.outcomes if outcome.verdict != "pass"] == []


async def test_the_witness_sees_what_no_single_check_looks_for(
    serve: Callable[..., Program],
) -> None:
    async with tampering_proxy(serve().port, drop_even_offsets()) as url:
        stage = await prepare(Target(url, host_login="host", host_password="demo-host"))
        names = ("moderation.mute", "sale_lane.everybody", "witness.sale_lane")
        report = await run(stage, choose(EVERY, names))
    verdicts = {outcome.name: outcome.verdict for outcome in report.outcomes}
    assert verdicts["witness.sale_lane"] == "fail"


def test_an_address_out_of_reach_is_one_line_and_exit_code_2() -> None:
    done = run_kit("http://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("conformance: http://127.0.0.1:9 is out of reach")
    assert done.stderr.count("\n") == 1


def test_a_room_or_login_that_is_wrong_is_one_line_and_exit_code_2(
    serve: Callable[..., Program],
) -> None:
    url = serve().url
    for arguments, words in (
        (("--room", "nowhere"), "there is no room 'nowhere'"),
        (("--host-login", "host", "--host-password", "wrong"), "the host login was refused"),
        (
            ("--host-login", "operator", "--host-password", "demo-operator"),
            "'operator' is not the host of the room 'demo'",
        ),
    ):
        done = run_kit(url, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
