"""From bytes and headers to types, or to an error that names its field."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request

from commerce.kernel.errors import CommerceError
from realtime.rooms.ports import Identity
from server.routes.requests import (
    Edge,
    decode_body,
    idempotency_key,
    is_own_origin,
    path_text,
    query_number,
    require_role,
)


class Line(msgspec.Struct, frozen=True):
    """A nested shape."""

    sku: str


class Body(msgspec.Struct, frozen=True):
    """A shape with a bound and a nest."""

    qty: Annotated[int, msgspec.Meta(ge=1, le=1_000)]
    lines: list[Line] = []


class Everybody:
    """An authenticator that takes the token for the role."""

    def identify(self, token: str) -> Identity | None:
        """Return somebody with the token as the role."""
        return Identity("u", "N", token, 0) if token else None


def make_request(**scope: Any) -> Request:
    """Return a request with headers as a dict."""
    app = Starlette()
    app.state.edge = Edge(Everybody())
    headers = [
        (name.lower().encode(), value.encode("latin-1"))
        for name, value in scope.pop("headers", {}).items()
    ]
    defaults = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "app": app}
    return Request({**defaults, "headers": headers, **scope})


def refusal(body: bytes) -> CommerceError:
    """Return the error that a body gets."""
    with pytest.raises(CommerceError) as caught:
        decode_body(body, Body)
    assert caught.value.code == "invalid_request"
    return caught.value


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"qty": "1"}', "qty"),
        (b'{"qty": 1.5}', "qty"),
        (b'{"qty": true}', "qty"),
        (b'{"qty": null}', "qty"),
        (b'{"qty": 0}', "qty"),
        (b'{"qty": -1}', "qty"),
        (b'{"qty": 99999999999999999999999999}', "qty"),
        (b'{"qty": 1e400}', "qty"),
        (b"{}", "qty"),
        (b'{"qty": 1, "lines": 5}', "lines"),
        (b'{"qty": 1, "lines": [{"sku": 5}]}', "lines[0].sku"),
        (b'{"qty": 1, "lines": [{}]}', "lines[0].sku"),
    ],
)
def test_a_wrong_field_is_named(body: bytes, field: str) -> None:
    """Wrong type, out of bounds, missing, nested."""
    assert refusal(body).detail == {"field": field}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b'{"qty": NaN}',
        b'{"qty": 1, "x": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"qty": 1, "x": "\\u0000"}',
    ],
)
def test_what_is_not_json_has_no_field(body: bytes) -> None:
    """Not JSON, not UTF-8, too deep, or with NUL."""
    assert refusal(body).detail is None


@given(st.binary(max_size=200))
def test_no_body_escapes_the_edge(body: bytes) -> None:
    """Any bytes are a shape or a refusal."""
    with contextlib.suppress(CommerceError):
        assert 1 <= decode_body(body, Body).qty <= 1_000


@pytest.mark.parametrize("key", ["a b", "x" * 201, "\xe9", "\x7f"])
def test_an_impossible_key_is_refused(key: str) -> None:
    """Spaces, length, and what is not ASCII."""
    with pytest.raises(CommerceError) as caught:
        idempotency_key(make_request(headers={"Idempotency-Key": key}))
    assert caught.value.code == "invalid_request"


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": " "}])
def test_a_missing_key_is_asked_for(headers: dict[str, str]) -> None:
    """Absent and empty are the same."""
    with pytest.raises(CommerceError) as caught:
        idempotency_key(make_request(headers=headers))
    assert caught.value.code == "idempotency_key_required"


def test_a_key_is_returned_as_it_is() -> None:
    """Only the space around it goes."""
    assert idempotency_key(make_request(headers={"Idempotency-Key": " a-1 "})) == "a-1"


@pytest.mark.parametrize("text", ["", "-1", "1.0", "x", "１", "9" * 19, "9" * 30])
def test_a_query_number_is_small_and_whole(text: str) -> None:
    """Anything else is `invalid_request` with the field."""
    with pytest.raises(CommerceError) as caught:
        query_number(make_request(query_string=f"since_ms={text}".encode()), "since_ms", default=0)
    assert caught.value.detail == {"field": "since_ms"}


def test_a_query_number_has_a_default() -> None:
    """And a value."""
    assert query_number(make_request(), "since_ms", default=7) == 7
    assert query_number(make_request(query_string=b"n=12"), "n", default=7) == 12


def test_a_word_of_the_path_has_no_control_characters() -> None:
    """They name nothing."""
    assert path_text(make_request(path_params={"room": "demo"}), "room") == "demo"
    with pytest.raises(CommerceError):
        path_text(make_request(path_params={"room": "a\x00"}), "room")


def test_a_role_opens_only_its_own_doors() -> None:
    """A host is no operator."""
    request = make_request(headers={"Authorization": "Bearer host"})
    assert require_role(request, "host", "operator").role == "host"
    with pytest.raises(CommerceError) as caught:
        require_role(request, "operator")
    assert caught.value.code == "forbidden"


@pytest.mark.parametrize(
    ("origin", "is_ours"),
    [
        ("http://shop.test:8000", True),
        ("https://shop.test:8000", True),
        ("https://public.test", True),
        ("http://shop.test", False),
        ("ftp://shop.test:8000", False),
        ("null", False),
        ("", False),
        ("http://", False),
        ("http://[", False),
    ],
)
def test_an_origin_is_ours_by_host_or_by_name(origin: str, is_ours: bool) -> None:
    """The Host header or a configured origin, nothing else."""
    known = frozenset({"https://public.test"})
    assert is_own_origin(origin, host="shop.test:8000", known=known) is is_ours
    assert not is_own_origin(origin, host="", known=frozenset())
