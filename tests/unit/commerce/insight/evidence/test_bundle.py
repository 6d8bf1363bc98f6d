"""A whole bundle, word by word: whoever holds one holds every name and figure in it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from commerce.insight.evidence.digest import digest_of
from commerce.insight.evidence.model import (
    CHAT_AFTER_MS,
    CHAT_BEFORE_MS,
    ChatFacts,
    CouponFacts,
    DrawFacts,
    Event,
    PressFacts,
    Price,
    Terms,
)
from commerce.insight.evidence.rules import build, card_at, cut_chat, decide_view, pin_in_force
from commerce.kernel.errors import CommerceError
from commerce.shows.recordings.model import RecordedPart
from tests.unit.commerce.insight.evidence.test_rules import (
    AT,
    ROOM,
    make_facts,
    make_line,
    make_press,
)

BAG = [
    {"item": "i0", "no": 7, "title": "Cup", "title_zh": "杯"},
    {"item": "i1", "no": 2, "title": "Bowl", "title_zh": "碗"},
]
CARD = {"id": "s1", "normal_price_minor": 329, "price_minor": 199}
PICTURE = {"bag": BAG, "sales": [{"id": "s0"}, CARD], "pinned": "i0"}
TERMS = {
    "id": "s1", "room_id": "r", "show_id": "w", "item_id": "i1", "pool_id": "p",
    "request_hash": "h", "created_at_ms": 1, "kind": "flash", "sku": "bowl", "price_minor": 199,
    "currency": "CNY", "state": "open", "opens_at_ms": 2, "ends_at_ms": 3, "per_buyer": 1,
    "hold_s": 120, "quantity": 20, "reference_minor": 299, "reference_days": 30,
    "fairness": "draw", "rules": {"present_s": 5}, "guard": {"floor_minor": 100}, "later": True,
}  # fmt: skip
HIDDEN = {"id", "room_id", "show_id", "item_id", "pool_id", "request_hash", "created_at_ms"}
KEPT_FROM_BUYERS = {"guard", "later"}


COUPON = CouponFacts("cou", "Fifty off", AT + 15, "A zero too many")


def make_whole() -> Any:
    """Return facts in which no two figures are alike."""
    facts = make_facts(money=make_money())
    order = msgspec.structs.replace(
        facts.order, refunded_minor=7, created_at_ms=AT + 10, paid_at_ms=AT + 21,
        updated_at_ms=AT + 22, show_ended_at_ms=AT + 90, subtotal_minor=597, discount_minor=50,
        shipping_minor=8, tax_minor=36, is_tax_included=False, coupon=COUPON, total_minor=591,
    )  # fmt: skip
    press = make_press(
        no=4, title_zh="茶碗", qty=3, seq=6, version=5, log_offset=10, stock=(20, 3),
        asked_at_ms=AT - 8, origin="waiting_list", price_source="flash", discount_minor=50,
        tax_minor=35, total_minor=547,
    )  # fmt: skip
    picture = Event(8, AT - 40, "room.state", PICTURE)
    opened = Event(9, AT - 30, "flash.opened", {"sale": "s1"})
    prices = [
        Price(31, "s1", None, "flash", 199, AT - 5),
        Price(30, "s0", None, "regular", 329, AT - 50),
        Price(32, None, "c1", "campaign", 250, AT - 4),
    ]
    terms = Terms(2, 1, AT - 500, TERMS)
    presses = [PressFacts(press, prices, [terms], [picture, opened])]
    lines = [
        make_line("1", AT - 3, flags=["held"], removed_at_ms=AT + 5, removed_by="mod"),
        make_line("2", AT - 2, user="buyer", name="Lena"),
    ]
    return msgspec.structs.replace(
        facts,
        order=order,
        presses=presses,
        chats=[ChatFacts(AT - 8, [], [], []), ChatFacts(AT, [], lines, [])],
    )


def make_money() -> dict[str, list[dict[str, Any]]]:
    """Return rows of money that a buyer reads in part."""
    return {
        "payments": [{"id": "pay", "state": "captured"}],
        "events": [{"event": "we_1"}],
        "calls": [{"kind": "capture"}],
        "refunds": [{"id": "ref", "state": "done", "error": "declined by the bank"}],
    }


def expected_line(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the line of `make_whole`, with the terms that its reader sees."""
    return {
        "no": 4,
        "item": "i1",
        "sku": "bowl",
        "title": "Bowl",
        "title_zh": "茶碗",
        "press": {
            "reservation": "res", "at_ms": AT, "sale": "s1", "kind": "flash", "qty": 3,
            "origin": "waiting_list", "asked_at_ms": AT - 8, "state": "sold",
            "shown_until_ms": AT + 1, "release_at_ms": AT + 2, "pool": "p", "pool_version": 5,
            "place_in_batch": 6, "log_offset": 10, "draw": None,
            "stock": {"total": 20, "claimed": 3, "free": 17},
        },
        "pin": {
            "item": "i0", "offset": 8, "since_ms": AT - 40, "no": 7, "title": "Cup",
            "title_zh": "杯", "is_this_item": False,
        },
        "card": {
            "offset": 8, "at_ms": AT - 40, "sale": CARD, "no": 2, "title": "Bowl",
            "title_zh": "碗",
        },
        "price": {
            "unit_price_minor": 199, "source": "flash", "discount_minor": 50, "tax_minor": 35,
            "total_minor": 547, "list_price_minor": 329, "reference_minor": 299,
            "reference_days": 30,
            "log": [
                {
                    "entry": 30, "sale": "s0", "campaign_price": None, "kind": "regular",
                    "price_minor": 329, "from_ms": AT - 50, "is_own": False,
                },
                {
                    "entry": 31, "sale": "s1", "campaign_price": None, "kind": "flash",
                    "price_minor": 199, "from_ms": AT - 5, "is_own": True,
                },
                {
                    "entry": 32, "sale": None, "campaign_price": "c1", "kind": "campaign",
                    "price_minor": 250, "from_ms": AT - 4, "is_own": False,
                },
            ],
        },
        "terms": {
            "version": 2, "since_ms": AT - 500, "after_pool_version": 1, "fields": fields,
        },
        "events": [
            {
                "offset": 8, "at_ms": AT - 40, "type": "room.state", "is_part": True,
                "payload": {"pinned": "i0", "bag": [BAG[1]], "sales": [CARD]},
            },
            {
                "offset": 9, "at_ms": AT - 30, "type": "flash.opened", "is_part": False,
                "payload": {"sale": "s1"},
            },
        ],
        "clip_at": {"show": "w", "offset_ms": 90_000},
        "clip": None,
    }  # fmt: skip


def expected_bundle(view: str) -> dict[str, Any]:
    """Return all of it but lines, chat, money and digest."""
    return {
        "format": "hubbub-evidence/3",
        "view": view,
        "made_at_ms": AT + 3_600_000,
        "order": {
            "id": "o", "state": "paid", "room": "demo", "buyer": {"id": "buyer", "name": "Lena"},
            "parts": {
                "subtotal_minor": 597, "shipping_minor": 8, "tax_minor": 36,
                "discounts": [{"source": "coupon", "amount_minor": 50, "title": "Fifty off"}],
                "tax_included": False,
            },
            "total_minor": 591, "refunded_minor": 7, "currency": "CNY", "created_at_ms": AT + 10,
            "updated_at_ms": AT + 22, "paid_at_ms": AT + 21,
            "coupon": {
                "id": "cou", "title": "Fifty off",
                "halt": {"at_ms": AT + 15, "reason": "A zero too many"},
            },
        },
        "show": {
            "id": "w", "title": "Show", "started_at_ms": AT - 90_000, "ended_at_ms": AT + 90,
        },
        "chat_windows_left_out": 0,
    }  # fmt: skip


def expected_chat(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the window around the press, behind that around the question."""
    asked = {
        "at_ms": AT - 8, "since_ms": AT - 8 - CHAT_BEFORE_MS, "until_ms": AT - 8 + CHAT_AFTER_MS,
        "is_complete": True, "is_cut": False, "lines": [],
    }  # fmt: skip
    window = {
        "at_ms": AT, "since_ms": AT - CHAT_BEFORE_MS, "until_ms": AT + CHAT_AFTER_MS,
        "is_complete": True, "is_cut": False, "lines": lines,
    }  # fmt: skip
    return [asked, window]


STRANGER = {
    "id": "1", "at_ms": AT - 3, "user": "stranger", "name": "S", "text": "line 1",
    "flags": ["held"], "is_buyer": False, "is_host": False,
    "removed": {"at_ms": AT + 5, "by": "mod"},
}  # fmt: skip
BUYER = {
    "id": "2", "at_ms": AT - 2, "user": "buyer", "name": "Lena", "text": "line 2", "flags": [],
    "is_buyer": True, "is_host": False,
}  # fmt: skip


def test_staff_reads_everything_under_its_name() -> None:
    bundle = build(make_whole(), "staff")
    fields = {name: value for name, value in TERMS.items() if name not in HIDDEN}
    expected = expected_bundle("staff") | {
        "lines": [expected_line(fields)],
        "chat": expected_chat([STRANGER, BUYER | {"removed": None}]),
        "money": make_money(),
    }
    assert bundle == expected | {"digest": digest_of(expected)}


def test_the_buyer_reads_the_same_but_what_is_the_shops_own() -> None:
    bundle = build(make_whole(), "buyer")
    hidden = HIDDEN | KEPT_FROM_BUYERS
    fields = {name: value for name, value in TERMS.items() if name not in hidden}
    money = {
        "payments": [{"id": "pay", "state": "captured"}],
        "events": [],
        "calls": [],
        "refunds": [{"id": "ref", "state": "done"}],
    }
    expected = expected_bundle("buyer") | {
        "lines": [expected_line(fields)],
        "chat": expected_chat([BUYER]),
        "money": money,
    }
    assert bundle == expected | {"digest": digest_of(expected)}


def test_where_nothing_is_known_nothing_is_said() -> None:
    """Null is not the same as a figure that somebody made up."""
    facts = make_whole()
    bare = PressFacts(make_press(log_offset=None), [], [], [])
    order = msgspec.structs.replace(facts.order, show_started_at_ms=None)
    line = build(msgspec.structs.replace(facts, order=order, presses=[bare]), "staff")["lines"][0]
    assert (line["pin"], line["card"], line["terms"], line["events"]) == (None, None, None, [])
    assert line["price"] == {
        "unit_price_minor": 199,
        "source": "flash",
        "discount_minor": 0,
        "tax_minor": 0,
        "total_minor": 199,
        "list_price_minor": None,
        "reference_minor": None,
        "reference_days": None,
        "log": [],
    }
    assert line["clip_at"] == {"show": "w", "offset_ms": None}


def test_a_drawn_unit_has_its_entry_and_a_window_around_it() -> None:
    """Nobody pressed as it was drawn: what the buyer did was to enter."""
    draw = DrawFacts("ent", AT - 70_000, AT, 2, 9)
    press = make_press(origin="draw", asked_at_ms=AT - 70_000, draw=draw)
    facts = msgspec.structs.replace(make_facts(), presses=[PressFacts(press, [], [], [])])
    assert press.moments_ms == {AT - 70_000, AT}
    bundle = build(facts, "buyer")
    assert bundle["chat_windows_left_out"] == 1, "one of two was read"
    assert bundle["lines"][0]["press"]["draw"] == {
        "entry": "ent", "entered_at_ms": AT - 70_000, "drawn_at_ms": AT, "rank": 2, "of": 9,
    }  # fmt: skip


def test_who_lost_a_draw_and_waited_did_two_things_before() -> None:
    draw = DrawFacts("ent", AT - 9_000, AT - 5_000, 9, 9)
    press = make_press(origin="waiting_list", asked_at_ms=AT - 5_000, draw=draw)
    assert press.moments_ms == {AT - 9_000, AT - 5_000, AT}
    assert make_press().moments_ms == {AT}


def test_an_order_without_a_coupon_has_nothing_taken_off() -> None:
    """An empty list, as in the order's own view."""
    assert build(make_facts(), "buyer")["order"]["parts"]["discounts"] == []


def test_a_press_that_was_recorded_names_its_stretch() -> None:
    """Of the order's own show, around the press: 30 s before to 15 s after."""
    part = RecordedPart(1, "mp4", "avc1.42e01f,opus", 1280, 720, AT - 60_000, AT + 60_000)
    facts = msgspec.structs.replace(make_whole(), recorded=[part])
    [line] = build(facts, "staff")["lines"]
    assert line["clip"] == {"show": "w", "at_ms": 60_000, "from_ms": 30_000, "to_ms": 75_000}


def test_an_item_that_no_picture_names_has_no_name() -> None:
    armed = Event(2, 20, "flash.armed", {"sale": {"id": "s1"}})
    assert card_at([armed], make_press()) == {
        "offset": 2,
        "at_ms": 20,
        "sale": {"id": "s1"},
        "no": None,
        "title": None,
        "title_zh": None,
    }


def test_the_newest_picture_names_an_item_and_the_newest_card_counts() -> None:
    renamed = [{"item": "i1", "no": 9, "title": "Tea bowl", "title_zh": None}]
    events = [
        Event(1, 10, "room.state", PICTURE),
        Event(2, 20, "bag.changed", {"bag": renamed, "sales": [{"id": "s1", "price_minor": 1}]}),
    ]
    card = card_at(events, make_press())
    assert card is not None
    assert (card["offset"], card["sale"]["price_minor"]) == (2, 1)
    assert (card["no"], card["title"], card["title_zh"]) == (9, "Tea bowl", None)


def test_a_picture_without_a_word_about_the_pin_has_none() -> None:
    pin = Event(1, 10, "show.pinned", {"item": "i1"})
    assert pin_in_force([pin, Event(2, 20, "room.state", {})]) is None


def test_of_equally_near_lines_the_earlier_stays_and_of_one_moment_the_smaller_id() -> None:
    before, after = [make_line("z", AT - 5)], [make_line("a", AT + 5), make_line("b", AT + 5)]
    kept, is_cut = cut_chat(ChatFacts(AT, [], before, after), 2)
    assert ([line.id for line in kept], is_cut) == (["z", "a"], True)
    kept, _ = cut_chat(ChatFacts(AT, [], [], after[::-1]), 2)
    assert [line.id for line in kept] == ["a", "b"]


def test_a_window_that_is_cut_says_so() -> None:
    lines = [make_line(f"{n:03}", AT - n) for n in range(201)]
    facts = msgspec.structs.replace(make_whole(), chats=[ChatFacts(AT, [], lines, [])])
    chat = build(facts, "staff")["chat"][0]
    assert (len(chat["lines"]), chat["is_cut"]) == (200, True)


def test_only_a_picture_of_the_room_shows_cards() -> None:
    """Another event may name sales as well; it says nothing of what a card showed."""
    other = Event(1, 10, "bag.sorted", {"sales": [{"id": "s1"}]})
    assert card_at([other], make_press()) is None


def test_a_strangers_order_is_not_there() -> None:
    with pytest.raises(CommerceError, match=r"not_found: There is no such order\.$"):
        decide_view(ROOM, "buyer", user_id="other", role="guest")
