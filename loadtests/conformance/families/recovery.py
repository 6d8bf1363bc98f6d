"""Coming back: what was missed is replayed, or replaced by a whole state."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import groupby

from loadtests.conformance.ear import Ear
from loadtests.conformance.model import NotApplicableError, check, require
from loadtests.conformance.stage import NO_HOST, Stage, Visit

REPLAY_EVENTS_MAX = 512
EVENTS_MISSED = 3
# The other families fill the room's log; when they are done, the room is still.
STILL_TIMEOUT_S = 60.0
# Two gateways may be some events apart for a moment, and whoever brings more to one than it knows
# of has to be sent the whole state.
LEVEL_TIMEOUT_S = 30.0
PAUSE_S = 0.25


@check("recovery.replayed", "Frames", "Who comes back gets exactly the events that were missed.")
async def replayed(stage: Stage) -> None:
    position = await _past(stage)
    async with _back(stage, position) as ear, _back(stage, position) as witness:
        hello = await ear.hello()
        kinds = [parts[0] for parts in ear.frames if parts[0] in {"h", "Z", "S", "K"}]
        came = f"rec {hello['rec']}, frames {kinds}"
        # What happens meanwhile may be told before the `K`.
        order = [kind for kind, _ in groupby(kinds)][:3]
        is_so = hello["rec"] == "replayed" and order == ["h", "S", "K"] and "Z" not in kinds
        require(is_so, "rec 'replayed', then S, then K, and no Z", came)
        missed = list(range(position[1] + 1, hello["offset"] + 1))
        got = sorted(offset for offset in ear.watch.events if offset <= hello["offset"])
        require(got == missed, f"the offsets {missed}", got)
        await witness.wait_until(lambda: set(missed) <= set(witness.watch.events))
        told = {offset: witness.watch.events.get(offset) for offset in missed}
        came_events = {offset: ear.watch.events[offset] for offset in missed}
        require(came_events == told, "the same events as everybody was told", came_events)


@check("recovery.nothing_missed", "Frames", "Who missed nothing is `replayed`, without an `S`.")
async def nothing_missed(stage: Stage) -> None:
    until_s = time.monotonic() + STILL_TIMEOUT_S
    while time.monotonic() < until_s:
        async with stage.settled() as ear:
            position = ear.watch.position
        async with _back(stage, position) as ear:
            hello = await ear.hello()
            require(hello["rec"] == "replayed", "rec 'replayed'", hello["rec"])
            if hello["offset"] == position[1]:
                replayed = [parts for parts in ear.of("S") if parts[1] <= hello["offset"]]
                require(not replayed and not ear.of("Z"), "h, then K, and no S", replayed)
                return
        # Something happened in between; ask again.
        await asyncio.sleep(PAUSE_S)
    raise NotApplicableError("the room was never still between two connections")


@check("recovery.state_keys", "Frames", "After a replay one `K` tells all that is known of it.")
async def state_keys(stage: Stage) -> None:
    async with stage.settled() as ear:
        position = ear.watch.position
    async with _back(stage, position) as ear:
        first = ear.of("K")[0][2]
        require("viewers" in first, "viewers among its keys", sorted(first))


@check("recovery.unknown_epoch", "Frames", "An unknown epoch gets `snapshot` and a `Z`.")
async def unknown_epoch(stage: Stage) -> None:
    await _expect_snapshot(stage, ("another-epoch", 1))


@check("recovery.future", "Frames", "An offset from the future gets `snapshot` and a `Z`.")
async def future(stage: Stage) -> None:
    async with stage.settled() as ear:
        epoch, offset = ear.watch.position
    await _expect_snapshot(stage, (epoch, offset + 1_000_000))


@check("recovery.too_old", "Limits", "More than 512 missed events get `snapshot` and a `Z`.")
async def too_old(stage: Stage) -> None:
    async with stage.settled() as ear:
        epoch, offset = ear.watch.position
    if offset <= REPLAY_EVENTS_MAX:
        raise NotApplicableError(f"the room's log has {offset} events, and 512 are replayed")
    await _expect_snapshot(stage, (epoch, 0))


@check("recovery.sync", "Frames", "`sync` is answered by the missing `S` frames.")
async def sync(stage: Stage) -> None:
    epoch, offset = position = await _past(stage)
    # The gateway that answers has to know of all that is asked for.
    async with _back(stage, position) as ear:
        newest, mark = ear.watch.position[1], ear.mark
        ear.sync(epoch, offset)
        await ear.hear("S", lambda parts: parts[1] == offset + 1, after=mark)
        missing = set(range(offset + 1, newest + 1))
        await ear.wait_until(lambda: missing <= _offsets(ear, mark))
        told = sorted(_offsets(ear, mark))
        require(missing <= set(told), f"every event from {offset + 1} to {newest}", told)
        require(not ear.of("Z", mark), "no Z", "one")


@check("recovery.sync_unknown", "Frames", "`sync` where a replay is impossible is answered by `Z`.")
async def sync_unknown(stage: Stage) -> None:
    async with stage.settled() as ear:
        mark = ear.mark
        ear.sync("another-epoch", 1)
        snapshot = await ear.hear("Z", after=mark, expected="a Z frame after the sync")
        hello = await ear.hello()
    require(snapshot[1] == hello["epoch"], "the room's epoch", snapshot[1])


def _offsets(ear: Ear, mark: int) -> set[int]:
    """Return the offsets of the events that were told since."""
    frames = ear.of("S", mark)
    return {parts[1] + index for parts in frames for index in range(len(parts[2]))}


@asynccontextmanager
async def _back(stage: Stage, position: tuple[str, int]) -> AsyncIterator[Ear]:
    """Come back with a position, again while a gateway is behind it, and settle."""
    until_s = time.monotonic() + LEVEL_TIMEOUT_S
    while True:
        async with stage.visit(Visit(position=position)) as ear:
            hello = await ear.settle()
            if hello["rec"] == "replayed" or time.monotonic() > until_s:
                yield ear
                return
        await asyncio.sleep(PAUSE_S)


async def _past(stage: Stage) -> tuple[str, int]:
    """Return a position that some events lie behind; the host makes them when there are none."""
    epoch, offset = await _position(stage)
    if offset == 0:
        raise NotApplicableError(f"nothing ever happened in this room, and {NO_HOST}")
    return epoch, max(0, offset - EVENTS_MISSED)


async def _position(stage: Stage) -> tuple[str, int]:
    try:
        return await stage.event()
    except NotApplicableError:
        async with stage.settled() as ear:
            return ear.watch.position


async def _expect_snapshot(stage: Stage, position: tuple[str, int]) -> None:
    async with stage.visit(Visit(position=position)) as ear:
        hello = await ear.hello()
        require(hello["rec"] == "snapshot", "rec 'snapshot'", hello["rec"])
        await ear.settle()
        require(ear.watch.epoch == hello["epoch"], "the Z of the room's epoch", ear.watch.epoch)


CHECKS = (
    replayed,
    nothing_missed,
    state_keys,
    unknown_epoch,
    future,
    too_old,
    sync,
    sync_unknown,
)
