"""The verdict passes an honest run and names each broken promise."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from loadtests.canonical import Mix
from loadtests.evidence import (
    BuyerSeen,
    ClientSeen,
    Evidence,
    JournalSeen,
    Measure,
    OrderSeen,
    Press,
    SaleSeen,
)
from loadtests.invariants import judge, render, verdict_line
from loadtests.journal_check import Step

MIX = Mix(viewers=1, chatters=0, buyers=3, units=2)
LOG = {offset: offset * 11 for offset in range(6, 10)}
# Both units are taken, one comes back and is taken again.
STEPS = [Step(1, 0, 2, 1), Step(2, 1, 0, 15), Step(3, 1, 0, 25), Step(4, 0, 0, 50)]
AUDIT: dict[str, Any] = {"ok": True, "checked": {"checks": 11}, "violations": []}


def make_client(**overrides: Any) -> ClientSeen:
    """Return a client that joined before the run's base and saw all of its log."""
    seen = {
        "name": "viewer 1",
        "joined": True,
        "epoch": "e1",
        "based_at": 5,
        "offset": 9,
        "events": dict(LOG),
        "covered": [],
        "repeats": 0,
        "conflicts": 0,
        "gaps": 0,
        "syncs": 0,
        "versions_back": 0,
        "malformed": 0,
        "own_lines_missing": 0,
        "lines_seen": 0,
        "lines_dropped": 0,
        "recoveries": {"fresh": 1},
        "closes": {},
        "processes": {"g1": 1},
    }
    return ClientSeen(**{**seen, **overrides})


def make_buyers() -> list[BuyerSeen]:
    """Return a buyer with a paid order, one with a hold, and one who came too late."""
    return [
        BuyerSeen(
            user="u1",
            presses=[
                Press("k1", "WS", "reserved", "r1", 2, 10, 20),
                Press("k1", "WS", "reserved", "r1", 2, 10, 20),
            ],
            paid=["o1"],
            orders=[OrderSeen("o1", "paid", ["r1"])],
        ),
        BuyerSeen(
            user="u2", presses=[Press("k2", "HTTP", "reserved", "r2", 3, 10, 30)], holds=["r2"]
        ),
        BuyerSeen(user="u3", presses=[Press("k3", "WS", "held_out", None, 3, 30, 40)]),
    ]


def make_evidence(**overrides: Any) -> Evidence:
    """Return the evidence of an honest run."""
    honest: dict[str, Any] = {
        "machine": "a machine",
        "commit": "abc",
        "command": "python -m loadtests",
        "mix_name": "small",
        "mix": MIX,
        "took_s": 30.0,
        "troubles": [],
        "failures": [],
        "client_lag_p99_ms": 3.0,
        "epoch": "e1",
        "base_offset": 5,
        "end_offset": 9,
        "log": dict(LOG),
        "clients": [make_client(name=f"client {number}") for number in range(MIX.users)],
        "buyers": make_buyers(),
        "sale": SaleSeen("s1", 2, [0, 1, 1]),
        "audit": AUDIT,
        "journal": JournalSeen(STEPS, {"r1": 2, "r2": 3, "r3": 4}),
        "measures": [Measure("WS reserve", 3, 0, 1.0, 2.0, 3.0, 4.0)],
    }
    return Evidence(**{**honest, **overrides})


def with_client(**overrides: Any) -> Evidence:
    """Return an honest run in which one client saw something else."""
    honest = make_evidence()
    return make_evidence(clients=[*honest.clients[1:], make_client(**overrides)])


def with_buyer(number: int, **overrides: Any) -> Evidence:
    """Return an honest run in which one buyer heard or has something else."""
    buyers = make_buyers()
    buyers[number] = msgspec.structs.replace(buyers[number], **overrides)
    return make_evidence(buyers=buyers)


def test_an_honest_run_passes() -> None:
    assert judge(make_evidence()) == []
    assert verdict_line([]) == "PASS"


def test_a_broken_promise_fails_with_its_reason() -> None:
    assert verdict_line(["one", "two"]) == "FAIL: one; two"


def test_a_released_reservation_is_not_lost() -> None:
    press = Press("k3", "WS", "reserved", "r3", 4)
    evidence = with_buyer(2, presses=[press], released=["r3"])
    assert judge(evidence) == []


def test_a_refusal_that_was_not_true_fails() -> None:
    evidence = with_buyer(2, presses=[Press("k3", "WS", "held_out", None, 2, 10, 20)])
    assert any("not true of the version they name" in problem for problem in judge(evidence))


def test_a_run_whose_journal_cannot_be_read_fails() -> None:
    assert judge(make_evidence(journal=None)) == ["the stock journal could not be read"]


def test_events_that_a_snapshot_contained_are_not_lost() -> None:
    events = {6: LOG[6], 9: LOG[9]}
    assert judge(with_client(events=events, covered=[(6, 8)])) == []


def test_a_late_joiner_owes_only_what_came_after() -> None:
    assert judge(with_client(based_at=8, events={9: LOG[9]})) == []


LANE_CASES: list[tuple[dict[str, Any], str]] = [
    ({"events": {6: 66, 8: 88, 9: 99}}, "lost 1 sale event(s), first 7"),
    ({"events": {6: 66, 7: 77, 8: 88}, "offset": 8}, "lost 1 sale event(s), first 9"),
    ({"events": {**LOG, 7: 1}}, "differs from the log"),
    ({"events": {**LOG, 10: 110}}, "the log does not have"),
    ({"epoch": "e2"}, "is in epoch e2"),
    ({"repeats": 1}, "1 sale event(s) came twice"),
    ({"conflicts": 1}, "1 sale event(s) changed"),
    ({"versions_back": 2}, "2 state version(s) went back"),
    ({"malformed": 1}, "1 frame(s) were malformed"),
    ({"own_lines_missing": 1}, "1 own line(s) never shown"),
    ({"joined": False}, "1 of 5 clients never joined"),
]


@pytest.mark.parametrize(("seen", "reason"), LANE_CASES)
def test_a_broken_lane_fails(seen: dict[str, Any], reason: str) -> None:
    problems = judge(with_client(**seen))
    assert len(problems) == 1
    assert reason in problems[0]


BUYER_CASES: list[tuple[int, dict[str, Any], str]] = [
    (0, {"orders": [OrderSeen("o1", "paid", [])]}, "order(s) without a reservation (o1)"),
    (0, {"orders": [OrderSeen("o1", "paid", [None])]}, "order(s) without a reservation (o1)"),
    (0, {"orders": [OrderSeen("o1", "paid", ["r9"])]}, "order(s) without a reservation (o1)"),
    (0, {"orders": [OrderSeen("o1", "awaiting_payment", ["r1"])]}, "paid order(s) are not paid"),
    (0, {"orders": []}, "paid order(s) are not paid (o1)"),
    (1, {"holds": []}, "acknowledged reservation(s) do not exist (r2)"),
    (2, {"holds": ["r7"]}, "reservation(s) exist that nobody was promised (r7)"),
    (2, {"presses": [Press("k3", "WS")]}, "1 press(es) were never answered (k3)"),
    (
        1,
        {"presses": [Press("k2", "WS", "reserved", "r2"), Press("k2", "WS", "reserved", "r5")]},
        "got more than their limit (k2)",
    ),
]


@pytest.mark.parametrize(("number", "seen", "reason"), BUYER_CASES)
def test_a_broken_promise_to_a_buyer_fails(number: int, seen: dict[str, Any], reason: str) -> None:
    assert any(reason in problem for problem in judge(with_buyer(number, **seen)))


def test_an_oversold_sale_fails_even_when_the_audit_sees_nothing() -> None:
    evidence = with_buyer(2, presses=[Press("k3", "WS", "reserved", "r3")], holds=["r3"])
    assert "oversold: 3 reserved of 2" in judge(evidence)


def test_units_left_over_while_buyers_wanted_them_fail() -> None:
    evidence = with_buyer(1, presses=[Press("k2", "WS", "held_out")], holds=[])
    assert "1 reserved, but 2 of 2 units were wanted" in judge(evidence)


EVIDENCE_CASES: list[tuple[dict[str, Any], str]] = [
    ({"audit": None}, "the audit could not be read"),
    (
        {
            "audit": {
                "ok": False,
                "checked": {},
                "violations": [{"check": "oversold", "count": 1, "rows": []}],
            }
        },
        "the audit found oversold ×1",
    ),
    ({"audit": {"ok": False, "checked": {}, "violations": []}}, "does not say why"),
    ({"log": None}, "the room's log could not be read"),
    ({"log": {6: 66, 7: 77, 9: 99}}, "the room's log has gaps"),
    ({"sale": None}, "there was no sale"),
    ({"sale": SaleSeen("s1", 2, [1, 0, 1])}, "the stock says [1, 0, 1] of 2"),
    ({"troubles": ["too slow"]}, "the run was not carried out: too slow"),
    ({"failures": ["WS reserve ×1: internal"]}, "request failed WS reserve ×1: internal"),
]


@pytest.mark.parametrize(("said", "reason"), EVIDENCE_CASES)
def test_evidence_that_does_not_hold_fails(said: dict[str, Any], reason: str) -> None:
    assert any(reason in problem for problem in judge(make_evidence(**said)))


def test_many_broken_clients_are_summed_up() -> None:
    broken = [make_client(name=f"client {n}", repeats=1) for n in range(MIX.users)]
    problems = judge(make_evidence(clients=broken))
    assert len(problems) == 4
    assert problems[-1] == "2 more like that"


def test_evidence_survives_the_way_through_a_file() -> None:
    written = msgspec.json.encode(make_evidence())
    assert msgspec.json.decode(written, type=Evidence) == make_evidence()


def test_the_table_names_what_a_published_number_needs() -> None:
    table = render(make_evidence())
    for word in ("a machine", "abc", "python -m loadtests", "p50", "p95", "p99", "WS reserve"):
        assert word in table
