"""Who floods a queue is told so, and costs nobody else a place or time."""

from __future__ import annotations

import asyncio

import pytest

from commerce.goods.inventory.batcher import REFUSED_AT_ONCE, WAITING_OF_BUYER_MAX, Batcher
from commerce.goods.inventory.model import Request
from commerce.kernel.errors import CommerceError

Told = str | CommerceError


class Database:
    """Decides when it is let; keeps the batches that it was given."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.is_free = asyncio.Event()
        self.answers_too_few = False

    async def decide(self, _pool: str, requests: list[Request]) -> list[Told]:
        await self.is_free.wait()
        self.batches.append([request.id for request in requests])
        answers: list[Told] = [f"done {request.id}" for request in requests]
        return answers[1:] if self.answers_too_few else answers


def request(id: str, user: str = "flood", sale: str = "sale") -> Request:
    return Request(id, sale, user, 1)


async def test_one_buyer_waits_with_so_many_presses_and_no_more() -> None:
    database = Database()
    batcher: Batcher[str] = Batcher("pool", database.decide)
    told: dict[str, Told] = {}

    def take(id: str, user: str = "flood", sale: str = "sale") -> None:
        batcher.take(request(id, user, sale), lambda answer: told.setdefault(id, answer))

    take("first")  # It is the batch under way, and waits no more.
    await asyncio.sleep(0)
    for number in range(WAITING_OF_BUYER_MAX):
        take(f"w{number}")
    assert told == {}
    take("too many")
    refusal = told.pop("too many")
    assert isinstance(refusal, CommerceError)
    assert (refusal.code, refusal.retryable, refusal.retry_ms) == ("slow_down", True, 500)
    take("of another sale", sale="other")
    take("of another", user="calm")
    take("w0")  # A retry of what waits shares its answer.
    assert told == {}
    database.is_free.set()
    while len(told) < WAITING_OF_BUYER_MAX + 3:
        await asyncio.sleep(0)
    assert "of another" in database.batches[1], "nobody waits behind the flood"
    assert all(
        len({id[0] == "w" for id in batch if id[0] == "w"}) <= 1 for batch in database.batches
    )
    for number in range(WAITING_OF_BUYER_MAX):
        take(f"x{number}")
    while len(told) < 2 * WAITING_OF_BUYER_MAX + 3:
        await asyncio.sleep(0)
    assert all(answer == f"done {id}" for id, answer in told.items()), "places came free again"


async def test_answers_that_do_not_fit_their_batch_leave_nobody_waiting() -> None:
    database = Database()
    database.answers_too_few = True
    database.is_free.set()
    batcher: Batcher[str] = Batcher("pool", database.decide)
    presses = [batcher.submit(request(user, user)) for user in ("one", "two")]
    for answer in await asyncio.gather(*presses, return_exceptions=True):
        assert isinstance(answer, CommerceError)
        assert answer.code == "unknown_outcome"
    with pytest.raises(CommerceError, match="not known"):
        await batcher.submit(request("three"))


async def test_who_is_answered_early_waits_for_no_other_of_the_batch() -> None:
    """And keeps that answer, whatever becomes of the others."""
    others = asyncio.Event()

    async def decide(_pool: str, requests: list[Request]) -> list[Told]:
        for word in ("won", "won again"):  # As when the database has a part decided twice.
            batcher.tell_early([(request, word) for request in requests if request.id[0] == "w"])
        await others.wait()
        if requests[0].id == "w2":
            raise CommerceError("unknown_outcome", "The outcome is not known.")
        return [f"late {request.id}" for request in requests]

    batcher: Batcher[str] = Batcher("pool", decide)
    told: list[tuple[str, str]] = []

    def take(id: str) -> None:
        batcher.take(request(id, id), lambda answer: told.append((id, str(answer))))

    for id in ("w1", "l1", "w1"):  # The third shares the answer of the first.
        take(id)
    while len(told) < 2:
        await asyncio.sleep(0)
    assert told == [("w1", "won")] * 2
    take("w2")
    take("l2")
    assert told == [("w1", "won")] * 2, "the next batch waits for the end of this one"
    others.set()
    while not batcher.is_idle or len(told) < 5:
        await asyncio.sleep(0)
    assert told[2:] == [
        ("l1", "late l1"),
        ("w2", "won"),
        ("l2", "unknown_outcome: The outcome is not known."),
    ]


async def test_a_long_queue_is_refused_by_turns() -> None:
    """Everybody is answered once, and nobody else waits for all of them."""
    asked: list[str] = []

    def refuse(_pool: str, request: Request) -> str | None:
        asked.append(request.id)
        return None if request.user_id == "first" else "gone"

    database = Database()
    batcher: Batcher[str] = Batcher("pool", database.decide, refuse)
    told: list[Told] = []
    batcher.take(request("first", user="first"), told.append)
    await asyncio.sleep(0)
    many = 2 * REFUSED_AT_ONCE + 10
    for number in range(many):
        batcher.take(request(f"p{number}", user=f"u{number}"), told.append)
    database.is_free.set()
    turns: list[int] = []
    while len(told) < many + 1:
        before = len(asked)
        await asyncio.sleep(0)
        turns.append(len(asked) - before)
    assert max(turns) == REFUSED_AT_ONCE
    assert (len(asked), told.count("gone")) == (many + 1, many)
    while not batcher.is_idle:
        await asyncio.sleep(0)
