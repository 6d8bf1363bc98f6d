"""A crowd of viewers is answered in line, with time between for everybody who watches."""

from __future__ import annotations

import asyncio

import pytest

from realtime.video.answers import PAUSE_S_MAX, AnswerLine
from realtime.video.ports import VideoError


class Work:
    """A clock that answers move on, and what was slept between them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 10.0
        self.paused_s: list[float] = []
        real = asyncio.sleep

        async def sleep(delay_s: float) -> None:
            self.paused_s.append(delay_s)
            self.now_s += delay_s
            await real(0)

        monkeypatch.setattr("realtime.video.answers.asyncio.sleep", sleep)


async def test_answers_have_half_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(monkeypatch)
    line = AnswerLine(8, lambda: work.now_s)
    for took_s in (0.015, 0.030, 5.0, 0.0):
        async with line.turn():
            work.now_s += took_s
    assert work.paused_s == [
        0.0,
        pytest.approx(0.015),
        pytest.approx(0.030),
        pytest.approx(PAUSE_S_MAX),
    ]


async def test_one_is_answered_at_a_time_and_the_line_ends_somewhere() -> None:
    line = AnswerLine(3, lambda: 0.0)
    go, begun = asyncio.Event(), 0

    async def answer() -> None:
        nonlocal begun
        async with line.turn():
            begun += 1
            await go.wait()

    waiting = [asyncio.create_task(answer()) for _ in range(3)]
    while not begun:
        await asyncio.sleep(0)
    with pytest.raises(VideoError) as refused:
        async with line.turn():
            pass
    assert (refused.value.code, refused.value.retry_after_s) == ("video_busy", 2)
    assert begun == 1
    go.set()
    await asyncio.gather(*waiting)
    async with line.turn():
        begun += 1
    assert begun == 4


async def test_an_answer_that_fails_gives_the_turn_back() -> None:
    line = AnswerLine(1, lambda: 0.0)
    for _ in range(2):
        with pytest.raises(ValueError, match="no offer"):
            async with line.turn():
                raise ValueError("no offer")
