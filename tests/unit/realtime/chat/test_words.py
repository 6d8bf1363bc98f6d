"""What is in the words of a line: nothing invisible, alike or not, emoji, links."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.chat.words import clean_text, fold, has_link, is_emoji_only, likeness

SCOTLAND = "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"


def test_text_loses_control_characters_but_keeps_joined_emoji() -> None:
    assert clean_text(" a\x00b \n\n c\u202e ") == "ab c"
    assert clean_text("👩\u200d🔬 5") == "👩\u200d🔬 5"


def test_an_emoji_newer_than_this_python_stays() -> None:
    assert clean_text("\U0001fae8 \U0001fac8") == "\U0001fae8 \U0001fac8"


def test_letters_of_a_regions_flag_stay_in_the_flag_and_nowhere_else() -> None:
    assert clean_text(f"go {SCOTLAND}") == f"go {SCOTLAND}"
    assert clean_text(f"go{SCOTLAND[1:]}") == "go"


@given(st.text(max_size=60))
def test_cleaned_text_is_clean(text: str) -> None:
    once = clean_text(text)
    assert clean_text(once) == once
    assert "\x00" not in once


@pytest.mark.parametrize(
    "line",
    [
        "👍",
        "😂😂 🎉",
        "❤️",
        "❤",
        "👩\u200d🔬",
        "👩🏽\u200d❤️\u200d💋\u200d👨🏿",
        "👋🏾",
        "🇨🇳🇩🇪",
        SCOTLAND,
        "🏳️\u200d🌈",
        "1️⃣#️⃣",
        "©️",
        "\U0001fae8",
    ],
)
def test_emoji_are_emoji(line: str) -> None:
    assert is_emoji_only(clean_text(line))


@pytest.mark.parametrize("line", ["666", "ok 👍", "👍!", ":-)", "1", "#", "©", "🇨", "好", "→"])
def test_anything_else_is_not(line: str) -> None:
    assert not is_emoji_only(clean_text(line))


@pytest.mark.parametrize(
    "line",
    [
        "https://example.com/x",
        "WWW.example",
        "look at shop.example.com",
        "t.me/xiaoman",
        "加我 taobao.com购买",
        "淘宝.com",
        "小店.中国",
        "ｅｘａｍｐｌｅ．ｃｏｍ",
        "example。com",
        "example｡com",
        "me@example.org",
        "10.0.0.1",
        "xn--fiq228c.xn--fiqs8s",
    ],
)
def test_links_are_found(line: str) -> None:
    assert has_link(clean_text(line))


@pytest.mark.parametrize(
    "line",
    [
        "好的。com是什么",
        "等一下。谢谢",
        "Thanks. Really nice",
        "wait...what",
        "3.5 kg",
        "¥18.90",
        "20.30 or 21.00",
        "e.g. this one",
        "3号.谢谢",
        "awww.",
        "and/or",
        "link 3: yes",
        "1.2.3",
    ],
)
def test_what_is_no_link_is_not(line: str) -> None:
    assert not has_link(clean_text(line))


@pytest.mark.parametrize(
    "lines",
    [
        ("666", "６６６", "666!!!", "6666"),
        ("hahaha", "HaHaHaHaHa", "haha", "ha ha ha"),
        ("哈哈哈", "哈哈哈哈哈！"),
        ("goooood", "good!", "GOOD"),
        ("？？？", "???", "??"),
        ("👍", "👍"),
        ("👍👍👍", "👍👍"),
        ("多少钱", "多少钱？", "多 少 钱"),
    ],
)
def test_lines_alike_have_one_likeness(lines: tuple[str, ...]) -> None:

    assert len({likeness(clean_text(line)) for line in lines}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "11"),
        ("11", "111"),
        ("66", "666"),
        ("100", "1000"),
        ("1.5", "15"),
        ("1 2", "12"),
        ("3号", "33号"),
        ("god", "good"),
        ("666", "888"),
        ("？", "！"),
        ("+1", "1"),
    ],
)
def test_lines_that_say_something_else_stay_apart(one: str, other: str) -> None:
    assert likeness(one) != likeness(other)


@given(st.text(max_size=60))
def test_every_visible_line_has_a_likeness(text: str) -> None:
    line = clean_text(text)
    assert bool(likeness(line)) == bool(line)


@pytest.mark.parametrize("line", ["👍🏻" * 99 + "x", "🏻" * 199 + "x", "👍🏻\u200d" * 66 + "x"])
def test_no_line_of_emoji_takes_long_to_refuse(line: str) -> None:
    # With a way back for each skin tone this would not end in a lifetime.
    assert not is_emoji_only(line)


@pytest.mark.parametrize(
    "mark", ["\u034f", "\ufe0f", "\ufe01", "\u200d", "\u3164", "\u180b", "\U000e0101"]
)
def test_a_mark_that_nobody_sees_hides_neither_link_nor_repetition(mark: str) -> None:
    assert has_link(clean_text(f"evil.c{mark}om"))
    assert has_link(clean_text(f"evil{mark}.com"))
    assert likeness(clean_text(f"he{mark}llo")) == likeness("hello")
    assert fold(clean_text(f"he{mark}llo")) == "hello"


def test_a_line_of_fillers_is_empty() -> None:
    assert clean_text("\u3164\u115f\uffa0 \ufe0f\u200d") == ""


@pytest.mark.parametrize(
    "line", ["evil.com-", "evil.com--buy", "go to 203.0.113.7.", "ftp://x", "1http://x"]
)
def test_what_stands_behind_a_link_does_not_hide_it(line: str) -> None:
    assert has_link(line)


@pytest.mark.parametrize(
    "line",
    ["❤\ufe0f", "1\ufe0f\u20e3", "👨\u200d👩\u200d👧", "©\ufe0f", "🏴\u200d☠\ufe0f"],
)
def test_emoji_stay_whole(line: str) -> None:
    assert clean_text(line) == line
    assert is_emoji_only(line)
