"""The table of HTTP errors knows every code that the program raises."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from commerce.kernel.errors import CommerceError
from server.routes.errors import (
    FRAMEWORK_CODES,
    HTTP_STATUS,
    UNLISTED_STATUS,
    error_response,
    json_response,
)

ROOT = Path(__file__).resolve().parents[4]
RAISED = re.compile(r"CommerceError\(\s*\"([a-z_]+)\"")


def test_every_code_that_is_raised_has_its_status() -> None:
    """Look at the sources: a new code needs its row."""
    raised = {
        code
        for package in ("commerce", "server")
        for path in (ROOT / package).rglob("*.py")
        for code in RAISED.findall(path.read_text(encoding="utf-8"))
    }
    assert "reservation_gone" in raised, "the pattern finds codes"
    assert raised - set(HTTP_STATUS) == set()
    assert {code for code, _ in FRAMEWORK_CODES.values()} <= set(HTTP_STATUS)


def test_statuses_are_errors() -> None:
    """A success has no code."""
    assert all(400 <= status < 600 for status in HTTP_STATUS.values())


def test_the_envelope_says_what_to_do() -> None:
    """Code, message, whether and when to retry, and the data."""
    error = CommerceError(
        "slow_down", "Wait.", retryable=True, retry_ms=1_500, detail={"field": "login"}
    )
    response = error_response(error)
    assert response.status_code == 429
    assert response.headers["retry-after"] == "2"
    assert bytes(response.body) == (
        b'{"error":{"code":"slow_down","message":"Wait.","retryable":true,'
        b'"detail":{"field":"login"},"retry_ms":1500}}'
    )


@pytest.mark.parametrize("code", ["a_new_refusal"])
def test_an_unlisted_code_is_a_refusal_not_a_crash(code: str) -> None:
    """Until its row is written."""
    assert error_response(CommerceError(code, "No.")).status_code == UNLISTED_STATUS


def test_no_answer_is_kept_on_the_way() -> None:
    """Holds, orders and consoles are one person's; other headers stay."""
    response = json_response({}, headers={"Retry-After": "1"})
    assert (response.headers["cache-control"], response.headers["retry-after"]) == ("no-store", "1")
    assert error_response(CommerceError("ended", "No.")).headers["cache-control"] == "no-store"
