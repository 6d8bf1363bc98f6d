"""A client's picture of the room follows the frames of `docs/protocol.md`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loadtests.room_view import (
    Answered,
    Direct,
    Goodbye,
    Happening,
    Hello,
    Line,
    RoomView,
    SaleEvent,
)

REGULAR = {"id": "s1", "kind": "regular", "state": "open", "stock": [9, 0, 0]}
FLASH = {"id": "s2", "kind": "flash", "state": "armed", "stock": [20, 0, 0]}


def send(view: RoomView, *frames: list[Any]) -> list[Happening]:
    """Let the client receive frames; return what happened."""
    return [one for frame in frames for one in view.receive(json.dumps(frame), 0)]


def hello(rec: str = "fresh", offset: int = 5) -> list[Any]:
    return ["h", {"conn": "g1-ab-7", "rec": rec, "hb_s": 20, "epoch": "e1", "offset": offset}]


def make_view() -> RoomView:
    """Return a client that has just joined."""
    view = RoomView()
    send(view, hello(), ["Z", "e1", 5, {"sales": [REGULAR]}])
    return view


def test_a_joiner_has_the_state_and_its_offset() -> None:
    view = RoomView()
    assert send(view, hello()) == [Hello("g1-ab-7", "fresh", 20)]
    send(view, ["Z", "e1", 5, {"sales": [REGULAR]}])
    assert view.lane.position == ("e1", 5)
    assert view.sales == {"s1": REGULAR}
    assert view.recoveries == {"fresh": 1}


def test_a_sale_is_followed_from_armed_to_closed() -> None:
    view = make_view()
    states = []
    for offset, (kind, payload) in enumerate(
        [
            ("flash.armed", {"sale": FLASH}),
            ("flash.opened", {"sale": "s2"}),
            ("flash.sold_out", {"sale": "s2", "took_ms": 900}),
            ("flash.resumed", {"sale": "s2"}),
            ("flash.closed", {"sale": "s2", "state": "ended", "ends_at_ms": 1}),
        ],
        6,
    ):
        happened = send(view, ["S", offset, [[kind, payload, 1000]]])
        assert happened == [SaleEvent(kind, payload, 1000, True)]
        states.append(view.sales["s2"]["state"])
    assert states == ["armed", "open", "sold_out", "open", "ended"]


def test_room_state_replaces_the_sales() -> None:
    view = make_view()
    send(view, ["S", 6, [["room.state", {"show": None, "bag": [], "sales": [FLASH]}, 1]]])
    assert list(view.sales) == ["s2"]


def test_the_announcement_is_followed() -> None:
    view = make_view()
    send(view, ["S", 6, [["announcement", {"text": "Back in five."}, 1]]])
    assert view.announcement == "Back in five."


def test_replayed_events_are_not_measured_as_live() -> None:
    view = make_view()
    send(view, hello("replayed", 7))
    replayed = send(view, ["S", 6, [["show.unpinned", {}, 1], ["show.unpinned", {}, 2]]])
    live = send(view, ["S", 8, [["show.unpinned", {}, 3]]])
    assert [one.is_live for one in replayed + live if isinstance(one, SaleEvent)] == [
        False,
        False,
        True,
    ]


def test_state_keeps_the_newest_version_of_a_connection() -> None:
    view = make_view()
    send(view, ["K", 5, {"stock:s1": [4, [3, 2, 1]], "viewers": [1, 9]}])
    assert view.stock["s1"] == [3, 2, 1]
    send(view, ["K", 5, {"stock:s1": [3, [9, 0, 0]]}])
    assert (view.stock["s1"], view.versions_back) == ([3, 2, 1], 1)
    send(view, hello("replayed"), ["K", 5, {"stock:s1": [1, [2, 3, 1]]}])
    assert (view.stock["s1"], view.versions_back) == ([2, 3, 1], 1)


@pytest.mark.parametrize("frame", [["K", 6, {}], ["L", 6, [], 0], ["p", 6]])
def test_every_frame_with_so_reveals_a_loss(frame: list[Any]) -> None:
    view = make_view()
    send(view, frame)
    assert view.lane.is_behind


def test_chat_is_counted_and_own_lines_are_found() -> None:
    view = make_view()
    view.own_lines = {"l1", "l9"}
    happened = send(
        view, ["L", 5, [["l1", "u", "n", "hi", [], 7], ["l2", "u", "n", "?", [], 8]], 3]
    )
    assert happened == [Line("l1", 7), Line("l2", 8)]
    assert (view.lines_seen, view.lines_dropped, view.own_lines) == (2, 3, {"l9"})


def test_answers_direct_messages_and_goodbyes_are_handed_on() -> None:
    assert send(
        make_view(),
        ["D", "order.paid", {"order": {"id": "o1"}}],
        ["r", 3, {"reservation": {"id": "r1"}}],
        ["e", 4, {"code": "held_out", "message": "…", "retryable": True}],
        ["b", 4200, 900],
    ) == [
        Direct("order.paid", {"order": {"id": "o1"}}),
        Answered(3, result={"reservation": {"id": "r1"}}),
        Answered(4, error={"code": "held_out", "message": "…", "retryable": True}),
        Goodbye(4200, 900),
    ]


@pytest.mark.parametrize("text", ["", "{}", "[]", '["S"]', '["x", 1]', '["K", 5, 7]', '["h", {}]'])
def test_a_malformed_frame_is_counted_and_nothing_else(text: str) -> None:
    view = make_view()
    assert view.receive(text, 0) == []
    assert view.malformed == 1
    assert view.lane.position == ("e1", 5)


def test_a_client_knows_whether_it_is_asked_to_acknowledge() -> None:
    view = make_view()
    assert not view.is_asked
    send(view, ["a", True])
    assert view.is_asked
    asking = hello()
    asking[1]["ack"] = False
    send(view, asking)
    assert not view.is_asked
    assert view.malformed == 0
