"""Beats are counted whole and within their limits, and nothing is said to be better than it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce.insight.pictures.model import Beat, PictureMinute
from commerce.insight.pictures.rules import (
    BEATS_PER_ADDRESS_MAX,
    BEATS_PER_ROOM_MAX,
    BINS,
    BOUNDS_MS,
    WINDOW_MS,
    Share,
    Tally,
    check_beat,
    find_percentile,
    summarise,
)
from commerce.kernel.errors import CommerceError


def make_beat(**changes: int | None) -> Beat:
    facts: dict[str, int | None] = {"played_ms": 10_000, "stalled_ms": 0, "stalls": 0}
    return Beat(**(facts | changes))  # type: ignore[arg-type]


def make_minute(tally: Tally) -> PictureMinute:
    return PictureMinute(
        room_id="r",
        minute_ms=0,
        reporter="g1",
        beats=tally.beats,
        played_ms=tally.played_ms,
        stalled_ms=tally.stalled_ms,
        stalls=tally.stalls,
        first_frames=tuple(tally.first_frames),
        behinds=tuple(tally.behinds),
    )


def test_a_beat_that_stalls_for_longer_than_it_plays_is_refused() -> None:
    check_beat(make_beat(stalled_ms=10_000))
    with pytest.raises(CommerceError) as refused:
        check_beat(make_beat(stalled_ms=10_001))
    assert refused.value.code == "invalid_request"


def test_figures_add_up_over_minutes_and_gateways() -> None:
    one, other = Tally(), Tally()
    one.add(make_beat(first_frame_ms=190, behind_ms=120, stalled_ms=100, stalls=1))
    one.add(make_beat(behind_ms=130))
    other.add(make_beat(first_frame_ms=2_700, behind_ms=4_200))
    figures = summarise([make_minute(one), make_minute(other)])
    assert (figures.beats, figures.stalls, figures.first_frames) == (3, 1, 2)
    assert figures.stalled_share == pytest.approx(100 / 30_000, abs=1e-5)
    assert (figures.first_frame_ms_p50, figures.first_frame_ms_p95) == (200, 2_800)
    assert (figures.behind_ms_p50, figures.behind_ms_p95) == (140, 5_000)


def test_of_nothing_nothing_is_said() -> None:
    figures = summarise([])
    assert (figures.beats, figures.stalled_share) == (0, None)
    assert (figures.first_frame_ms_p50, figures.behind_ms_p95) == (None, None)


def test_what_is_later_than_the_last_bin_has_no_percentile() -> None:
    tally = Tally()
    tally.add(make_beat(first_frame_ms=BOUNDS_MS[-1] + 1))
    assert summarise([make_minute(tally)]).first_frame_ms_p50 is None


@given(st.lists(st.integers(0, BOUNDS_MS[-1]), min_size=1, max_size=50), st.integers(1, 100))
def test_a_percentile_is_never_better_than_it_was(delays: list[int], percent: int) -> None:
    tally = Tally()
    for delay in delays:
        tally.add(make_beat(behind_ms=delay))
    said = find_percentile(tally.behinds, percent)
    true = sorted(delays)[-(-len(delays) * percent // 100) - 1]
    assert said is not None
    assert said >= true
    assert len(tally.behinds) == BINS


def test_a_share_is_bounded_by_room_and_by_address_and_begins_anew() -> None:
    share = Share()
    assert sum(share.take("a", 0) for _ in range(1_000)) == BEATS_PER_ADDRESS_MAX
    others = sum(share.take(str(n), WINDOW_MS - 1) for n in range(1_000))
    assert others == BEATS_PER_ROOM_MAX - BEATS_PER_ADDRESS_MAX
    assert share.take("a", WINDOW_MS)
    assert len(share.by_address) == 1
