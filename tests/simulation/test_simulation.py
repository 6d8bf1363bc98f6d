"""A thousand sales in a world that breaks and heals; planted bugs are found."""

from __future__ import annotations

import logging

import pytest

from tests.simulation import planted
from tests.simulation.__main__ import describe
from tests.simulation.postgres_core import make_postgres_core
from tests.simulation.processes import Gateway
from tests.simulation.sale import Verdict, simulate

SEEDS = 1_000
PARTS = 10
# The bug of each core or gateway is found within so many seeds.
FOUND_WITHIN = [
    (planted.NoLock, 5),
    (planted.NoLimit, 40),
    (planted.ForgetsRetries, 20),
    (planted.SweepsTwice, 5),
    (planted.SellsLateMoneyAnything, 10),
    (planted.SettlesDeadHolds, 5),
    (planted.JumpsTheLine, 10),
    (planted.ServesLastFirst, 5),
    (planted.ForgetsMoney, 5),
    (planted.NeverAsks, 60),
    (planted.BelievesTheNode, 40),
    (planted.AnswersBeforeCommit, 20),
    (planted.RetriesWithFreshIds, 10),
]


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_every_sale_ends_whole_whatever_breaks(part: int) -> None:
    """Nothing is oversold, lost or doubled, and nobody waits for ever."""
    many = SEEDS // PARTS
    verdicts = [simulate(seed) for seed in range(part * many, (part + 1) * many)]
    assert [describe(one) for one in verdicts if one.problems] == []
    # A calm sea proves no ship: every part has faults, sales, offers, and money that is too late.
    assert sum(one.faults for one in verdicts) > 10_000
    assert sum(one.sold for one in verdicts) > 500
    assert sum(one.offers for one in verdicts) > 500
    assert sum(one.late for one in verdicts) > 10
    assert sum(one.refunds for one in verdicts) > 0


@pytest.mark.parametrize(
    ("bug", "within"), FOUND_WITHIN, ids=[bug.__name__ for bug, _ in FOUND_WITHIN]
)
def test_a_planted_bug_is_found(bug: type, within: int) -> None:
    """The negative controls: a simulation that misses them is blind."""

    def play(seed: int) -> Verdict:
        if issubclass(bug, Gateway):
            return simulate(seed, make_gateway=bug)
        return simulate(seed, bug)

    assert any(play(seed).problems for seed in range(within))


def test_a_seed_is_one_story() -> None:
    """Whoever gets a seed from a failed run sees the same again."""
    assert simulate(7) == simulate(7)
    assert simulate(7).trace != simulate(8).trace


def test_stock_stays_right_when_no_sweeper_comes_by() -> None:
    """Without a worker money is not followed, but no unit is sold twice or held too long."""
    for seed in range(20):
        problems = simulate(seed, workers=0).problems
        assert [one for one in problems if "claimed" in one or "units" in one] == []
        assert [one for one in problems if "sold out" in one or "nobody answered" in one] == []


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_a_sale_on_postgresql_ends_whole_whatever_breaks(database_url: str, seed: int) -> None:
    """The same scenario on the real services, with the same checks and the auditor's."""
    logging.disable(logging.CRITICAL)  # What the services say about faults is not news here.
    try:
        real = simulate(seed, make_postgres_core(database_url))
    finally:
        logging.disable(logging.NOTSET)
    assert real.problems == [], describe(real)
    assert real.faults > 50
    assert real.sold > 0
