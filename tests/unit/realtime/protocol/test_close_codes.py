"""The range of a close code says what the client does next."""

from __future__ import annotations

import pytest

from realtime.protocol.close_codes import CLOSE_MEANINGS, CloseCode, next_step


@pytest.mark.parametrize(
    ("code", "step"),
    [
        (CloseCode.BAD_TOKEN, "stay_away"),
        (CloseCode.PROTOCOL, "stay_away"),
        (CloseCode.TOO_SLOW, "back_off"),
        (CloseCode.FLOOD, "back_off"),
        (CloseCode.DRAINING, "come_back"),
        (CloseCode.TOKEN_EXPIRED, "come_back"),
        (1006, "back_off"),
    ],
)
def test_the_range_says_what_to_do(code: int, step: str) -> None:
    assert next_step(code) == step


def test_every_close_code_has_a_meaning() -> None:
    assert set(CLOSE_MEANINGS) == set(CloseCode)
