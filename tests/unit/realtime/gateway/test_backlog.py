"""A slow reader loses chat first, then liveness, then the connection; never a sale event."""

from __future__ import annotations

import pytest

from realtime.gateway.backlog import (
    SaleVerdict,
    WriteVerdict,
    decide_sale,
    decide_write,
    is_stuck,
)
from realtime.gateway.limits import GatewayLimits

LIMITS = GatewayLimits(stop_sale_bytes=100, close_bytes=200, paused_s_max=20)


@pytest.mark.parametrize(
    ("waiting", "frame", "verdict"),
    [
        (0, 100, SaleVerdict.WRITE),
        (60, 40, SaleVerdict.WRITE),
        (60, 41, SaleVerdict.STOP),
        (101, 0, SaleVerdict.STOP),
    ],
)
def test_the_sale_lane_stops_at_its_limit(waiting: int, frame: int, verdict: SaleVerdict) -> None:
    assert decide_sale(waiting, frame, LIMITS) is verdict


@pytest.mark.parametrize(
    ("waiting", "frame", "verdict"),
    [
        (0, 10_000, WriteVerdict.WRITE),
        (150, 50, WriteVerdict.WRITE),
        (150, 51, WriteVerdict.CLOSE),
    ],
)
def test_what_must_arrive_and_does_not_fit_closes(
    waiting: int, frame: int, verdict: WriteVerdict
) -> None:
    assert decide_write(waiting, frame, LIMITS) is verdict


def test_a_client_is_stuck_after_its_time() -> None:
    assert not is_stuck(None, at_ms=99_000, limits=LIMITS)
    assert not is_stuck(1000, at_ms=20_999, limits=LIMITS)
    assert is_stuck(1000, at_ms=21_000, limits=LIMITS)
