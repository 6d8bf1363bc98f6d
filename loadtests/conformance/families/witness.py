"""What every connection of the run saw; judged when all others are done."""

from __future__ import annotations

from collections.abc import Callable

from loadtests.conformance.ear import Ear
from loadtests.conformance.model import check, require
from loadtests.conformance.stage import Stage

SHOWN_MAX = 3


@check("witness.frames", "Frames", "Every frame is a text, one JSON array of a documented shape.")
async def frames(stage: Stage) -> None:
    await _judge(stage, "text frames as documented", lambda ear: ear.watch.shape_problems)


@check("witness.sale_lane", "Frames", "On every connection `S` is gapless, without repeats.")
async def sale_lane(stage: Stage) -> None:
    await _judge(stage, "offsets without gap or repeat", lambda ear: ear.watch.sale_problems)


@check("witness.one_log", "Sale lane", "All connections were told the same event at an offset.")
async def one_log(stage: Stage) -> None:
    await _judge(stage, "no connection of another opinion", lambda ear: [])
    log: dict[tuple[str | None, int], object] = {}
    for ear in stage.ears:
        for offset, event in ear.watch.events.items():
            known = log.setdefault((ear.watch.epoch, offset), event)
            require(known == event, f"at {offset} the event {known}", event)


@check("witness.state_lane", "State lane", "Versions only go up within a connection.")
async def state_lane(stage: Stage) -> None:
    await _judge(stage, "versions that only go up", lambda ear: ear.watch.state_problems)


async def _judge(stage: Stage, expected: str, problems: Callable[[Ear], list[str]]) -> None:
    if not stage.ears:
        async with stage.settled():
            pass
    found = [problem for ear in stage.ears for problem in problems(ear)]
    require(not found, f"{expected} on {len(stage.ears)} connections", found[:SHOWN_MAX])


CHECKS = (frames, sale_lane, one_log, state_lane)
