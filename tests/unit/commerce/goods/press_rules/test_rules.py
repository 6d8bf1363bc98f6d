"""Who may press, as pure decisions: every refusal names its rule and when to come back."""

from __future__ import annotations

import pytest

from commerce.goods.press_rules.model import Dropped, PermitState, Press, PressRules
from commerce.goods.press_rules.rules import (
    DROP_WAIT_MS_MAX,
    FIRST_DROP_WAIT_MS,
    LIMITS,
    address_block,
    check_rules,
    decide_drops,
    decide_permit,
    decide_presence,
    number_rules,
    refill,
    too_many_presses,
)
from commerce.kernel.errors import CommerceError

ROOM = "room"
STAY = PressRules(version=1, present_s=20)


@pytest.mark.parametrize("name", LIMITS)
def test_each_rule_has_its_range(name: str) -> None:
    lowest, highest = LIMITS[name]
    for value in (lowest, highest):
        check_rules(PressRules(**{name: value}))
    for value in (lowest - 1, highest + 1):
        with pytest.raises(CommerceError) as refused:
            check_rules(PressRules(**{name: value}))
        assert refused.value.detail == {"field": f"rules.{name}"}


def test_a_wish_without_a_rule_is_no_rule_set() -> None:
    assert number_rules(None) is None
    assert number_rules(PressRules()) is None
    assert number_rules(PressRules(version=9)) is None


def test_a_wish_becomes_the_first_version_whatever_it_calls_itself() -> None:
    assert number_rules(PressRules(version=9, per_card=2)) == PressRules(version=1, per_card=2)


def test_without_the_rule_nobody_has_to_be_present() -> None:
    assert decide_presence(PressRules(version=1, drop_limit=2), Press(), ROOM) is None


@pytest.mark.parametrize(
    ("present_ms", "retry_ms"),
    [(0, 20_000), (7_999, 12_001), (19_000, 1_000), (19_999, 1), (20_000, None)],
)
def test_a_socket_shows_how_long_it_is_here(present_ms: int, retry_ms: int | None) -> None:
    refusal = decide_presence(STAY, Press("a", ROOM, present_ms), ROOM)
    assert (refusal and refusal.retry_ms) == retry_ms
    if refusal is not None:
        assert refusal.code == "not_present_long_enough"
        assert refusal.retryable
        assert refusal.detail == {
            "rule": "present_s",
            "needed_s": 20,
            "present_s": present_ms // 1000,
        }


def test_time_in_another_room_does_not_count() -> None:
    refusal = decide_presence(STAY, Press("a", "elsewhere", 600_000), ROOM)
    assert refusal is not None
    assert refusal.retry_ms == 20_000


def test_a_permit_makes_up_for_a_lost_line_and_for_no_socket_at_all() -> None:
    assert decide_presence(STAY, Press("a", ROOM, 5, "good"), ROOM) is None
    assert decide_presence(STAY, Press("a", permit="good"), ROOM) is None


def test_over_http_a_permit_is_asked_for() -> None:
    refusal = decide_presence(STAY, Press("a"), ROOM)
    assert refusal is not None
    assert (refusal.code, refusal.retryable) == ("permit_required", False)
    assert refusal.detail == {"rule": "present_s", "needed_s": 20}


@pytest.mark.parametrize("state", ["forged", "expired", "other_user", "other_sale", "left"])
def test_a_bad_permit_is_refused_with_its_reason(state: PermitState) -> None:
    refusal = decide_presence(STAY, Press("a", permit=state), ROOM)
    assert refusal is not None
    assert refusal.code == "permit_invalid"
    assert refusal.detail == {"rule": "present_s", "needed_s": 20, "reason": state}
    # By socket the time in the room counts, whatever permit comes along.
    assert decide_presence(STAY, Press("a", ROOM, 20_000, state), ROOM) is None


@pytest.mark.parametrize(
    ("count", "wait_ms"),
    [(2, None), (3, 15_000), (4, 30_000), (5, 60_000), (8, 480_000), (9, 600_000), (90, 600_000)],
)
def test_the_pause_doubles_with_each_hold_that_is_let_go(count: int, wait_ms: int | None) -> None:
    refusal = decide_drops(3, Dropped(count, 0))
    assert (refusal and refusal.retry_ms) == wait_ms
    if refusal is not None:
        assert refusal.code == "slow_down"
        assert refusal.detail == {"rule": "dropped_holds", "dropped": count, "limit": 3}


def test_the_pause_runs_from_the_last_hold_and_ends() -> None:
    almost = decide_drops(1, Dropped(1, FIRST_DROP_WAIT_MS - 1))
    assert almost is not None
    assert almost.retry_ms == 1
    assert decide_drops(1, Dropped(1, FIRST_DROP_WAIT_MS)) is None
    assert decide_drops(1, Dropped(50, DROP_WAIT_MS_MAX)) is None


def test_too_many_presses_say_whose_and_when() -> None:
    refusal = too_many_presses("presses_per_user", 2, 400)
    assert (refusal.code, refusal.retryable, refusal.retry_ms) == ("slow_down", True, 400)
    assert refusal.detail == {"rule": "presses_per_user", "limit_per_s": 2}


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("unknown", "unknown"),
    ],
)
def test_a_home_counts_as_one_address(address: str, block: str) -> None:
    assert address_block(address) == block


def test_a_bucket_fills_up_to_one_seconds_worth() -> None:
    assert refill(0.0, 500, 4) == 2.0
    assert refill(1.0, 10_000, 4) == 4.0
    assert refill(1.0, -5, 4) == 1.0


def test_a_permit_is_renewed_in_the_sales_room_alone() -> None:
    for room_id, code in (
        (ROOM, None),
        ("elsewhere", "not_present_long_enough"),
        (None, "permit_required"),
    ):
        refusal = decide_permit(STAY, Press("a", room_id, 5, "good"), ROOM)
        assert (refusal and refusal.code) == code
    assert decide_permit(STAY, Press("a", ROOM, 20_000), ROOM) is None
    assert decide_permit(PressRules(version=1), Press("a", "elsewhere"), ROOM) is None
