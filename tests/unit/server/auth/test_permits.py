"""Permits to press: good for one person and one sale, for 45 s."""

from __future__ import annotations

import base64

import jwt
import pytest

from server.auth.permits import LIFETIME_MS, PERMIT_CHARS_MAX, Permits
from server.auth.tokens import Tokens

SECRET = b"a key of at least thirty-two bytes"
NOW_MS = 1_795_347_432_000


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        """Return the moment, in Unix ms."""
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def permits(clock: Clock) -> Permits:
    return Permits(SECRET, clock)


def test_a_permit_is_good_for_its_person_and_its_sale(permits: Permits, clock: Clock) -> None:
    permit = permits.issue(user_id="u", sale_id="s", conn="g1-1")
    assert permits.judge(permit, user_id="u", sale_id="s") == "good"
    assert permits.judge(permit, user_id="v", sale_id="s") == "other_user"
    assert permits.judge(permit, user_id="u", sale_id="t") == "other_sale"
    clock.now_ms += LIFETIME_MS - 1
    assert permits.judge(permit, user_id="u", sale_id="s") == "good"
    clock.now_ms += 1
    assert permits.judge(permit, user_id="u", sale_id="s") == "expired"


def test_every_process_of_an_installation_takes_it_and_no_other_does(
    permits: Permits, clock: Clock
) -> None:
    permit = permits.issue(user_id="u", sale_id="s", conn="g1-1")
    assert Permits(SECRET, clock).judge(permit, user_id="u", sale_id="s") == "good"
    other = Permits(b"another key of thirty-two or more bytes", clock)
    assert other.judge(permit, user_id="u", sale_id="s") == "forged"


def test_no_other_token_of_ours_is_taken_for_a_permit(permits: Permits, clock: Clock) -> None:
    tokens = Tokens(SECRET, clock)
    session = tokens.issue(tokens.identity(user_id="u", name="Lin", role="guest"))
    assert permits.judge(session, user_id="u", sale_id="s") == "forged"
    assert tokens.identify(permits.issue(user_id="u", sale_id="s", conn="c")) is None


def test_a_permit_cannot_be_made_or_changed(permits: Permits) -> None:
    permit = permits.issue(user_id="u", sale_id="s", conn="g1-1")
    head, body, signature = permit.split(".")
    claims = base64.urlsafe_b64decode(body + "==").replace(b'"u"', b'"v"')
    forged = base64.urlsafe_b64encode(claims).rstrip(b"=").decode()
    good = {"sub": "u", "sale": "s", "until_ms": NOW_MS + 1}
    for text in (
        f"{head}.{forged}.{signature}",
        jwt.encode(good, None, algorithm="none"),
        jwt.encode(good, SECRET, algorithm="HS256"),
        "x" * (PERMIT_CHARS_MAX + 1),
        "not a token",
        "\u4f60.\u597d.\u554a",
    ):
        assert permits.judge(text, user_id="u", sale_id="s") == "forged"
    assert permits.judge("", user_id="u", sale_id="s") == "missing"
    assert permits.judge(None, user_id="u", sale_id="s") == "missing"
