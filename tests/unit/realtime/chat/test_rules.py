"""Who may say what, how often, and which lines a crowded room gets to read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.chat.rules import (
    Accepted,
    Author,
    Budget,
    ChatLimits,
    Refused,
    Standing,
    decide_line,
    next_budget,
    rank_line,
    room_share,
    select_lines,
)
from realtime.chat.words import likeness
from realtime.protocol.messages import ChatLine
from realtime.rooms.ports import Modes

LIMITS = ChatLimits()


def decide(
    text: str, author: Author | None = None, *, now_ms: int = 0, **standing: Any
) -> Accepted | Refused:
    return decide_line(text, author, now_ms=now_ms, standing=Standing(**standing), limits=LIMITS)


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


def test_a_clock_that_goes_back_gives_no_tokens() -> None:
    author = Author(0.0, 10_000)
    assert refused(decide("hi", author, now_ms=5_000)).code == "slow_down"


def test_staff_orders_and_questions_rank_before_the_rest() -> None:
    lines = [
        make_line("hi"),
        make_line("how much?"),
        make_line("多少钱？"),
        make_line("link 3", "order"),
        make_line("3/3", "group"),
        make_line("welcome", "host"),
        make_line("be nice", "mod"),
    ]
    assert [rank_line(line) for line in lines] == [3, 2, 2, 1, 1, 0, 0]


def test_a_room_within_its_budget_reads_everything_as_it_was_said() -> None:
    lines = [make_line("666"), make_line("666")]
    chosen = select_lines(lines, allowance=2)
    assert (chosen.carried, chosen.unseen, chosen.collapsed, chosen.dropped) == (lines, [], 0, 0)


def test_a_crowded_room_reads_the_best_lines_in_their_order() -> None:
    lines = [
        make_line("first"),
        make_line("second"),
        make_line("price?"),
        make_line("hello", "host"),
    ]
    chosen = select_lines(lines, allowance=2)
    assert chosen.carried == [lines[2], lines[3]]
    assert (chosen.unseen, chosen.collapsed, chosen.dropped) == (lines[:2], 0, 2)


def test_staff_are_heard_without_any_budget() -> None:
    lines = [make_line("a"), make_line("b", "host"), make_line("c", "mod")]
    chosen = select_lines(lines, allowance=0)
    assert chosen.carried == lines[1:]
    assert (chosen.unseen, chosen.dropped) == (lines[:1], 1)


def test_lines_alike_are_carried_as_the_first_with_their_number() -> None:
    lines = [make_line(text) for text in ("666", "nice", "６６６", "666!!!", "6666")]
    chosen = select_lines(lines, allowance=2)
    assert [(line.text, line.flags) for line in chosen.carried] == [("666", ("x4",)), ("nice", ())]
    assert chosen.unseen == lines[2:]
    assert (chosen.collapsed, chosen.dropped) == (3, 0)


def test_lines_of_staff_and_orders_stand_for_themselves_alone() -> None:
    lines = [make_line("666", flag) for flag in ("host", "host", "order", "order")]
    lines.append(make_line("666"))
    chosen = select_lines(lines, allowance=3)
    assert chosen.carried == lines[:3]
    assert (chosen.collapsed, chosen.dropped) == (0, 2)


def test_lines_alike_are_needed_as_much_as_the_most_needed_of_them() -> None:
    lines = [make_line("how much"), make_line("hello"), make_line("How much?")]
    chosen = select_lines(lines, allowance=1)
    assert [(line.text, line.flags) for line in chosen.carried] == [("how much", ("x2",))]
    assert (chosen.collapsed, chosen.dropped) == (1, 1)


said = st.lists(
    st.builds(
        make_line,
        st.sampled_from(
            ["666", "６６６", "hahaha", "哈哈哈", "link 1", "link 11", "how much?", "hi"]
        ),
        st.sampled_from(["host", "mod", "order", "", "", "", ""]),
    ).map(lambda line: msgspec.structs.replace(line, flags=tuple(filter(None, line.flags)))),
    max_size=40,
)


@given(said, st.integers(0, 45))
def test_every_line_is_carried_stood_for_or_counted_as_dropped(
    lines: list[ChatLine], allowance: int
) -> None:
    lines = [msgspec.structs.replace(line, id=str(index)) for index, line in enumerate(lines)]
    chosen = select_lines(lines, allowance=allowance)
    assert len(chosen.carried) + chosen.collapsed + chosen.dropped == len(lines)
    assert sum(line.stands_for for line in chosen.carried) == len(lines) - chosen.dropped
    places = [int(line.id) for line in chosen.carried]
    assert places == sorted(places)
    assert sorted([*places, *(int(line.id) for line in chosen.unseen)]) == [*range(len(lines))]
    staff = [line.id for line in lines if rank_line(line) == 0]
    assert set(staff) <= {line.id for line in chosen.carried}
    assert len(chosen.carried) <= max(allowance, len(staff))
    assert all(rank_line(line) > 1 for line in chosen.carried if line.stands_for > 1)
    unshown = {line.id for line in chosen.unseen}
    if chosen.dropped:  # Whoever is carried is needed no less than any whom nothing stands for.
        keys = {likeness(line.text) for line in chosen.carried if rank_line(line) > 1}
        lost = [
            rank_line(line)
            for line in lines
            if line.id in unshown and (rank_line(line) == 1 or likeness(line.text) not in keys)
        ]
        alone = [rank_line(line) for line in chosen.carried if line.stands_for == 1]
        assert not alone or not lost or max(alone) <= min(lost)


def test_the_rooms_budget_is_shared_by_its_processes() -> None:
    share = room_share(LIMITS, processes=2, load_share=1.0)
    assert share == 20
    assert next_budget(None, now_ms=0, share=share).lines == 20
    spent = Budget(0.0, 0)
    assert next_budget(spent, now_ms=500, share=share).lines == 10
    assert next_budget(spent, now_ms=9000, share=share).lines == 20
    assert room_share(LIMITS, processes=0, load_share=1.0) == 40


def test_a_process_that_does_not_know_the_others_takes_a_part_only() -> None:
    assert room_share(LIMITS, processes=None, load_share=1.0) == 10


def test_a_share_below_a_line_a_second_saves_up_for_one() -> None:
    budget = next_budget(Budget(0.0, 0), now_ms=2_000, share=0.5)
    assert budget.lines == 1.0
    assert next_budget(budget, now_ms=60_000, share=0.5).lines == 1.0


def test_a_hot_process_takes_less_of_its_share() -> None:
    assert room_share(LIMITS, processes=2, load_share=0.25) == 5


def test_slow_mode_counts_from_the_last_line_wherever_it_was_heard() -> None:
    slow = Modes(slow_s=10)
    assert isinstance(decide("hi", now_ms=1_000, modes=slow), Accepted)
    author = decide("hi", now_ms=1_000).author
    verdict = refused(decide("you", author, now_ms=3_500, modes=slow))
    assert (verdict.code, verdict.retry_ms) == ("slow_mode", 7_500)
    assert isinstance(decide("you", author, now_ms=11_000, modes=slow), Accepted)
    verdict = refused(decide("you", author, now_ms=11_000, modes=slow, spoke_ms=9_000))
    assert (verdict.code, verdict.retry_ms) == ("slow_mode", 8_000)


def test_without_slow_mode_a_clock_set_back_keeps_nobody_waiting() -> None:
    author = decide("hi", now_ms=100_000).author
    assert isinstance(decide("you", author, now_ms=1_000, spoke_ms=100_000), Accepted)


def test_a_refused_line_does_not_make_its_author_wait_anew() -> None:
    slow = Modes(slow_s=10)
    author = decide("hi", now_ms=1_000).author
    again = refused(decide("you", author, now_ms=9_000, modes=slow)).author
    assert isinstance(decide("you", again, now_ms=11_000, modes=slow), Accepted)


def test_modes_refuse_words_and_links_only_while_they_are_on() -> None:
    assert isinstance(decide("see t.me/x"), Accepted)
    assert refused(decide("see t.me/x", modes=Modes(links_off=True))).code == "links_off"
    assert refused(decide("666", modes=Modes(emote_only=True))).code == "emote_only"
    assert isinstance(decide("👍 👍", modes=Modes(emote_only=True, links_off=True)), Accepted)
