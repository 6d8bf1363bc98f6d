"""Who may command a room."""

from __future__ import annotations

import pytest

from commerce.kernel.errors import CommerceError
from commerce.shows.schedule.model import Room
from commerce.shows.schedule.rules import (
    SHOW,
    check_command,
    check_keep_order,
    check_moderate,
    check_see_money,
    check_stop_sales,
    check_watch_console,
)

ROOM = Room("r", "demo", "host-1", "Room", "/p.svg", "e", None, ["mod-1"])


def test_only_the_rooms_own_host_commands_it() -> None:
    check_command(ROOM, user_id="host-1", role="host")
    for user_id, role in [("host-2", "host"), ("host-1", "guest"), ("mod-1", "moderator")]:
        with pytest.raises(CommerceError, match="forbidden"):
            check_command(ROOM, user_id=user_id, role=role)


def test_the_rooms_moderators_and_host_keep_order() -> None:
    check_moderate(ROOM, user_id="host-1", role="host")
    check_moderate(ROOM, user_id="mod-1", role="moderator")
    for user_id, role in [("mod-2", "moderator"), ("mod-1", "guest"), ("host-2", "host")]:
        with pytest.raises(CommerceError, match="forbidden"):
            check_moderate(ROOM, user_id=user_id, role=role)


def test_moderators_see_the_console_without_money() -> None:
    assert check_watch_console(ROOM, user_id="host-1", role="host")
    assert check_watch_console(ROOM, user_id="op", role="operator")
    assert not check_watch_console(ROOM, user_id="mod-1", role="moderator")
    with pytest.raises(CommerceError, match="forbidden"):
        check_watch_console(ROOM, user_id="x", role="guest")


def test_a_rooms_money_is_its_hosts_and_the_operators_to_see() -> None:
    check_see_money(ROOM, user_id="host-1", role="host")
    check_see_money(ROOM, user_id="op", role="operator")
    for user_id, role in [("host-2", "host"), ("mod-1", "moderator"), ("host-1", "guest")]:
        with pytest.raises(CommerceError, match="forbidden"):
            check_see_money(ROOM, user_id=user_id, role=role)


def test_a_rooms_host_or_an_operator_stops_its_sales_and_coupons() -> None:
    check_stop_sales(ROOM, user_id="host-1", role="host")
    check_stop_sales(ROOM, user_id="op", role="operator")
    for user_id, role in [("host-2", "host"), ("mod-1", "moderator"), ("host-1", "guest")]:
        with pytest.raises(CommerceError) as refused:
            check_stop_sales(ROOM, user_id=user_id, role=role)
        assert refused.value.code == "forbidden"


def test_operators_keep_order_in_every_room_and_moderators_in_their_own() -> None:
    check_keep_order(ROOM, user_id="op", role="operator")
    check_keep_order(ROOM, user_id="mod-1", role="moderator")
    check_keep_order(ROOM, user_id="host-1", role="host")
    for user_id, role in [("mod-2", "moderator"), ("host-2", "host"), ("op", "guest")]:
        with pytest.raises(CommerceError) as refused:
            check_keep_order(ROOM, user_id=user_id, role=role)
        assert refused.value.code == "forbidden"


def test_a_show_goes_from_scheduled_to_live_to_ended() -> None:
    assert SHOW.next("scheduled", "start") == "live"
    assert SHOW.next("live", "end") == "ended"
    assert not SHOW.allows("ended", "start")
