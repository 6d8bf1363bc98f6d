"""Inbound frames are accepted whole or refused with a code; outbound ones have the wire's shape."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from realtime.protocol.errors import CommandError
from realtime.protocol.messages import (
    BadFrameError,
    Beat,
    ChatLine,
    Command,
    Drawn,
    Like,
    LogEntry,
    Say,
    Sync,
    Visible,
    build_ask,
    build_chat,
    build_direct,
    build_error,
    build_goodbye,
    build_heartbeat,
    build_hello,
    build_result,
    build_sale,
    build_sale_event,
    build_snapshot,
    build_state,
    parse_inbound,
)


def outcome(data: bytes) -> str:
    """Parse; return `accepted` or the refusal's code."""
    try:
        parse_inbound(data)
    except BadFrameError as refused:
        return refused.refusal.code
    return "accepted"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'["c",1,"hi"]', Say(1, "hi")),
        (b'["c","a-1","hi"]', Say("a-1", "hi")),
        (b'["c",null,"hi"]', Say(None, "hi")),
        (b'["k",3]', Like(3)),
        (b'["k",9999999]', Like(9999999)),
        (b'["q",1,"reserve",{"qty":1}]', Command(1, "reserve", Raw(b'{"qty":1}'))),
        (b'["q",1,"reserve",{ },"key"]', Command(1, "reserve", Raw(b"{ }"), "key")),
        (b'["q",1,"x",{"a":[1,{"b":null}]},null]', Command(1, "x", Raw(b'{"a":[1,{"b":null}]}'))),
        (b'["sync","e",7]', Sync("e", 7)),
        (b'["p"]', Beat()),
        (b'["a",7,120]', Drawn(7, 120)),
        (b'["a",7,0]', Drawn(7, 0)),
        (b'["a",7,null]', Drawn(7, None)),
        (b'["v",true]', Visible(True)),
        (b'["v",false]', Visible(False)),
    ],
)
def test_a_documented_frame_is_accepted(data: bytes, message: object) -> None:
    assert parse_inbound(data) == message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]x",
        b"null",
        b"[" * 3000,
        b'["c","\xff","x"]',
        b'["c",1,"\xff"]',
        b'["c",1,"\\ud800"]',
        b'["c",1]',
        b'["c",1,2]',
        b'["c",1,"a","b"]',
        b'["c",-1,"a"]',
        b'["c",1.5,"a"]',
        b'["c",true,"a"]',
        b'["c","","a"]',
        b'["c","\\u0000","a"]',
        b'["c",{},"a"]',
        b'["k",0]',
        b'["k",-5]',
        b'["k","1"]',
        b'["k",1e999]',
        b'["k",1.0]',
        b'["k",' + b"9" * 400 + b"]",
        b'["q",1,"reserve"]',
        b'["q",1,"reserve",[]]',
        b'["q",1,"reserve",null]',
        b'["q",1,7,{}]',
        b'["q",1,"",{}]',
        b'["q",1,"' + b"x" * 33 + b'",{}]',
        b'["q",1,"reserve",{"qty":1e300}]',
        b'["q",1,"reserve",{"qty":99999999999999999999999}]',
        b'["q",1,"reserve",{"qty":-99999999999999999999999}]',
        b'["q",1,"reserve",{"sale":"a\\u0000"}]',
        b'["q",1,"reserve",{"a\\u0000":1}]',
        b'["q",1,"reserve",{"a":[[[[[[[1]]]]]]]}]',
        b'["q",1,"reserve",{"a":' + b"[" * 2000 + b"]" * 2000 + b"}]",
        b'["q",1,"reserve",{},7]',
        b'["q",1,"reserve",{},""]',
        b'["q",1,"reserve",{},"k",1]',
        b'["sync","e"]',
        b'["sync","e",-1]',
        b'["sync",1,1]',
        b'["sync","e",18446744073709551616]',
        b'["p",1]',
        b'["a"]',
        b'["a",1]',
        b'["a",0,1]',
        b'["a",-1,1]',
        b'["a",1,-1]',
        b'["a",1,1.5]',
        b'["a",1,"1"]',
        b'["a",1,true]',
        b'["a",true,1]',
        b'["a",1,1e999]',
        b'["a",9007199254740993,1]',
        b'["a",1,9007199254740993]',
        b'["a",1,1,1]',
        b'["v"]',
        b'["v",1]',
        b'["v",null]',
        b'["v",true,1]',
    ],
)
def test_a_malformed_frame_is_refused(data: bytes) -> None:
    with pytest.raises(BadFrameError) as refused:
        parse_inbound(data)
    assert refused.value.refusal.code == "bad_frame"


@pytest.mark.parametrize("data", [b"[]", b'["S"]', b'["zz",1]', b'["",1]'])
def test_an_unknown_type_has_its_own_code(data: bytes) -> None:
    with pytest.raises(BadFrameError) as refused:
        parse_inbound(data)
    assert refused.value.refusal.code == "unknown_type"


def test_a_refusal_keeps_the_id_when_it_is_readable() -> None:
    with pytest.raises(BadFrameError) as refused:
        parse_inbound(b'["q",12,"reserve",{"qty":1e300}]')
    assert refused.value.client_id == 12
    with pytest.raises(BadFrameError) as refused:
        parse_inbound(b'["q"]')
    assert refused.value.client_id is None


@pytest.mark.parametrize("data", [b'["sync","e"]', b'["k",0]', b'["p",3]'])
def test_what_is_no_id_is_not_answered_as_one(data: bytes) -> None:
    with pytest.raises(BadFrameError) as refused:
        parse_inbound(data)
    assert refused.value.client_id is None


@given(st.binary(max_size=200))
def test_no_bytes_get_past_the_parser_but_as_a_message_or_a_refusal(data: bytes) -> None:
    assert outcome(data) in {"accepted", "bad_frame", "unknown_type"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)


@given(st.sampled_from(["c", "k", "q", "sync", "p", "x"]), st.lists(JSON, max_size=5))
def test_no_json_gets_past_the_parser_but_as_a_message_or_a_refusal(
    kind: str, rest: list[object]
) -> None:
    data = json.dumps([kind, *rest]).encode()
    assert outcome(data) in {"accepted", "bad_frame", "unknown_type"}


def test_hello_is_a_tagged_object() -> None:
    assert msgspec.json.decode(build_hello({"conn": "g1-1"})) == ["h", {"conn": "g1-1"}]


def test_a_snapshot_carries_the_state_as_it_was_stored() -> None:
    assert build_snapshot("e", 5, b'{"room":"demo"}') == b'["Z","e",5,{"room":"demo"}]'


def test_sale_events_are_joined_without_being_parsed_again() -> None:
    event = build_sale_event(LogEntry(3, "show.pinned", b'{"item":"i"}', 99))
    assert event == b'["show.pinned",{"item":"i"},99]'
    assert build_sale(3, [event, event]) == b'["S",3,[' + event + b"," + event + b"]]"


def test_state_carries_versions() -> None:
    frame = msgspec.json.decode(build_state(4, {"viewers": (2, 17)}))
    assert frame == ["K", 4, {"viewers": [2, 17]}]


def test_chat_carries_lines_and_the_number_left_out() -> None:
    line = ChatLine("l1", "u1", "Ann", "hi", ("host",), 5)
    frame = msgspec.json.decode(build_chat(4, [line], 2))
    assert frame == ["L", 4, [["l1", "u1", "Ann", "hi", ["host"], 5]], 2]


def test_direct_result_heartbeat_and_goodbye_have_their_shapes() -> None:
    assert build_direct("muted", b'{"until_ms":1}') == b'["D","muted",{"until_ms":1}]'
    assert build_result("a", b"{}") == b'["r","a",{}]'
    assert build_heartbeat(9) == b'["p",9]'
    assert build_ask(True) == b'["a",true]'
    assert build_goodbye(4200, 250) == b'["b",4200,250]'


def test_an_error_carries_optional_fields_only_when_it_has_them() -> None:
    plain = msgspec.json.decode(build_error(1, CommandError("ended", "Over.")))
    assert plain == ["e", 1, {"code": "ended", "message": "Over.", "retryable": False}]
    full = CommandError("slow_down", "Wait.", True, retry_ms=5, detail={"version": 1})
    assert msgspec.json.decode(build_error(None, full)) == [
        "e",
        None,
        {
            "code": "slow_down",
            "message": "Wait.",
            "retryable": True,
            "retry_ms": 5,
            "detail": {"version": 1},
        },
    ]


@pytest.mark.parametrize("data", [b'["k",3,4]', b'["sync","7"]', b'["a",3,-1]', b'["v",3]'])
def test_a_damaged_frame_without_an_id_is_not_taken_for_a_command(data: bytes) -> None:
    with pytest.raises(BadFrameError) as refused:
        parse_inbound(data)
    assert refused.value.client_id is None


@pytest.mark.parametrize("data", [b'["c",3]', b'["q",3,"time"]'])
def test_a_damaged_frame_with_an_id_is_answered_by_it(data: bytes) -> None:
    with pytest.raises(BadFrameError) as refused:
        parse_inbound(data)
    assert refused.value.client_id == 3
