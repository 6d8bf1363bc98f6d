"""Decide a batch that the database refuses in halves, so that one bad request costs nobody else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from commerce.goods.inventory.batcher import unknown_outcome
from commerce.goods.inventory.model import Request
from commerce.goods.inventory.store import REFUSED_BY_DATABASE, REFUSED_TO_ALL
from commerce.kernel.errors import CommerceError

Decided = TypeVar("Decided")


async def decide_by_halves(
    requests: list[Request],
    decide: Callable[[list[Request]], Awaitable[list[Decided]]],
) -> list[Decided | CommerceError]:
    """Return the answers of a batch in its order.

    One that the database refuses did not commit: it is halved until the culprit is alone, whose
    answer is `unknown_outcome`. What it refuses to everybody, such as any write on a full disk, is
    no single request's doing: the whole batch is answered so after one statement, not after
    hundreds. A wait for a row that was cut short is no refusal of a request: `Asker.ask`
    makes it again with the whole batch, for each half would wait as long.
    """
    try:
        return [*await decide(requests)]
    except REFUSED_TO_ALL:
        return [unknown_outcome() for _ in requests]
    except REFUSED_BY_DATABASE:
        if len(requests) == 1:
            return [unknown_outcome()]
        half = len(requests) // 2
        return [
            *await decide_by_halves(requests[:half], decide),
            *await decide_by_halves(requests[half:], decide),
        ]
