"""When a client comes back."""

from __future__ import annotations

from random import Random

import pytest

from loadtests.backoff import (
    BACK_OFF_MAX_MS,
    BACK_OFF_MIN_MS,
    COME_BACK_JITTER_MS,
    wait_before_return,
)


@pytest.mark.parametrize("code", [4001, 4003, 4004, 4009])
def test_a_final_close_is_final(code: int) -> None:
    assert wait_before_return(code, None, 0, Random(1)) is None


def test_a_drained_client_comes_back_at_its_moment() -> None:
    waits = [wait_before_return(4200, 900, 0, Random(seed)) for seed in range(50)]
    assert all(w is not None and 900 <= w < 900 + COME_BACK_JITTER_MS for w in waits)
    assert len(set(waits)) > 10


@pytest.mark.parametrize("code", [None, 1006, 4108, 4113, 4129])
def test_any_other_close_backs_off_with_full_jitter(code: int | None) -> None:
    for attempt in range(12):
        waits = [wait_before_return(code, None, attempt, Random(seed)) for seed in range(50)]
        assert all(w is not None and BACK_OFF_MIN_MS <= w <= BACK_OFF_MAX_MS for w in waits)
        assert len(set(waits)) > 10


def test_a_back_off_is_never_shorter_than_was_asked() -> None:
    wait = wait_before_return(4113, 5000, 0, Random(1))
    assert wait is not None
    assert wait >= 5000
