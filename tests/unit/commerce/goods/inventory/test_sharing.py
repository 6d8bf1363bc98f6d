"""Everybody who asks the same in one moment shares one question and its answer."""

from __future__ import annotations

import asyncio

import pytest

from commerce.goods.inventory.sharing import SharedQuestions
from commerce.kernel.errors import CommerceError


class Oracle:
    """Answers when told to, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.error: Exception | None = None

    async def question(self) -> str:
        """Wait, then answer or fail."""
        self.asked += 1
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return "forty-two"


async def crowd(
    questions: SharedQuestions[str], oracle: Oracle, count: int
) -> list[asyncio.Task[str]]:
    """Let as many ask; return when all of them wait."""
    tasks = [asyncio.create_task(questions.ask("it", oracle.question)) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_a_crowd_is_one_question() -> None:
    questions: SharedQuestions[str] = SharedQuestions()
    oracle = Oracle()
    tasks = await crowd(questions, oracle, 50)
    oracle.may_answer.set()
    assert await asyncio.gather(*tasks) == ["forty-two"] * 50
    assert oracle.asked == 1


async def test_an_answer_is_not_remembered() -> None:
    questions: SharedQuestions[str] = SharedQuestions()
    oracle = Oracle()
    oracle.may_answer.set()
    for count in (1, 2):
        assert await questions.ask("it", oracle.question) == "forty-two"
        assert oracle.asked == count


async def test_whoever_leaves_leaves_alone() -> None:
    questions: SharedQuestions[str] = SharedQuestions()
    oracle = Oracle()
    first, second, third = await crowd(questions, oracle, 3)
    first.cancel()  # The one who asked, and one who shares.
    third.cancel()
    await asyncio.sleep(0)
    oracle.may_answer.set()
    assert await second == "forty-two"
    assert [first.cancelled(), third.cancelled()] == [True, True]


async def test_a_failure_is_everybody_s_and_the_next_one_asks_again() -> None:
    questions: SharedQuestions[str] = SharedQuestions()
    oracle = Oracle()
    oracle.error = CommerceError("not_found", "No such sale.")
    tasks = await crowd(questions, oracle, 3)
    oracle.may_answer.set()
    told = await asyncio.gather(*tasks, return_exceptions=True)
    assert told == [oracle.error] * 3
    oracle.error = None
    assert await questions.ask("it", oracle.question) == "forty-two"


async def test_a_question_that_is_cancelled_lets_nobody_wait_for_ever() -> None:
    questions: SharedQuestions[str] = SharedQuestions()

    async def give_up() -> str:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await questions.ask("it", give_up)
