"""What is asked for again, and what is sent again."""

from __future__ import annotations

from realtime.video.media import MediaPacket
from realtime.video.repairs import (
    ASKED_PER_S,
    MISSING_MAX,
    NACK_TRIES_MAX,
    RESEND_BURST_BYTES_MIN,
    LossDetector,
    ResendBudget,
)


def packet(index: int, size: int = 1000) -> MediaPacket:
    """A packet of a size."""
    return MediaPacket(index=index, timestamp=0, marker=False, payload=bytes(size))


def test_a_gap_is_asked_for_at_once() -> None:
    """And only once, until its time has come."""
    losses = LossDetector()
    assert losses.arrived(1, 0.0) == ([], False)
    assert losses.arrived(4, 0.0) == ([2, 3], False)
    assert losses.arrived(5, 0.001) == ([], False)
    assert losses.due(0.010) == ([], False)


def test_a_lost_repair_is_asked_for_again_until_given_up() -> None:
    """Ten times in all, then a keyframe must help."""
    losses = LossDetector()
    losses.arrived(1, 0.0)
    losses.arrived(3, 0.0)
    for attempt in range(1, NACK_TRIES_MAX):
        assert losses.due(attempt * 0.06) == ([2], False)
    assert losses.due(NACK_TRIES_MAX * 0.06) == ([], True)
    assert not losses.is_waiting


def test_a_repair_that_came_is_not_asked_for_and_tells_the_round_trip() -> None:
    """Retries follow the measured time, never sooner than 20 ms."""
    losses = LossDetector()
    losses.arrived(1, 0.0)
    losses.arrived(3, 0.0)
    before = losses.round_trip.rtt_s
    losses.arrived(2, 0.004)
    assert losses.due(1.0) == ([], False)
    assert losses.round_trip.rtt_s < before
    for _ in range(60):
        losses.round_trip.sample(0.001)
    losses.arrived(5, 1.0)
    assert losses.due(1.015) == ([], False)
    assert losses.due(1.021) == ([4], False)


def test_an_outage_is_not_repaired_packet_by_packet() -> None:
    """A keyframe costs less."""
    losses = LossDetector()
    losses.arrived(1, 0.0)
    assert losses.arrived(MISSING_MAX + 3, 0.0) == ([], True)
    assert not losses.is_waiting


def test_who_leaves_gap_after_gap_is_asked_for_few_packets() -> None:
    """Numbers that jump are no loss; looking for what is between them would cost its room."""
    losses, per_s = LossDetector(), 4_000
    asked = sum(len(losses.arrived(500 * at, at / per_s)[0]) for at in range(10 * per_s))
    assert asked <= MISSING_MAX + 10 * ASKED_PER_S
    assert losses.arrived(10 * per_s * 500 + 1_000, 10.0) == ([], True), "a keyframe must help"


def test_a_line_that_loses_much_for_long_is_repaired() -> None:
    """A third of 6 Mb/s; repairs come within their round trip."""
    losses, per_s = LossDetector(), 600
    for at in range(1, 20 * per_s):
        now_s = at / per_s
        asked, is_hopeless = losses.arrived(at + at // 2, now_s)
        assert not is_hopeless
        for index in asked:
            losses.arrived(index, now_s)


def test_a_packet_is_sent_again_once_a_round_trip() -> None:
    """A viewer that asks twice in one gets it once."""
    budget = ResendBudget(0.0)
    assert budget.allows(packet(1), bits_per_s=1_500_000, now_s=0.0)
    assert not budget.allows(packet(1), bits_per_s=1_500_000, now_s=0.01)
    assert budget.allows(packet(1), bits_per_s=1_500_000, now_s=0.06)


def test_repairs_stay_within_their_share() -> None:
    """A fifth of the picture's rate, after a first burst."""
    budget = ResendBudget(0.0)
    sent = 0
    for index in range(20_000):  # Two seconds in which everything is asked for.
        if budget.allows(packet(index), bits_per_s=1_600_000, now_s=index / 10_000):
            sent += 1000
    assert RESEND_BURST_BYTES_MIN < sent <= RESEND_BURST_BYTES_MIN + 2 * 40_000 + 1000


def test_nonsense_round_trips_are_left_out() -> None:
    """A stranger's report may say anything."""
    budget = ResendBudget(0.0)
    before = budget.round_trip.rtt_s
    budget.round_trip.sample(-5.0)
    budget.round_trip.sample(65_000.0)
    assert budget.round_trip.rtt_s == before
