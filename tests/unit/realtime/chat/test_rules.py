"""Who may say what, how often, and which lines a crowded room gets to read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.chat.rules import (
    Accepted,
    Author,
    ChatLimits,
    Refused,
    clean_text,
    decide_line,
    next_budget,
    rank_line,
    select_lines,
)
from realtime.protocol.messages import ChatLine

LIMITS = ChatLimits()


def decide(
    text: str, author: Author | None = None, *, now_ms: int = 0, muted_until_ms: int = 0
) -> Accepted | Refused:
    return decide_line(text, author, now_ms=now_ms, muted_until_ms=muted_until_ms, limits=LIMITS)


def refused(verdict: Accepted | Refused) -> Refused:
    assert isinstance(verdict, Refused)
    return verdict


def make_line(text: str, *flags: str, line_id: str = "l") -> ChatLine:
    return ChatLine(line_id, "u", "n", text, flags, 0)


def test_a_burst_of_three_is_accepted_and_the_fourth_line_waits_a_second() -> None:
    author = None
    for text in ("one", "two", "three"):
        verdict = decide(text, author)
        assert isinstance(verdict, Accepted)
        author = verdict.author
    verdict = refused(decide("four", author))
    assert (verdict.code, verdict.retry_ms) == ("slow_down", 1001)
    assert isinstance(decide("four", verdict.author, now_ms=1000), Accepted)


def test_a_muted_author_learns_when_it_ends() -> None:
    verdict = refused(decide("hi", now_ms=100, muted_until_ms=5100))
    assert (verdict.code, verdict.retry_ms) == ("muted", 5000)
    assert isinstance(decide("hi", now_ms=5100, muted_until_ms=5100), Accepted)


def test_a_line_has_a_length() -> None:
    assert isinstance(decide("x" * 200), Accepted)
    assert refused(decide("x" * 201)).code == "too_long"


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\u200b\u200b", "\x00\x07", "\u200d"])
def test_an_invisible_line_is_refused(text: str) -> None:
    assert refused(decide(text)).code == "empty_line"


def test_the_same_words_are_refused_until_the_window_has_passed() -> None:
    first = decide("Buy now")
    verdict = refused(decide("buy  NOW", first.author, now_ms=2000))
    assert (verdict.code, verdict.retry_ms) == ("duplicate", 28_000)
    assert isinstance(decide("buy now", verdict.author, now_ms=30_000), Accepted)


def test_text_loses_control_characters_but_keeps_joined_emoji() -> None:
    assert clean_text(" a\x00b \n\n c\u202e ") == "ab c"
    assert clean_text("👩\u200d🔬 5") == "👩\u200d🔬 5"


@given(st.text(max_size=60))
def test_cleaned_text_is_clean(text: str) -> None:
    once = clean_text(text)
    assert clean_text(once) == once
    assert "\x00" not in once


def test_a_clock_that_goes_back_gives_no_tokens() -> None:
    author = Author(0.0, 10_000)
    assert refused(decide("hi", author, now_ms=5_000)).code == "slow_down"


def test_staff_orders_and_questions_rank_before_the_rest() -> None:
    lines = [
        make_line("hi"),
        make_line("how much?"),
        make_line("多少钱？"),
        make_line("link 3", "order"),
        make_line("welcome", "host"),
        make_line("be nice", "mod"),
    ]
    assert [rank_line(line) for line in lines] == [3, 2, 2, 1, 0, 0]


def test_a_room_within_its_budget_reads_everything() -> None:
    lines = [make_line("a"), make_line("b")]
    assert select_lines(lines, allowance=2) == (lines, [])


def test_a_crowded_room_reads_the_best_lines_in_their_order() -> None:
    lines = [
        make_line("first"),
        make_line("second"),
        make_line("price?"),
        make_line("hello", "host"),
    ]
    carried, left_out = select_lines(lines, allowance=2)
    assert carried == [lines[2], lines[3]]
    assert left_out == [lines[0], lines[1]]


def test_staff_are_heard_without_any_budget() -> None:
    lines = [make_line("a"), make_line("b", "host"), make_line("c", "mod")]
    carried, left_out = select_lines(lines, allowance=0)
    assert carried == lines[1:]
    assert left_out == lines[:1]


def test_the_rooms_budget_is_shared_by_its_processes() -> None:
    budget = next_budget(None, now_ms=0, processes=2, limits=LIMITS)
    assert budget.lines == 20
    spent = type(budget)(0.0, 0)
    assert next_budget(spent, now_ms=500, processes=2, limits=LIMITS).lines == 10
    assert next_budget(spent, now_ms=9000, processes=0, limits=LIMITS).lines == 40
