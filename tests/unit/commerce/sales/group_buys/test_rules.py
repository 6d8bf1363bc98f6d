"""Group buys as pure functions: who gets a seat in which team, and what a host may ask for."""

from __future__ import annotations

import hashlib
from itertools import count
from typing import Any

import msgspec
import pytest

from commerce.goods.inventory.rules import SaleTerms
from commerce.goods.press_rules.model import PressRules
from commerce.kernel.errors import CommerceError
from commerce.sales.group_buys.model import (
    Batch,
    CampaignTerms,
    Joining,
    JoinRequest,
    Team,
    Wish,
)
from commerce.sales.group_buys.rules import (
    LIMITS,
    check_complete,
    check_same,
    check_terms,
    count_promised,
    decide_finish,
    decide_joins,
    decide_leader,
    hash_terms,
    is_joinable,
    mask_leader,
)
from commerce.sales.pricing.model import PriceGuard

NOW = 1_000_000
SALE = SaleTerms("s", "open", 0, NOW + 60_000, 2)
TERMS = CampaignTerms(sku="a", price_minor=9_900, need=3, quantity=30)


def team(id: str = "g1", **changes: Any) -> Team:
    """Return a forming team of 3 with one seat taken."""
    fields = {
        "sale_id": "s",
        "pool_id": "p",
        "room_id": "r",
        "need": 3,
        "joined": 1,
        "paid": 0,
        "state": "forming",
        "leader_id": "u0",
        "deadline_ms": NOW + 5_000,
        "reason": None,
        "completed_by": None,
    }
    return Team(id=id, **(fields | changes))


def batch(*teams: Team, free: int = 30, unsold: int = 5, **changes: Any) -> Batch:
    """Return what a batch finds; nobody has anything yet."""
    fields: dict[str, Any] = {"granted": {}, "seated": frozenset(), "bought": {}}
    return Batch(free=free, unsold=unsold, teams=list(teams), **(fields | changes))


def wish(n: int, kind: Wish = Wish.ANY, group_id: str | None = None) -> JoinRequest:
    """Return the wish of the n-th buyer."""
    return JoinRequest(f"r{n}", "s", f"u{n}", 1, kind, group_id)


def decide(
    found: Batch, *wishes: JoinRequest, sale: SaleTerms | None = SALE
) -> list[tuple[Joining, str | None]]:
    """Decide with teams of 3."""
    return decide_joins(found, (sale, 3), wishes, (f"new{n}" for n in count(1)), NOW)


def test_any_team_is_the_soonest_to_end_with_a_seat_and_then_a_new_one() -> None:
    found = batch(team("g1"), team("g2", joined=2, deadline_ms=NOW + 9_000))
    answers = decide(found, *(wish(n) for n in range(1, 6)))
    assert [group for _, group in answers] == ["g1", "g1", "g2", "new1", "new1"]
    assert {answer for answer, _ in answers} == {Joining.JOINED}


def test_a_new_team_asks_for_all_its_seats_beside_what_open_teams_need() -> None:
    found = batch(team("g1"), free=5)
    assert decide(found, wish(1, Wish.OPEN)) == [(Joining.JOINED, "new1")]
    assert decide(batch(team("g1"), free=4), wish(1, Wish.OPEN)) == [(Joining.HELD_OUT, None)]
    two = decide(batch(free=5), wish(1, Wish.OPEN), wish(2, Wish.OPEN))
    assert two == [(Joining.JOINED, "new1"), (Joining.HELD_OUT, None)]


def test_sold_out_is_said_only_when_nothing_can_come_back() -> None:
    assert decide(batch(free=2, unsold=0), wish(1)) == [(Joining.SOLD_OUT, None)]
    assert decide(batch(free=2, unsold=1), wish(1)) == [(Joining.HELD_OUT, None)]
    found = batch(team("g1"), free=2, unsold=0)
    answers = decide(found, wish(1, Wish.OPEN), wish(2), wish(3))
    assert [answer for answer, _ in answers] == [Joining.HELD_OUT, Joining.JOINED, Joining.JOINED]


@pytest.mark.parametrize(
    ("named", "answer"),
    [
        (team(), Joining.JOINED),
        (team(joined=3), Joining.GROUP_FULL),
        (team(state="formed", joined=3), Joining.GROUP_FULL),
        (team(state="failed"), Joining.GROUP_OVER),
        (team(deadline_ms=NOW), Joining.GROUP_OVER),
        (team(joined=3, deadline_ms=NOW), Joining.GROUP_OVER),
        (team("other"), Joining.NO_SUCH_GROUP),
    ],
)
def test_a_named_team_answers_for_itself(named: Team, answer: Joining) -> None:
    assert decide(batch(named), wish(1, Wish.NAMED, "g1"))[0][0] is answer


def test_a_seat_that_is_taken_in_an_open_team_leaves_the_others_room_for_a_new_one() -> None:
    """Of five units one team needs two and a new one three; a seat taken is of both counts."""
    found = batch(team("g1"), free=5)
    answers = decide(found, wish(1), wish(2, Wish.OPEN), wish(3, Wish.OPEN))
    assert answers == [(Joining.JOINED, "g1"), (Joining.JOINED, "new1"), (Joining.HELD_OUT, None)]


def test_every_team_that_is_opened_can_still_be_filled() -> None:
    """Eight units are enough for the two seats of one team and for two new ones, no more."""
    found = batch(team("g1"), free=8)
    answers = decide(found, *(wish(n, Wish.OPEN) for n in range(1, 4)))
    assert answers == [
        (Joining.JOINED, "new1"),
        (Joining.JOINED, "new2"),
        (Joining.HELD_OUT, None),
    ]


def test_who_comes_too_late_for_a_new_team_leaves_the_others_their_answer() -> None:
    over = SaleTerms("s", "ended", 0, NOW, 2)
    answers = decide(batch(team()), wish(1, Wish.OPEN), wish(2, Wish.NAMED, "g1"), sale=over)
    assert answers == [(Joining.ENDED, None), (Joining.JOINED, "g1")]


def test_sold_out_is_no_answer_to_who_has_a_seat_or_may_have_none() -> None:
    found = batch(free=0, unsold=0, granted={"r1": "g1"}, bought={"u2": 2})
    assert decide(found, wish(1), wish(2), wish(3)) == [
        (Joining.REPLAYED, "g1"),
        (Joining.LIMIT_REACHED, None),
        (Joining.SOLD_OUT, None),
    ]


def test_strangers_see_the_first_letter_of_who_leads() -> None:
    assert [mask_leader(name) for name in ("Mika", "小满", "")] == ["M***", "小***", "***"]


def test_the_last_seat_goes_to_whoever_comes_first() -> None:
    answers = decide(
        batch(team(joined=2)), wish(1, Wish.NAMED, "g1"), wish(2, Wish.NAMED, "g1"), wish(3)
    )
    assert answers == [
        (Joining.JOINED, "g1"),
        (Joining.GROUP_FULL, None),
        (Joining.JOINED, "new1"),
    ]


def test_a_buyer_has_one_open_team_and_as_many_units_as_the_limit() -> None:
    found = batch(team(), seated=frozenset({"u1"}), bought={"u1": 1, "u2": 2, "u3": 1})
    answers = decide(found, wish(1), wish(2), wish(3))
    assert [answer for answer, _ in answers] == [
        Joining.ALREADY_IN_GROUP,
        Joining.LIMIT_REACHED,
        Joining.JOINED,
    ]
    once = SaleTerms("s", "open", 0, NOW + 1, 1)
    assert decide(batch(), wish(9), sale=once)[0][0] is Joining.JOINED
    free = SaleTerms("s", "open", 0, None, None)
    assert decide(found, wish(2), sale=free)[0][0] is Joining.JOINED


def test_a_known_key_is_a_retry_or_a_conflict() -> None:
    found = batch(team(), granted={"r1": "g1"})
    assert decide(found, wish(1)) == [(Joining.REPLAYED, "g1")]
    assert decide(found, wish(1, Wish.NAMED, "g1")) == [(Joining.REPLAYED, "g1")]
    assert decide(found, wish(1, Wish.NAMED, "g2")) == [(Joining.CONFLICT, "g1")]


@pytest.mark.parametrize(
    ("state", "ends_at_ms", "in_team", "new"),
    [
        ("open", NOW, Joining.JOINED, Joining.ENDED),
        ("ended", NOW, Joining.JOINED, Joining.ENDED),
        ("cancelled", NOW, Joining.ENDED, Joining.ENDED),
        ("halted", NOW + 1, Joining.HALTED, Joining.HALTED),
        ("halted", NOW, Joining.ENDED, Joining.ENDED),
    ],
)
def test_the_opener_is_bound_by_the_window_and_who_joins_by_the_team(
    state: str, ends_at_ms: int, in_team: Joining, new: Joining
) -> None:
    sale = SaleTerms("s", state, 0, ends_at_ms, 2)
    found = batch(team())
    assert decide(found, wish(1, Wish.NAMED, "g1"), sale=sale)[0][0] is in_team
    assert decide(found, wish(1), sale=sale)[0][0] is in_team
    assert decide(found, wish(1, Wish.OPEN), sale=sale)[0][0] is new
    assert decide(found, wish(1), sale=None)[0][0] is Joining.NO_SUCH_SALE


def test_a_campaign_that_ended_halted_takes_nobody() -> None:
    sale = SaleTerms("s", "ended", 0, NOW, 2)
    found = batch(team(), granted={"r2": "g1"}, was_halted=True)
    for asked in (wish(1, Wish.NAMED, "g1"), wish(1), wish(1, Wish.OPEN)):
        assert decide(found, asked, sale=sale)[0][0] is Joining.ENDED
    assert decide(found, wish(2), sale=sale) == [(Joining.REPLAYED, "g1")]


def test_promises_are_those_of_forming_teams() -> None:
    teams = [team(), team(joined=3), team(state="failed"), team(state="formed", joined=2)]
    assert count_promised(teams) == 2
    assert is_joinable(team(), NOW)
    assert is_joinable(team(joined=2, deadline_ms=NOW + 1), NOW)
    assert not is_joinable(team(deadline_ms=NOW), NOW)
    assert not is_joinable(team(joined=3), NOW)


def test_the_earliest_of_those_who_stay_leads() -> None:
    assert decide_leader("a", ["a", "b"]) == "a"
    assert decide_leader("a", ["b", "c"]) == "b"
    assert decide_leader("a", []) == "a"


def test_a_team_is_completed_once_and_only_for_somebody() -> None:
    assert check_complete(team(paid=1), NOW)
    assert not check_complete(team(state="formed", paid=3, joined=3), NOW)
    for wrong, code in (
        (team(paid=0), "wrong_state"),
        (team(paid=1, state="failed"), "group_over"),
        (team(paid=1, deadline_ms=NOW), "group_over"),
    ):
        with pytest.raises(CommerceError) as refused:
            check_complete(wrong, NOW)
        assert refused.value.code == code


@pytest.mark.parametrize("name", LIMITS)
def test_every_figure_has_its_limits(name: str) -> None:
    lowest, highest = LIMITS[name]
    for value in (lowest, highest):
        need = value if name == "need" else 2
        check_terms(msgspec.structs.replace(TERMS, **{"need": need, "quantity": 300, name: value}))
    for value in (lowest - 1, highest + 1):
        with pytest.raises(CommerceError) as refused:
            check_terms(msgspec.structs.replace(TERMS, **{name: value}))
        assert refused.value.detail == {"field": name}


def test_units_make_whole_teams() -> None:
    check_terms(TERMS)
    with pytest.raises(CommerceError, match="whole teams") as refused:
        check_terms(msgspec.structs.replace(TERMS, quantity=31))
    assert refused.value.detail == {"field": "quantity"}


def test_a_key_that_comes_back_asks_for_the_same() -> None:
    check_same(hash_terms(TERMS), TERMS)
    with pytest.raises(CommerceError) as refused:
        check_same(hash_terms(TERMS), msgspec.structs.replace(TERMS, need=2))
    assert refused.value.code == "idempotency_conflict"


def test_what_came_later_leaves_the_digest_of_plain_terms_as_it_was() -> None:
    """A retry that crosses an upgrade is the same request; the answer to the guard is no term."""
    plain = {name: getattr(TERMS, name) for name in ("sku", *LIMITS)}
    ordered = {field: plain[field] for field in TERMS.__struct_fields__ if field in plain}
    assert hash_terms(TERMS) == hashlib.sha256(msgspec.json.encode(ordered)).hexdigest()
    confirmed = msgspec.structs.replace(TERMS, confirm_price_minor=9_900)
    assert hash_terms(confirmed) == hash_terms(TERMS)
    guarded = msgspec.structs.replace(TERMS, guard=PriceGuard(max_cut_percent=40))
    ruled = msgspec.structs.replace(TERMS, rules=PressRules(drop_limit=2))
    assert len({hash_terms(one) for one in (TERMS, guarded, ruled)}) == 3


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"guard": PriceGuard(max_cut_percent=101)}, "guard.max_cut_percent"),
        ({"rules": PressRules(drop_limit=0)}, "rules.drop_limit"),
    ],
)
def test_an_impossible_guard_or_rule_is_named(terms: dict[str, Any], field: str) -> None:
    with pytest.raises(CommerceError) as refused:
        check_terms(msgspec.structs.replace(TERMS, **terms))
    assert refused.value.detail == {"field": field}


@pytest.mark.parametrize(
    ("state", "event", "has_open_teams", "expected"),
    [
        ("open", "end", True, "ended"),
        ("open", "cancel", False, "cancelled"),
        ("halted", "end", True, "ended"),
        ("halted", "cancel", True, "cancelled"),
        ("ended", "cancel", True, "cancelled"),
        ("ended", "cancel", False, None),
        ("ended", "end", True, None),
        ("cancelled", "cancel", True, None),
    ],
)
def test_an_ended_campaign_can_be_cancelled_while_a_team_of_it_forms(
    state: str, event: str, expected: str | None, *, has_open_teams: bool
) -> None:
    assert decide_finish(state, event, has_open_teams=has_open_teams) == expected
