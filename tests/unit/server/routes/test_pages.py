"""A wrong link is a page for a person's eyes, and the envelope of errors for a program."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from server.routes.pages import answer_wrong_link


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
    response = await answer_wrong_link(ask("/nope", method=method), HTTPException(404))
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
    response = await answer_wrong_link(request_, HTTPException(status))
    assert response.status_code == status
    assert bytes(response.body).startswith(b'{"error":{"code":')
