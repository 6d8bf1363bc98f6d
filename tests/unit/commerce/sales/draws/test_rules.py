"""A draw is a pure function of its seed and its entries."""

from __future__ import annotations

import hashlib
import uuid

from hypothesis import given
from hypothesis import strategies as st

from commerce.goods.inventory.model import Outcome
from commerce.sales.draws.model import Entering
from commerce.sales.draws.rules import commit_of, decide_draw, digest_entries, key_of

SEED = bytes(range(32))
ONE, TWO, THREE = (str(uuid.UUID(int=n)) for n in (1, 2, 3))
entries = st.dictionaries(st.uuids().map(str), st.integers(1, 4), max_size=30).map(
    lambda wants: list(wants.items())
)


def test_the_bytes_are_those_that_the_protocol_names() -> None:
    digest = hashlib.sha256(
        uuid.UUID(ONE).bytes + b"\0\0\0\2" + uuid.UUID(TWO).bytes + b"\0\0\0\1"
    ).digest()
    assert digest_entries([(TWO, 1), (ONE, 2)]) == digest
    assert (
        key_of(SEED, digest, ONE) == hashlib.sha256(SEED + digest + uuid.UUID(ONE).bytes).digest()
    )
    assert commit_of(SEED) == hashlib.sha256(SEED).hexdigest()
    assert digest_entries([]) == hashlib.sha256(b"").digest()


def test_an_entry_that_wants_more_than_is_left_is_passed_over() -> None:
    ranking = decide_draw(SEED, [(ONE, 2), (TWO, 2), (THREE, 1)], 9).ranking
    wants = {ranking[0]: 2, ranking[1]: 2, ranking[2]: 1}
    # The digest holds the quantities too, so the order is asked again for these very entries.
    result = decide_draw(SEED, list(wants.items()), 3)
    free, winners = 3, []
    for id in result.ranking:
        if wants[id] <= free:
            free -= wants[id]
            winners.append(id)
    assert result.winners == winners
    assert len(winners) == 2


@given(entries, st.binary(min_size=32, max_size=32), st.integers(0, 40))
def test_every_entry_wins_whole_or_loses_and_nothing_is_oversold(
    wants: list[tuple[str, int]], seed: bytes, units: int
) -> None:
    result = decide_draw(seed, wants, units)
    asked = dict(wants)
    assert sorted(result.winners + result.losers) == sorted(asked)
    assert sum(asked[id] for id in result.winners) <= units
    free = units - sum(asked[id] for id in result.winners)
    assert all(asked[id] > free for id in result.losers)
    assert [id for id in result.ranking if id in set(result.losers)] == result.losers


@given(entries, st.randoms())
def test_the_order_of_arrival_means_nothing(wants: list[tuple[str, int]], random: object) -> None:
    shuffled = list(wants)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert decide_draw(SEED, wants, 5) == decide_draw(SEED, shuffled, 5)


def test_the_draw_is_fair_to_every_entry() -> None:
    """Of 2,000 draws each of 10 entries wins about 600 times one of three units; 5 sigma: 103."""
    ids = [str(uuid.UUID(int=n)) for n in range(10)]
    wins = dict.fromkeys(ids, 0)
    for n in range(2000):
        for id in decide_draw(n.to_bytes(32, "big"), [(id, 1) for id in ids], 3).winners:
            wins[id] += 1
    assert all(abs(count - 600) < 103 for count in wins.values())


def test_an_answer_that_presses_have_too_has_the_same_number() -> None:
    shared = set(Outcome.__members__) & set(Entering.__members__)
    assert {"REPLAYED", "CONFLICT", "NOT_OPEN", "ENDED", "LIMIT_REACHED", "HALTED"} <= shared
    assert {name: int(Outcome[name]) for name in shared} == {
        name: int(Entering[name]) for name in shared
    }
