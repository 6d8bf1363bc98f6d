"""`docs/conformance.md` lists the kit's checks as they are, and each names a section there is."""

from __future__ import annotations

import re
from pathlib import Path

from loadtests.conformance.__main__ import build_parser
from loadtests.conformance.families import EVERY
from loadtests.conformance.render import render_markdown

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "conformance.md"
CONTRACT = ROOT / "docs" / "protocol.md"
BEGIN, END = "<!-- checks: generated -->\n", "<!-- end of checks -->"


def listed() -> str:
    text = GUIDE.read_text(encoding="utf-8")
    return text[text.index(BEGIN) + len(BEGIN) : text.index(END)].strip()


def test_the_list_of_checks_is_that_of_the_code() -> None:
    """Write it anew: `python -m tests.architecture.test_conformance_docs`."""
    assert listed() == render_markdown(EVERY)


def test_every_check_names_a_section_of_the_contract() -> None:
    headings = set(re.findall(r"^#+ (.+)$", CONTRACT.read_text(encoding="utf-8"), re.M))
    assert [check.name for check in EVERY if check.section not in headings] == []


def test_every_flag_of_the_kit_is_documented() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    flags = [flag for action in build_parser()._actions for flag in action.option_strings]
    assert [flag for flag in flags if flag.startswith("--") and f"`{flag}" not in text] == [
        "--help"
    ]


if __name__ == "__main__":
    old = GUIDE.read_text(encoding="utf-8")
    GUIDE.write_text(old.replace(listed(), render_markdown(EVERY)), encoding="utf-8")
