"""Keyframes are asked for seldom, and who gives none is found out."""

from __future__ import annotations

import itertools

import pytest

from realtime.video.keyframe_requests import WISHES_BURST, KeyframeRequests, KeyframeWishes
from realtime.video.tracks import GOP_FRESH_S, Track


def test_a_crowd_that_joins_shares_one_request() -> None:
    """One at once, one after the interval if still wanted."""
    requests = KeyframeRequests()
    assert [requests.ask(at / 100) for at in range(90)].count(True) == 1
    assert not requests.due(0.99)
    assert requests.due(1.0)
    assert not requests.due(5.0)


def test_a_keyframe_that_came_satisfies_who_waited() -> None:
    """Nothing is asked for after it."""
    requests = KeyframeRequests()
    requests.ask(0.0)
    requests.ask(0.1)
    requests.keyframe(0.2)
    assert not requests.due(1.5)
    assert not requests.is_ignored


@pytest.mark.parametrize("joined_s", [at / 20 for at in range(2, 50)])
def test_no_joiner_waits_until_a_keyframe_may_be_asked_for(joined_s: float) -> None:
    """Either one is asked for at once, or there is one that is young enough to begin with."""
    requests, track = KeyframeRequests(), Track("video")
    assert requests.ask(0.0)
    track.restart("VP8")
    track.accept(0, 0, True, b"\x10\x00key", 0.04)
    requests.keyframe(0.04)
    assert track.gop_start(joined_s, GOP_FRESH_S) == 0 or requests.ask(joined_s)


def test_a_publisher_that_does_not_answer_is_found_out() -> None:
    """A keyframe of its own later does not make up for it; an answer does."""
    requests = KeyframeRequests()
    requests.ask(0.0)
    requests.judge(0.49)
    assert not requests.is_ignored
    requests.keyframe(0.9)
    assert requests.is_ignored
    requests.ask(2.0)
    requests.keyframe(2.1)
    assert not requests.is_ignored


def test_one_viewer_asks_for_few_keyframes() -> None:
    """Ten a second for a minute: what it had saved, then one in four seconds."""
    wishes = KeyframeWishes()
    passed = [at / 10 for at in range(600) if wishes.passes(at / 10)]
    assert len(passed) <= WISHES_BURST + 15
    assert min(later - at for at, later in itertools.pairwise(passed)) >= 1.0


def test_a_viewer_that_seldom_asks_is_always_heard() -> None:
    """On a poor line, every five seconds."""
    wishes = KeyframeWishes()
    assert all(wishes.passes(at * 5.0) for at in range(100))
