"""The table of HTTP errors knows every code that the program raises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from commerce.kernel.errors import CommerceError
from server.routes.errors import (
    FRAMEWORK_CODES,
    HTTP_STATUS,
    UNLISTED_STATUS,
    answer_framework_error,
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


def ask(
    path: str,
    *,
    method: str = "GET",
    accept: str = "text/html,*/*;q=0.8",
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Request:
    """Return a request to an app whose pages only say which they are."""
    app = Starlette()
    app.state.pages = SimpleNamespace(
        render=lambda _, name, status: PlainTextResponse(name, status)
    )
    sent = {"accept": accept, **headers}
    raw = [(name.encode(), value.encode()) for name, value in sent.items()]
    return Request({"type": "http", "method": method, "path": path, "headers": raw, "app": app})


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_browser_that_follows_a_wrong_link_gets_a_page(method: str) -> None:
    """A person reads no JSON."""
    response = await answer_framework_error(ask("/nope", method=method), HTTPException(404))
    assert (response.status_code, bytes(response.body)) == (404, b"error.html")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (ask("/nope", accept="*/*"), 404),
        (ask("/api/nope"), 404),
        (ask("/nope", headers={"authorization": "Bearer x"}), 404),
        (ask("/nope", method="POST"), 404),
        (ask("/orders"), 405),
    ],
)
async def test_a_program_reads_the_envelope(request_: Request, status: int) -> None:
    """Whatever else is wrong with an address."""
    response = await answer_framework_error(request_, HTTPException(status))
    assert response.status_code == status
    assert bytes(response.body).startswith(b'{"error":{"code":')
