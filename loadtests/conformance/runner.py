"""Run the checks: families side by side, the checks of a family one after another.

Invariant: every check that was asked for has an outcome, whatever the server or the check does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from http.client import HTTPException

import msgspec

from loadtests.conformance.http import Host, Person, Reply
from loadtests.conformance.model import (
    Check,
    MismatchError,
    NotApplicableError,
    Outcome,
    UsageError,
    Verdict,
    shorten,
)
from loadtests.conformance.stage import Stage, Target

# The longest honest check waits for one heartbeat of 20 s, or for its turn with a piece of the bag
# on a busy machine.
CHECK_TIMEOUT_S = 120.0
# What every connection of the run saw is judged when the others are done.
LAST_FAMILY = "witness"


class Report(msgspec.Struct, frozen=True):
    """What a run found, what it left behind, and what it could not give back."""

    url: str
    room: str
    took_ms: int
    outcomes: list[Outcome]
    left: dict[str, int]
    problems: list[str]

    def count(self, verdict: Verdict) -> int:
        """Return how many checks ended so."""
        return sum(outcome.verdict == verdict for outcome in self.outcomes)


async def prepare(target: Target) -> Stage:
    """Reach the address, find the room and sign in as its host; raises UsageError."""
    visitor = Person(target.base_url)
    stage = Stage(target, None)
    try:
        reply = await visitor.call(f"GET {stage.room_path}")
    except Exception as error:  # Whatever keeps us from an answer, a person reads it.
        raise UsageError(f"{target.base_url} is out of reach: {error!r}") from None
    if reply.status == 404:
        raise UsageError(f"there is no room {target.room!r} at {target.base_url}")
    state = _json_object(reply)
    if reply.status != 200 or "sales" not in state:
        said = f"{reply.status} {shorten(reply.data.decode(errors='replace'))}"
        raise UsageError(f"{target.base_url} does not answer as a Hubbub does: {said}")
    if target.host_login is None:
        return stage
    body = {"login": target.host_login, "password": target.host_password or ""}
    answer = await visitor.call("POST /api/login", body)
    found = _json_object(answer)
    if answer.status != 200 or not isinstance(found.get("user"), dict):
        raise UsageError(f"the host login was refused: {answer}")
    host = Host(target.base_url, token=str(found.get("token")), user=found["user"])
    if isinstance(owner := _host_of(state), str) and owner != host.user.get("id"):
        raise UsageError(f"{target.host_login!r} is not the host of the room {target.room!r}")
    return Stage(target, host)


async def run(stage: Stage, checks: Sequence[Check]) -> Report:
    """Run the checks and return what they found, in their order."""
    started_s = time.monotonic()
    before = await _furnishing(stage)
    families: dict[str, list[Check]] = {}
    for check in checks:
        families.setdefault(check.family, []).append(check)
    last = families.pop(LAST_FAMILY, [])
    outcomes: dict[str, Outcome] = {}
    async with asyncio.TaskGroup() as tasks:
        for family in families.values():
            tasks.create_task(_run_family(stage, family, outcomes))
    await _run_family(stage, last, outcomes)
    await _restore(stage, before)
    return Report(
        url=stage.target.base_url,
        room=stage.target.room,
        took_ms=round((time.monotonic() - started_s) * 1000),
        outcomes=[outcomes[check.name] for check in checks],
        left=dict(stage.left),
        problems=stage.problems,
    )


async def _run_family(stage: Stage, checks: Sequence[Check], outcomes: dict[str, Outcome]) -> None:
    for check in checks:
        outcomes[check.name] = await run_check(stage, check)


async def run_check(stage: Stage, check: Check) -> Outcome:
    """Run one check and return its outcome; it never raises for what the server did."""
    started_s = time.monotonic()
    found: dict[str, str] = {}
    verdict: Verdict = "fail"
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            if check.needs_host:
                stage.require_host()
            await check.run(stage)
        verdict = "pass"
    except NotApplicableError as reason:
        verdict, found = "not_applicable", {"reason": str(reason)}
    except MismatchError as error:
        found = {"expected": error.expected, "came": error.came}
    except TimeoutError:
        found = {"expected": f"an end within {CHECK_TIMEOUT_S:g} s", "came": "none"}
    except (OSError, EOFError) as error:
        found = {"expected": "a connection that stands", "came": repr(error)}
    except Exception as error:  # What a wrong answer does to a check is the answer's fault.
        found = {"expected": "an answer as documented", "came": shorten(repr(error))}
    return Outcome(
        name=check.name,
        section=check.section,
        says=check.says,
        verdict=verdict,
        took_ms=round((time.monotonic() - started_s) * 1000),
        **found,
    )


async def _furnishing(stage: Stage) -> dict[str, object]:
    """Remember what the checks may change of the room: the announcement and the pin."""
    return _json_object(await stage.visitor.call(f"GET {stage.room_path}"))


async def _restore(stage: Stage, before: dict[str, object]) -> None:
    """Put back what the checks changed of the room."""
    try:
        host = stage.host
    except NotApplicableError:
        return
    try:
        now = await stage.state()
        if now["announcement"] != before.get("announcement"):
            text = before.get("announcement") or ""
            await host.do(f"POST {stage.room_path}/announce", {"text": text})
        if now["pinned"] != before.get("pinned"):
            if before.get("pinned") is None:
                await host.do(f"POST {stage.room_path}/unpin", {})
            else:
                await host.do(f"POST {stage.room_path}/pin", {"item": before["pinned"]})
    except (MismatchError, OSError, HTTPException, LookupError, TypeError) as error:
        stage.problems.append(f"announcement and pin: {error}")


def _json_object(reply: Reply) -> dict[str, object]:
    """Return the object that was answered, or an empty one for whatever else came."""
    try:
        found = reply.json
    except MismatchError:
        return {}
    return found if isinstance(found, dict) else {}


def _host_of(state: dict[str, object]) -> object:
    host = state.get("host")
    return host.get("id") if isinstance(host, dict) else None
