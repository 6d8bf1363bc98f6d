"""Write a report for a person, for a machine, and the list of checks for the documentation.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import msgspec

from loadtests.conformance.model import Check, Outcome
from loadtests.conformance.runner import Report

WORDS = {"pass": "pass", "fail": "FAIL", "not_applicable": "n/a "}


def render_text(report: Report) -> str:
    """Return a report as a person reads it; the last line counts."""
    lines = [f"{report.url}, room {report.room}"]
    for outcome in report.outcomes:
        lines += _outcome_lines(outcome)
    lines += ["", *_left_lines(report)]
    lines.append(
        f"{report.count('pass')} passed, {report.count('fail')} failed, "
        f"{report.count('not_applicable')} not applicable, in {report.took_ms / 1000:.1f} s"
    )
    return "\n".join(lines)


def render_json(report: Report) -> str:
    """Return a report as one JSON object."""
    return msgspec.json.encode(report).decode()


def render_list(checks: Sequence[Check]) -> str:
    """Return the names of the checks with what they check."""
    return "\n".join(f"{check.name:<32} {check.says} [{check.section}]" for check in checks)


def render_markdown(checks: Sequence[Check]) -> str:
    """Return the checks as the tables of `docs/conformance.md`."""
    parts = []
    for family, members in groupby(checks, key=lambda check: check.family):
        rows = [
            f"| `{check.name}` | {check.says} | [{check.section}]({anchor(check.section)}) |"
            for check in members
        ]
        parts.append("\n".join([f"### {family}", "", "| check | contract | section |"]))
        parts[-1] += "\n|---|---|---|\n" + "\n".join(rows)
    return "\n\n".join(parts)


def anchor(section: str) -> str:
    """Return the link to a heading of the wire contract, as GitHub names it."""
    words = "".join(char for char in section.lower() if char.isalnum() or char in " -")
    return f"protocol.md#{words.replace(' ', '-')}"


def _outcome_lines(outcome: Outcome) -> list[str]:
    lines = [f"{WORDS[outcome.verdict]} {outcome.name:<32} {outcome.says}"]
    if outcome.verdict == "fail":
        lines += [f"       expected: {outcome.expected}", f"       came:     {outcome.came}"]
        lines.append(f"       see docs/protocol.md, {outcome.section}")
    elif outcome.verdict == "not_applicable":
        lines.append(f"       {outcome.reason}")
    return lines


def _left_lines(report: Report) -> list[str]:
    lines = [f"could not be given back: {problem}" for problem in report.problems]
    if report.left:
        left = ", ".join(f"{count} {what}" for what, count in sorted(report.left.items()))
        lines.append(f"left behind: {left}")
    return lines
