"""What one connection may do, message by message, without a socket."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.gateway.limits import GatewayLimits
from realtime.gateway.session import Close, Effect, Nothing, Reply, Session, TellTime
from realtime.protocol.close_codes import CloseCode
from realtime.protocol.messages import Command, Drawn, Like, Say, Sync, Visible

LIMITS = GatewayLimits(frames_burst=30, bad_frames_max=3, syncs_per_minute=2)


def make_session(*, signed_in: bool = True) -> Session:
    return Session(LIMITS, signed_in=signed_in, at_ms=0)


def receive(session: Session, *message: Any, at_ms: int = 0) -> Any:
    return session.receive(msgspec.json.encode(message), is_text=True, at_ms=at_ms)


def answer(effect: Any) -> Any:
    assert isinstance(effect, Reply)
    return msgspec.json.decode(effect.payload)


def code_of(effect: Any) -> str:
    frame = answer(effect)
    assert frame[0] == "e"
    code: str = frame[2]["code"]
    return code


def test_a_signed_in_user_may_chat_like_command_and_sync() -> None:
    session = make_session()
    assert receive(session, "c", 1, "hi") == Say(1, "hi")
    assert receive(session, "k", 2) == Like(2)
    assert receive(session, "q", 1, "reserve", {}) == Command(1, "reserve", msgspec.Raw(b"{}"))
    assert receive(session, "sync", "e", 1) == Sync("e", 1)
    assert receive(session, "p") == Nothing()


def test_a_visitor_may_only_watch() -> None:
    session = make_session(signed_in=False)
    assert code_of(receive(session, "c", 1, "hi")) == "sign_in_required"
    assert code_of(receive(session, "k", 2)) == "sign_in_required"
    assert code_of(receive(session, "q", 1, "reserve", {})) == "sign_in_required"
    assert receive(session, "sync", "e", 1) == Sync("e", 1)
    assert receive(session, "a", 7, 120) == Drawn(7, 120)
    assert receive(session, "v", False) == Visible(False)


def test_time_is_answered_at_once_to_anybody() -> None:
    effect = receive(make_session(signed_in=False), "q", "t", "time", {})
    assert effect == TellTime("t")


def test_open_commands_are_bounded_until_they_are_answered() -> None:
    session = make_session()
    for number in range(LIMITS.commands_in_flight_max):
        assert isinstance(receive(session, "q", number, "reserve", {}), Command)
    refused = receive(session, "q", 99, "reserve", {})
    assert answer(refused)[1] == 99
    assert code_of(refused) == "too_many_in_flight"
    session.command_done()
    assert isinstance(receive(session, "q", 100, "reserve", {}), Command)


def test_a_bad_frame_is_answered_and_many_of_them_close() -> None:
    session = make_session()
    for _ in range(LIMITS.bad_frames_max):
        assert code_of(receive(session, "c", 1)) == "bad_frame"
    closed = receive(session, "c", 1)
    assert isinstance(closed, Close)
    assert closed.code == CloseCode.PROTOCOL


def test_a_binary_frame_is_a_bad_frame() -> None:
    effect = make_session().receive(b'["p"]', is_text=False, at_ms=0)
    assert code_of(effect) == "bad_frame"


def test_a_flood_closes_and_a_steady_client_does_not() -> None:
    session = make_session()
    for _ in range(LIMITS.frames_burst):
        assert receive(session, "p") == Nothing()
    closed = receive(session, "p")
    assert isinstance(closed, Close)
    assert closed.code == CloseCode.FLOOD
    steady = make_session()
    for number in range(500):
        assert receive(steady, "p", at_ms=number * 50) == Nothing()


def test_an_acknowledgement_that_was_asked_for_costs_no_pace() -> None:
    session = make_session()
    for number in range(3 * LIMITS.frames_burst):
        assert receive(session, "a", number + 1, None) == Drawn(number + 1, None)
        session.forgive_frame()
    for _ in range(LIMITS.frames_burst):
        assert receive(session, "a", 1, None) == Drawn(1, None)
    assert isinstance(receive(session, "a", 1, None), Close), "nobody asked for these"


def test_likes_beyond_what_thumbs_can_do_are_not_counted() -> None:
    session = make_session()
    assert receive(session, "k", 9_999_999) == Like(50)
    assert receive(session, "k", 50) == Like(10)
    assert receive(session, "k", 5) == Nothing()
    assert receive(session, "k", 50, at_ms=1000) == Like(20)


def test_syncs_are_limited_by_the_minute() -> None:
    session = make_session()
    assert receive(session, "sync", "e", 1) == Sync("e", 1)
    assert receive(session, "sync", "e", 1) == Sync("e", 1)
    refused = answer(receive(session, "sync", "e", 1, at_ms=50_000))
    assert (refused[2]["code"], refused[2]["retry_ms"]) == ("slow_down", 10_000)
    assert receive(session, "sync", "e", 1, at_ms=60_000) == Sync("e", 1)


def test_every_message_is_a_sign_of_life() -> None:
    session = make_session()
    receive(session, "p", at_ms=1234)
    assert session.heard_ms == 1234


@given(st.lists(st.binary(max_size=60), max_size=20))
@pytest.mark.parametrize("signed_in", [True, False])
def test_no_bytes_make_a_session_fail(signed_in: bool, messages: list[bytes]) -> None:
    session = Session(LIMITS, signed_in=signed_in, at_ms=0)
    for data in messages:
        effect = session.receive(data, is_text=True, at_ms=0)
        assert isinstance(effect, Effect)
