"""A signature fits one body, one secret, and five minutes."""

from __future__ import annotations

import pytest

from server.providers.signatures import TOLERANCE_S, is_genuine, sign

NOW_S = 1_700_000_000
HEADER = sign(b"body", secret="s", now_s=NOW_S)


def test_a_signature_fits_its_body() -> None:
    """Within the tolerance, in both directions."""
    for now_s in (NOW_S, NOW_S + TOLERANCE_S, NOW_S - TOLERANCE_S):
        assert is_genuine(b"body", HEADER, secret="s", now_s=now_s)


@pytest.mark.parametrize(
    ("body", "header", "secret", "now_s"),
    [
        (b"other", HEADER, "s", NOW_S),
        (b"body", HEADER, "t", NOW_S),
        (b"body", HEADER, "s", NOW_S + TOLERANCE_S + 1),
        (b"body", HEADER, "s", NOW_S - TOLERANCE_S - 1),
        (b"body", HEADER.replace(str(NOW_S), str(NOW_S + 1)), "s", NOW_S),
        (b"body", HEADER.upper(), "s", NOW_S),
        (b"body", "", "s", NOW_S),
        (b"body", "t=1", "s", 1),
        (b"body", "t=٣,v1=" + "0" * 64, "s", 3),
    ],
)
def test_anything_else_does_not(body: bytes, header: str, secret: str, now_s: int) -> None:
    """Another body, secret or time, and what is no signature."""
    assert not is_genuine(body, header, secret=secret, now_s=now_s)
