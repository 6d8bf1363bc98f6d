"""A request is admitted, rejected with a close code, or forbidden, by its headers alone."""

from __future__ import annotations

import pytest

from realtime.gateway.handshake import (
    Admitted,
    Forbidden,
    Judgement,
    Rejected,
    is_own_origin,
    judge_request,
)
from realtime.protocol.close_codes import CloseCode
from realtime.recovery.rules import Position
from realtime.rooms.ports import Identity

ANN = Identity("u1", "Ann", "guest", 9)


class Door:
    """Knows one token."""

    def identify(self, token: str) -> Identity | None:
        return ANN if token == "good" else None


def judge(target: str, **headers: str) -> Judgement:
    lower = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    return judge_request(
        target,
        lambda name: lower.get(name.lower()),
        authenticator=Door(),
        allowed_origins=("https://shop.example",),
    )


def test_a_token_admits_its_user_with_position_and_subprotocol() -> None:
    judged = judge("/ws/demo?v=1&t=good&e=e1&o=7", sec_websocket_protocol="x, hubbub.v1.json")
    assert judged == Admitted("demo", ANN, Position("e1", 7), "hubbub.v1.json")


def test_without_a_token_one_is_a_visitor() -> None:
    assert judge("/ws/demo?v=1") == Admitted("demo", None, None, None)


def test_a_bearer_header_is_a_token() -> None:
    assert judge("/ws/demo?v=1", authorization="Bearer good").identity == ANN  # type: ignore[union-attr]
    assert judge("/ws/demo?v=1", authorization="Basic good") == judge("/ws/demo?v=1")


def test_a_cookie_counts_from_our_own_pages_only() -> None:
    own = {"host": "localhost:8000", "origin": "http://localhost:8000"}
    cookie = "lang=en; hubbub_session=good"
    assert judge("/ws/demo?v=1", cookie=cookie, **own).identity == ANN  # type: ignore[union-attr]
    assert judge("/ws/demo?v=1", cookie=cookie).identity is None  # type: ignore[union-attr]
    stale = judge("/ws/demo?v=1", cookie="hubbub_session=old", **own)
    assert stale == Admitted("demo", None, None, None)
    assert judge("/ws/demo?v=1", cookie="a=(;b", **own) == stale
    assert judge("/ws/demo?v=1", cookie="hubbub_session=", **own) == stale


def test_a_forged_token_is_rejected() -> None:
    judged = judge("/ws/demo?v=1&t=forged")
    assert isinstance(judged, Rejected)
    assert judged.code == CloseCode.BAD_TOKEN


@pytest.mark.parametrize("path", ["/ws/", "/ws/a/b", "/other", "/ws/a%00", "/ws/" + "x" * 65])
def test_a_path_that_is_no_room_is_rejected(path: str) -> None:
    judged = judge(f"{path}?v=1")
    assert isinstance(judged, Rejected)
    assert judged.code == CloseCode.NO_SUCH_ROOM


@pytest.mark.parametrize(
    "query",
    [
        "",
        "v=2",
        "v=1&e=x",
        "v=1&o=1",
        "v=1&e=x&o=-1",
        "v=1&e=x&o=1.5",
        "v=1&e=x&o=9007199254740992",
        "v=1&e=x&o=99999999999999999999",
        "v=1&e=" + "x" * 65 + "&o=1",
        "v=1" + "&a=1" * 20,
    ],
)
def test_a_wrong_version_or_position_is_rejected(query: str) -> None:
    judged = judge(f"/ws/demo?{query}")
    assert isinstance(judged, Rejected)
    assert judged.code == CloseCode.PROTOCOL


def test_a_foreign_page_is_forbidden_whatever_it_knows() -> None:
    foreign = {"origin": "https://evil.example", "host": "localhost:8000"}
    assert judge("/ws/demo?v=1&t=good", **foreign) == Forbidden()


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("http://localhost:8000", "localhost:8000", True),
        ("http://LOCALHOST:8000", "localhost:8000", True),
        ("http://a.example", "a.example:80", True),
        ("https://a.example:443", "a.example", True),
        ("https://shop.example/", "inside:8000", True),
        ("http://localhost:8001", "localhost:8000", False),
        ("null", "localhost:8000", False),
        ("", "localhost:8000", False),
        ("ftp://a.example", "a.example", False),
        ("http://[bad", "localhost:8000", False),
        ("http://localhost:8000", None, False),
    ],
)
def test_an_origin_is_own_when_host_or_list_says_so(
    origin: str, host: str | None, own: bool
) -> None:
    assert is_own_origin(origin, host, ("https://shop.example",)) is own
