"""Full collections wait for a calm second, and are never made by Python itself."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from server.ops import collector


@pytest.fixture
def collector_as_before() -> Iterator[None]:
    """Give the collector back as it was."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


class Knot:
    """Something that only a collection frees."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.parametrize(
    ("since_s", "frames", "expected"),
    [
        (collector.FULL_EVERY_S - 1, 0, False),
        (collector.FULL_EVERY_S, collector.CALM_FRAMES_MAX, True),
        (collector.FULL_EVERY_S, collector.CALM_FRAMES_MAX + 1, False),
        (collector.FULL_EVERY_S + collector.CALM_AWAITED_S, 1_000_000, True),
    ],
)
def test_when_it_is_due(since_s: int, frames: int, expected: bool) -> None:
    assert collector.is_due(since_s, frames) is expected


def test_what_lives_for_ever_is_not_walked_and_later_garbage_is_freed(
    collector_as_before: None,
) -> None:
    before = Knot()
    collector.let_go()
    after = Knot()
    gone: list[bool] = []
    weakref.finalize(after, gone.append, True)
    walked = {id(one) for one in gc.get_objects()}
    assert id(before) not in walked
    assert id(after) in walked
    del after
    gc.collect()
    assert gone == [True]


def test_the_old_generation_is_left_alone(collector_as_before: None) -> None:
    """As many survivors as would make Python walk everything, more than once."""
    collector.take_over()
    full_before = gc.get_stats()[2]["collections"]
    kept = [[[]] for _ in range(300_000)]
    assert len(kept) == 300_000
    assert gc.get_stats()[2]["collections"] == full_before
    assert gc.get_stats()[1]["collections"] > 0


async def test_old_garbage_is_collected_in_a_calm_second(
    collector_as_before: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "FULL_EVERY_S", 0)
    monkeypatch.setattr(collector, "LOOK_EVERY_S", 0)
    collector.take_over()
    knot = Knot()
    gone = asyncio.Event()
    weakref.finalize(knot, gone.set)
    gc.collect()  # Old now.
    del knot
    gc.collect(1)
    assert not gone.is_set()
    work = asyncio.create_task(collector.run(lambda: 0))
    async with asyncio.timeout(30):
        await gone.wait()
    work.cancel()
