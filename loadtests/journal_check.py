"""Hold what buyers were told against a pool's journal, version by version.

A reservation core is right when every answer it gave was true of some committed version that was
alive while the buyer waited for it. Three claims are checked, each in one walk over the data:
every acknowledged reservation is committed, under the version it was told; no version has claimed
more than there is, nor less than nothing; every `sold_out` or `held_out` names a version that had
no free unit and was alive during the call, or became old at most `STALE_MS_MAX` before it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import msgspec

# What the latch promises: no answer is older than this.
STALE_MS_MAX = 250
# The journal notes when a change was decided, some moments before it was committed, and reader and
# writer may be kept waiting for a core in between.
SLACK_MS = 500
SHOWN_MAX = 5
NOTHING_FREE = frozenset({"sold_out", "held_out"})
RESERVED = "reserved"


class Step(msgspec.Struct, frozen=True):
    """One row of the journal; `at_ms` is Unix time of the database's clock."""

    version: int
    claimed_delta: int
    total_delta: int
    at_ms: int


class Told(msgspec.Struct, frozen=True):
    """One answer: `code` is `reserved` or the refusal's; times in Unix ms of the client."""

    code: str
    version: int | None
    reservation: str | None
    pressed_ms: float
    answered_ms: float
    key: str = ""
    """The idempotency key: presses under one key are one wish, and get one answer."""


def check_journal(
    steps: Sequence[Step], granted: Mapping[str, int], told: Sequence[Told]
) -> list[str]:
    """Return what is wrong, as sentences; `granted` is reservation id → version.

    `steps` is the whole journal of the pool, in order.
    """
    problems = [*_check_steps(steps)]
    if problems:
        return problems  # Without a sound journal nothing can be held against it.
    return [*_check_acked(granted, told), *_check_refused(steps, told)]


def _check_steps(steps: Sequence[Step]) -> Iterator[str]:
    claimed = total = 0
    for number, step in enumerate(steps, 1):
        if step.version != number:
            yield f"the journal has version {step.version} where {number} belongs"
            return
        claimed += step.claimed_delta
        total += step.total_delta
        if not 0 <= claimed <= total:
            yield f"version {number} has {claimed} claimed of {total}"
    if any(later.at_ms < earlier.at_ms for earlier, later in pairwise(steps)):
        yield "the journal's times go back"


def _check_acked(granted: Mapping[str, int], told: Sequence[Told]) -> Iterator[str]:
    lost, moved, twice = [], [], []
    keys: dict[str, str] = {}
    for answer in told:
        if answer.code != RESERVED or answer.reservation is None:
            continue
        version = granted.get(answer.reservation)
        if version is None:
            lost.append(answer.reservation)
        elif version != answer.version:
            moved.append(f"{answer.reservation}: {answer.version}, committed as {version}")
        if keys.setdefault(answer.reservation, answer.key) != answer.key:
            twice.append(answer.reservation)
    yield from _some(lost, "acknowledged reservation(s) are not committed")
    yield from _some(moved, "reservation(s) were told another version")
    yield from _some(twice, "reservation(s) were promised to two presses")


def _check_refused(steps: Sequence[Step], told: Sequence[Told]) -> Iterator[str]:
    free = _free_by_version(steps)
    untrue, stale, unknown = [], [], []
    for answer in told:
        if answer.code not in NOTHING_FREE:
            continue
        version = answer.version
        if version is None or not 1 <= version <= len(steps):
            unknown.append(f"{answer.code} of version {version}")
            continue
        if free[version - 1] != 0:
            untrue.append(f"{answer.code} of version {version} with {free[version - 1]} free")
        born_ms = steps[version - 1].at_ms
        died_ms = steps[version].at_ms if version < len(steps) else None
        is_dead = died_ms is not None and died_ms + STALE_MS_MAX + SLACK_MS < answer.pressed_ms
        if is_dead or born_ms > answer.answered_ms + SLACK_MS:
            stale.append(f"{answer.code} of version {version}")
    yield from _some(unknown, "refusal(s) name a version that does not exist")
    yield from _some(untrue, "refusal(s) were not true of the version they name")
    yield from _some(stale, "refusal(s) name a version that was not alive during the call")


def _free_by_version(steps: Sequence[Step]) -> list[int]:
    free, now = [], 0
    for step in steps:
        now += step.total_delta - step.claimed_delta
        free.append(now)
    return free


def _some(found: Sequence[str], what: str) -> Iterator[str]:
    if found:
        yield f"{len(found)} {what} ({', '.join(found[:SHOWN_MAX])})"
