"""Coming back: what was missed is replayed, or replaced by a whole state."""

from __future__ import annotations

from loadtests.conformance.model import NotApplicableError, check, require
from loadtests.conformance.stage import NO_HOST, Stage, Visit

REPLAY_EVENTS_MAX = 512
EVENTS_MISSED = 3


@check("recovery.replayed", "Frames", "Who comes back gets exactly the events that were missed.")
async def replayed(stage: Stage) -> None:
    position = await _past(stage)
    async with stage.visit(Visit(position=position)) as ear, stage.settled() as witness:
        hello = await ear.settle()
        kinds = [parts[0] for parts in ear.frames if parts[0] in {"h", "Z", "S", "K"}]
        came = f"rec {hello['rec']}, frames {kinds}"
        is_so = hello["rec"] == "replayed" and kinds[:3] == ["h", "S", "K"] and "Z" not in kinds
        require(is_so, "rec 'replayed', then S, then K, and no Z", came)
        missed = list(range(position[1] + 1, hello["offset"] + 1))
        got = sorted(offset for offset in ear.watch.events if offset <= hello["offset"])
        require(got == missed, f"the offsets {missed}", got)
        epoch = position[0]
        witness.sync(epoch, position[1])
        await witness.hear("S", lambda parts: parts[1] == position[1] + 1)
        told = {offset: witness.watch.events.get(offset) for offset in missed}
        came_events = {offset: ear.watch.events[offset] for offset in missed}
        require(came_events == told, "the same events as everybody was told", came_events)


@check("recovery.nothing_missed", "Frames", "Who missed nothing is `replayed`, without an `S`.")
async def nothing_missed(stage: Stage) -> None:
    for _ in range(3):
        async with stage.settled() as ear:
            position = ear.watch.position
        async with stage.visit(Visit(position=position)) as ear:
            hello = await ear.settle()
            require(hello["rec"] == "replayed", "rec 'replayed'", hello["rec"])
            if hello["offset"] > position[1]:
                continue  # Something happened in between; ask again.
            kinds = [parts[0] for parts in ear.frames if parts[0] in {"h", "Z", "S", "K"}]
            require(kinds[:2] == ["h", "K"], "h, then K, and no S", kinds)
            return
    raise NotApplicableError("the room was never still between two connections")


@check("recovery.state_keys", "Frames", "After a replay one `K` tells all that is known of it.")
async def state_keys(stage: Stage) -> None:
    async with stage.settled() as ear:
        position = ear.watch.position
    async with stage.visit(Visit(position=position)) as ear:
        await ear.settle()
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
    epoch, offset = await _past(stage)
    async with stage.settled() as ear:
        newest, mark = ear.watch.position[1], ear.mark
        ear.sync(epoch, offset)
        first = await ear.hear("S", lambda parts: parts[1] == offset + 1, after=mark)
        await ear.wait_until(lambda: newest in ear.watch.events, 2.0)
        missing = set(range(offset + 1, newest + 1)) - set(ear.watch.events)
        require(not missing, f"every event from {offset + 1} to {newest}", first)
        require(not ear.of("Z", mark), "no Z", "one")


@check("recovery.sync_unknown", "Frames", "`sync` where a replay is impossible is answered by `Z`.")
async def sync_unknown(stage: Stage) -> None:
    async with stage.settled() as ear:
        mark = ear.mark
        ear.sync("another-epoch", 1)
        snapshot = await ear.hear("Z", after=mark, expected="a Z frame after the sync")
        hello = await ear.hello()
    require(snapshot[1] == hello["epoch"], "the room's epoch", snapshot[1])


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
