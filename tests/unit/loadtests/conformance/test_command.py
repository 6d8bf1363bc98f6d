"""What the kit is asked, and how it reports."""

from __future__ import annotations

import json

import pytest

from loadtests.conformance.__main__ import build_parser, choose, main, read_target
from loadtests.conformance.families import EVERY, MODULES
from loadtests.conformance.model import (
    Check,
    MismatchError,
    NotApplicableError,
    Outcome,
    UsageError,
)
from loadtests.conformance.render import anchor, render_json, render_text
from loadtests.conformance.runner import Report, run_check
from loadtests.conformance.stage import Stage, Target


def report(*outcomes: Outcome, problems: tuple[str, ...] = ()) -> Report:
    return Report(
        url="http://shop",
        room="demo",
        took_ms=1500,
        outcomes=list(outcomes),
        left={"guests": 2},
        problems=list(problems),
    )


async def outcome_of(error: Exception | None, *, needs_host: bool = False) -> Outcome:
    async def work(stage: Stage) -> None:
        if error is not None:
            raise error

    check = Check("family.name", "Words", "It says.", work, needs_host)
    return await run_check(Stage(Target("http://shop"), None), check)


def test_names_are_unique_and_every_check_is_listed() -> None:
    names = [check.name for check in EVERY]
    assert len(names) == len(set(names))
    written = {
        value.name
        for module in MODULES
        for value in vars(module).values()
        if isinstance(value, Check)
    }
    assert written == set(names)


def test_a_name_or_a_family_chooses() -> None:
    assert [check.name for check in choose(EVERY, ["http.ids"])] == ["http.ids"]
    assert {check.family for check in choose(EVERY, ["chat", "http"])} == {"chat", "http"}
    assert choose(EVERY, None) == EVERY
    with pytest.raises(UsageError, match=r"no check or family http.nope"):
        choose(EVERY, ["http.nope"])


@pytest.mark.parametrize("url", ["shop", "ftp://shop", "http://shop/path", "http://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="no address"):
        read_target(build_parser().parse_args([url]))


def test_a_login_without_a_password_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    given = build_parser().parse_args(["http://shop/", "--host-login", "host"])
    with pytest.raises(UsageError, match="--host-password"):
        read_target(given)
    monkeypatch.setenv("HUBBUB_CONFORMANCE_PASSWORD", "secret")
    assert read_target(given) == Target("http://shop", "demo", "host", "secret")


def test_without_an_address_it_says_what_it_wants(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "which address" in capsys.readouterr().err


def test_the_list_needs_no_address(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(EVERY)


async def test_what_a_check_raises_becomes_its_outcome() -> None:
    assert (await outcome_of(None)).verdict == "pass"
    failed = await outcome_of(MismatchError("a", {"b": 1}))
    assert (failed.verdict, failed.expected, failed.came) == ("fail", "a", '{"b":1}')
    away = await outcome_of(NotApplicableError("why"))
    assert (away.verdict, away.reason) == ("not_applicable", "why")
    assert (await outcome_of(None, needs_host=True)).verdict == "not_applicable"
    for error in (KeyError("stock"), ConnectionResetError(), TimeoutError()):
        assert (await outcome_of(error)).verdict == "fail"


def test_a_report_counts_and_says_what_is_left() -> None:
    text = render_text(
        report(
            Outcome("a.one", "HTTP", "One.", "pass", 1),
            Outcome("a.two", "HTTP", "Two.", "fail", 1, expected="this", came="that"),
            Outcome("a.three", "HTTP", "Three.", "not_applicable", 1, reason="no host"),
            problems=("a hold",),
        )
    )
    lines = text.splitlines()
    assert lines[-1] == "1 passed, 1 failed, 1 not applicable, in 1.5 s"
    for words in ("expected: this", "came:     that", "no host", "left behind: 2 guests"):
        assert words in text
    assert "could not be given back: a hold" in text
    assert json.loads(render_json(report()))["left"] == {"guests": 2}


def test_a_section_links_to_its_heading() -> None:
    assert anchor("Wire contract, version 1") == "protocol.md#wire-contract-version-1"
