"""What was in force at a press, at the very instants where one thing ends and the next begins."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from commerce.insight.evidence.digest import digest_of, verify
from commerce.insight.evidence.model import (
    ChatFacts,
    CouponFacts,
    Event,
    Facts,
    Line,
    OrderFacts,
    Press,
    PressFacts,
    Price,
    Terms,
)
from commerce.insight.evidence.rules import (
    build,
    card_at,
    cut_chat,
    decide_view,
    pin_in_force,
    prices_at,
    terms_in_force,
    was_known,
)
from commerce.kernel.errors import CommerceError
from commerce.shows.schedule.model import Room

AT = 1_000_000
ROOM = Room("r", "demo", "host", "Room", "/p.svg", "e", None, ["mod"])


def make_press(**overrides: Any) -> Press:
    """Return a press of sale `s1` for item `i1`, decided at AT under offset 10."""
    fields: dict[str, Any] = {
        "reservation": "res", "sale": "s1", "kind": "flash", "item": "i1", "no": 1,
        "sku": "bowl", "title": "Bowl", "title_zh": None, "qty": 1, "unit_price_minor": 199,
        "origin": "walk_in", "state": "sold", "pool": "p", "version": 5, "seq": 1,
        "decided_at_ms": AT, "shown_until_ms": AT + 1, "release_at_ms": AT + 2,
        "log_offset": 10, "stock": (20, 3), "asked_at_ms": None,
        "price_source": "flash", "discount_minor": 0, "tax_minor": 0, "total_minor": 199,
    }  # fmt: skip
    return Press(**fields | overrides)


def make_line(id: str, at_ms: int, **overrides: Any) -> Line:
    """Return a line of chat by a stranger."""
    fields: dict[str, Any] = {
        "user": "stranger", "name": "S", "text": f"line {id}", "flags": [],
        "removed_at_ms": None, "removed_by": None,
    }  # fmt: skip
    return Line(id=id, at_ms=at_ms, **fields | overrides)


def make_facts(**overrides: Any) -> Facts:
    """Return an order of one line, made long after its press."""
    order = OrderFacts(
        id="o", state="paid", user_id="buyer", buyer="Lena", room_id="r", room="demo",
        host_id="host", total_minor=199, refunded_minor=0, subtotal_minor=199, discount_minor=0,
        shipping_minor=0, tax_minor=0, is_tax_included=True, coupon=None, currency="CNY",
        created_at_ms=AT + 10, updated_at_ms=AT + 20, paid_at_ms=AT + 20, show_id="w",
        show="Show", show_started_at_ms=AT - 90_000, show_ended_at_ms=None,
    )  # fmt: skip
    fields = {"id": "s1", "fairness": "draw", "per_buyer": 1, "guard": {"floor_minor": 100}}
    terms = Terms(2, 1, AT - 500, fields)
    lines = [
        make_line("1", AT - 3),
        make_line("2", AT - 2, user="buyer"),
        make_line("3", AT - 1, user="host", removed_at_ms=AT + 5, removed_by="mod"),
        make_line("4", AT, user="host"),
    ]
    fields: dict[str, Any] = {
        "made_at_ms": AT + 3_600_000,
        "order": order,
        "presses": [PressFacts(make_press(), [], [terms], [])],
        "chats": [ChatFacts(AT, [], lines, [])],
        "money": {
            "payments": [{"id": "pay"}],
            "events": [{"event": "we_1"}],
            "calls": [{"kind": "capture"}],
            "refunds": [{"id": "ref", "error": "declined by the bank"}],
        },
    }
    return Facts(**fields | overrides)


def pinned(offset: int, item: str | None, at_ms: int = AT) -> Event:
    """Return a pin, or its end."""
    if item is None:
        return Event(offset, at_ms, "show.unpinned", {"item": "i1"})
    return Event(offset, at_ms, "show.pinned", {"item": item})


def test_an_event_was_known_up_to_the_offset_of_the_press() -> None:
    press = make_press()
    assert was_known(pinned(10, "i1", AT + 99), press), "its offset decides, not its time"
    assert not was_known(pinned(11, "i1", AT - 99), press)


def test_without_a_recorded_offset_the_time_decides() -> None:
    press = make_press(log_offset=None)
    assert was_known(pinned(11, "i1", AT), press)
    assert not was_known(pinned(9, "i1", AT + 1), press)


def test_the_last_pin_is_in_force_until_it_is_taken_back() -> None:
    first, second = pinned(3, "i1", 30), pinned(7, "i2", 70)
    assert pin_in_force([]) is None
    assert pin_in_force([first]) == {"item": "i1", "offset": 3, "since_ms": 30}
    assert pin_in_force([first, second]) == {"item": "i2", "offset": 7, "since_ms": 70}
    assert pin_in_force([first, pinned(4, None)]) is None


def test_a_picture_of_the_room_says_the_pin_too() -> None:
    """A show that begins has none; a picture with the same pin does not make it younger."""
    first = pinned(3, "i1", 30)
    same = Event(4, 40, "room.state", {"pinned": "i1"})
    none = Event(4, 40, "room.state", {"pinned": None})
    other = Event(4, 40, "room.state", {"pinned": "i9"})
    assert pin_in_force([first, same]) == {"item": "i1", "offset": 3, "since_ms": 30}
    assert pin_in_force([first, none]) is None
    assert pin_in_force([first, other]) == {"item": "i9", "offset": 4, "since_ms": 40}
    assert pin_in_force([first, Event(5, 50, "bag.changed", {"bag": [], "sales": []})])


def test_a_price_is_in_force_from_its_moment_to_before_the_next_one() -> None:
    log = [
        Price(1, "s1", None, "flash", 300, AT - 10),
        Price(2, "s1", None, "flash", 200, AT),
        Price(3, "s1", None, "flash", None, AT + 10),
        Price(4, "s0", None, "regular", 900, AT - 20),
    ]
    assert [price.id for price in prices_at(log, AT - 11)] == [4]
    assert [price.id for price in prices_at(log, AT - 1)] == [1, 4]
    assert [price.id for price in prices_at(log, AT)] == [2, 4]
    assert [price.id for price in prices_at(log, AT + 9)] == [2, 4]
    assert [price.id for price in prices_at(log, AT + 10)] == [4], "no more is no price"


def test_a_campaign_price_and_a_sale_stand_beside_each_other() -> None:
    log = [
        Price(1, "s0", None, "regular", 900, AT - 20),
        Price(2, None, "c1", "campaign", 700, AT - 20),
        Price(3, None, "c1", "campaign", None, AT - 10),
        Price(4, None, "c2", "campaign", 600, AT - 5),
    ]
    assert [price.id for price in prices_at(log, AT - 15)] == [1, 2]
    assert [price.id for price in prices_at(log, AT)] == [1, 4]


def test_of_two_prices_of_one_moment_the_later_row_counts() -> None:
    log = [Price(9, "s1", None, "flash", 200, AT), Price(8, "s1", None, "flash", 300, AT)]
    assert [price.id for price in prices_at(log, AT)] == [9]


def test_terms_of_the_pool_version_below_the_press_decided_it() -> None:
    first, second, third = Terms(1, 1, 9, {}), Terms(2, 4, 5, {}), Terms(3, 5, 1, {})
    terms = [first, second, third]
    assert terms_in_force(terms, 5) == second, "written at version 5 is written after the press"
    assert terms_in_force(terms, 6) == third
    assert terms_in_force(terms, 1) is None, "an older press has none that were recorded"


def test_chat_is_cut_to_the_lines_nearest_to_the_press() -> None:
    before = [make_line("a", AT), make_line("b", AT - 1), make_line("c", AT - 50)]
    after = [make_line("d", AT + 2), make_line("e", AT + 40)]
    chat = ChatFacts(AT, [], before, after)
    whole, is_cut = cut_chat(chat, 5)
    assert ([line.id for line in whole], is_cut) == (["c", "b", "a", "d", "e"], False)
    kept, is_cut = cut_chat(chat, 3)
    assert ([line.id for line in kept], is_cut) == (["b", "a", "d"], True)


def test_a_busy_room_does_not_crowd_out_the_buyer_and_the_host() -> None:
    said = make_line("far", AT - 59_000, user="buyer")
    near = [make_line(f"n{i}", AT - i) for i in range(9)]
    kept, is_cut = cut_chat(ChatFacts(AT, [said], near, []), 3)
    assert ([line.id for line in kept], is_cut) == (["far", "n1", "n0"], True)
    twice, is_cut = cut_chat(ChatFacts(AT, [said], [said], []), 1)
    assert (len(twice), is_cut) == (1, False), "a line that is read twice is one line"


def test_the_card_is_what_the_newest_event_with_the_sale_said() -> None:
    bag = [
        {"item": "i0", "no": 1, "title": "x", "title_zh": None},
        {"item": "i1", "no": 2, "title": "Bowl", "title_zh": "碗"},
    ]
    picture = Event(1, 10, "room.state", {"bag": bag, "sales": [{"id": "s0"}], "pinned": None})
    armed = Event(2, 20, "flash.armed", {"sale": {"id": "s1", "price_minor": 199}})
    other = Event(3, 30, "flash.armed", {"sale": {"id": "s9", "price_minor": 1}})
    card = card_at(
        [picture, armed, other, Event(4, 40, "flash.opened", {"sale": "s1"})], make_press()
    )
    assert card == {
        "offset": 2,
        "at_ms": 20,
        "sale": {"id": "s1", "price_minor": 199},
        "no": 2,
        "title": "Bowl",
        "title_zh": "碗",
    }
    assert card_at([picture, other], make_press()) is None
    assert card_at([Event(1, 1, "room.state", {"bag": None, "sales": None})], make_press()) is None


@pytest.mark.parametrize(
    ("user", "role", "expected"),
    [
        ("host", "host", "staff"),
        ("ops", "operator", "staff"),
        ("buyer", "guest", "buyer"),
        ("buyer", "moderator", "buyer"),
        ("other", "guest", "not_found"),
        ("host", "guest", "not_found"),
        ("other", "host", "forbidden"),
        ("mod", "moderator", "forbidden"),
    ],
)
def test_who_reads_what(user: str, role: str, expected: str) -> None:
    try:
        answer = decide_view(ROOM, "buyer", user_id=user, role=role)
    except CommerceError as error:
        answer = error.code
    assert answer == expected


def test_staff_reads_removed_lines_with_a_flag_and_the_buyer_reads_none() -> None:
    staff, buyer = build(make_facts(), "staff"), build(make_facts(), "buyer")
    removed = {line["id"]: line["removed"] for line in staff["chat"][0]["lines"]}
    assert removed == {"1": None, "2": None, "3": {"at_ms": AT + 5, "by": "mod"}, "4": None}
    assert [line["id"] for line in buyer["chat"][0]["lines"]] == ["2", "4"]
    marks = [(line["is_buyer"], line["is_host"]) for line in buyer["chat"][0]["lines"]]
    assert marks == [(True, False), (False, True)]


def test_the_buyer_does_not_read_the_floor_of_the_price_or_what_calls_failed() -> None:
    staff, buyer = build(make_facts(), "staff"), build(make_facts(), "buyer")
    expected = {"fairness": "draw", "per_buyer": 1}
    assert staff["lines"][0]["terms"]["fields"] == expected | {"guard": {"floor_minor": 100}}
    assert buyer["lines"][0]["terms"]["fields"] == expected
    assert staff["money"]["calls"]
    assert (buyer["money"]["calls"], buyer["money"]["events"]) == ([], [])
    assert buyer["money"]["refunds"] == [{"id": "ref"}]


def test_the_place_for_a_clip_counts_from_the_beginning_of_the_show() -> None:
    line = build(make_facts(), "staff")["lines"][0]
    assert (line["clip_at"], line["clip"]) == ({"show": "w", "offset_ms": 90_000}, None)


def test_a_bundle_says_when_the_chat_after_the_press_is_still_to_come() -> None:
    early = build(make_facts(made_at_ms=AT + 29_999), "staff")["chat"][0]
    whole = build(make_facts(made_at_ms=AT + 30_000), "staff")["chat"][0]
    assert (early["is_complete"], whole["is_complete"]) == (False, True)


def test_windows_that_are_left_out_are_counted() -> None:
    later = PressFacts(make_press(reservation="b", decided_at_ms=AT + 1), [], [], [])
    facts = make_facts()
    more = msgspec.structs.replace(facts, presses=[*facts.presses, later])
    assert build(facts, "staff")["chat_windows_left_out"] == 0
    assert build(more, "staff")["chat_windows_left_out"] == 1


def test_of_a_picture_only_the_part_of_the_sale_is_kept() -> None:
    bag = [
        {"item": "i0", "no": 1, "title": "x", "title_zh": None},
        {"item": "i1", "no": 2, "title": "B", "title_zh": None},
    ]
    sales = [{"id": "s0"}, {"id": "s1", "normal_price_minor": 329}]
    picture = Event(1, 10, "room.state", {"bag": bag, "sales": sales, "pinned": "i1"})
    unknown = Event(11, 11, "show.unpinned", {"item": "i1"})
    facts = make_facts(presses=[PressFacts(make_press(), [], [], [picture, unknown])])
    line = build(facts, "staff")["lines"][0]
    [event] = line["events"]
    assert event["is_part"]
    assert event["payload"] == {"pinned": "i1", "bag": [bag[1]], "sales": [sales[1]]}
    assert line["pin"]["is_this_item"]
    assert (line["pin"]["no"], line["pin"]["title"]) == (2, "B")
    assert line["price"]["list_price_minor"] == 329
    assert line["terms"] is None


def test_a_bundle_verifies_and_any_change_is_seen() -> None:
    bundle = build(make_facts(), "staff")
    assert bundle["format"] == "hubbub-evidence/3"
    assert verify(bundle) is None
    again = msgspec.json.decode(msgspec.json.encode(bundle))
    assert verify(again) is None, "the order of keys and the spaces of a file do not matter"
    again["lines"][0]["press"]["qty"] = 2
    assert "changed" in (verify(again) or "")


@pytest.mark.parametrize(
    ("bundle", "reason"),
    [
        ([], "no evidence"),
        ({"digest": "sha256:0"}, "no evidence"),
        ({"format": "hubbub-evidence/4", "digest": "sha256:0"}, "the format is not"),
        ({"format": ["hubbub-evidence/2"], "digest": "x"}, "the format is not"),
        ({"format": "hubbub-evidence/1"}, "no digest"),
        ({"format": "hubbub-evidence/1", "digest": "sha256:ü"}, "changed"),
        ({"format": "hubbub-evidence/1", "digest": "x", "n": float("nan")}, "cannot be read"),
        ({"format": "hubbub-evidence/1", "digest": "x", "n": "\ud800"}, "cannot be read"),
    ],
)
def test_what_is_no_evidence_is_told_so(bundle: Any, reason: str) -> None:
    assert reason in (verify(bundle) or "it verifies")


def test_the_digest_leaves_itself_out_and_knows_its_canonical_text() -> None:
    """SHA-256 of `{"a":"é","b":1}` in UTF-8, so that others can compute it too."""
    expected = "aa58fba8483623bed37c1b02edfccbdd9a53123837c20bfa4cb4049993a2872e"
    assert digest_of({"b": 1, "a": "é", "digest": "whatever"}) == f"sha256:{expected}"


def test_a_file_of_the_first_format_still_verifies() -> None:
    """What was exported before is kept for years."""
    bundle: dict[str, Any] = {"format": "hubbub-evidence/1", "view": "staff"}
    assert verify(bundle | {"digest": digest_of(bundle)}) is None


def test_a_discount_names_its_coupon_where_one_is_known() -> None:
    """The sum stands in the order itself, whatever becomes of the coupon's row."""
    facts = make_facts()
    for coupon, title in ((None, None), (CouponFacts("c1", "Fifty off", None, None), "Fifty off")):
        order = msgspec.structs.replace(facts.order, discount_minor=50, coupon=coupon)
        built = build(msgspec.structs.replace(facts, order=order), "staff")
        assert built["order"]["parts"]["discounts"] == [
            {"source": "coupon", "amount_minor": 50, "title": title}
        ]


def test_the_order_names_its_coupon_and_whether_it_is_stopped() -> None:
    """The buyer was told of the halt as the room was."""
    coupon = CouponFacts("c1", "Fifty off", None, None)
    seen = []
    for one in (None, coupon, msgspec.structs.replace(coupon, halted_at_ms=AT, halt_reason="No")):
        facts = make_facts()
        order = msgspec.structs.replace(facts.order, coupon=one)
        facts = msgspec.structs.replace(facts, order=order)
        seen += [build(facts, view)["order"]["coupon"] for view in ("staff", "buyer")]
    named = {"id": "c1", "title": "Fifty off"}
    good, halted = named | {"halt": None}, named | {"halt": {"at_ms": AT, "reason": "No"}}
    assert seen == [None, None, good, good, halted, halted]
