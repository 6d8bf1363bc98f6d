"""A client gets the events it misses, or a snapshot, and never a mixture of two logs."""

from __future__ import annotations

import pytest

from realtime.recovery.rules import (
    Apply,
    Gap,
    Position,
    Repeat,
    Replay,
    SendSnapshot,
    decide_arrival,
    decide_recovery,
)

ROOM = Position("e1", 10)


@pytest.mark.parametrize(
    ("client", "ring_first", "decision"),
    [
        (None, 1, SendSnapshot()),
        (Position("e1", 10), 1, Replay(11)),
        (Position("e1", 10), 11, Replay(11)),
        (Position("e1", 7), 8, Replay(8)),
        (Position("e1", 6), 8, SendSnapshot()),
        (Position("e1", 0), 1, Replay(1)),
        (Position("e0", 10), 1, SendSnapshot()),
        (Position("e1", 11), 1, SendSnapshot()),
    ],
)
def test_recovery_is_replay_only_when_every_missing_event_is_at_hand(
    client: Position | None, ring_first: int, decision: object
) -> None:
    assert decide_recovery(client, ROOM, ring_first=ring_first) == decision


@pytest.mark.parametrize(
    ("offset", "arrival"), [(9, Repeat()), (10, Repeat()), (11, Apply()), (12, Gap(11))]
)
def test_an_arriving_event_is_next_known_or_too_early(offset: int, arrival: object) -> None:
    assert decide_arrival(offset, newest=10) == arrival
