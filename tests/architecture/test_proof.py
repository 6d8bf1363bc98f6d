"""The page of proofs names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"`(test_\w+)`")
DEFINED = re.compile(r"^(?:async )?def (test_\w+)", re.M)


def find_missing(page: str, sources: list[str]) -> list[str]:
    """Return the tests that a page names and no source defines."""
    defined = {name for source in sources for name in DEFINED.findall(source)}
    return sorted(set(NAMED.findall(page)) - defined)


def test_every_proof_is_there() -> None:
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(NAMED.findall(page)) > 10
    assert find_missing(page, sources) == []


def test_a_missing_proof_is_found() -> None:
    sources = ["async def test_it(x):\n", "def test_that() -> None:\n"]
    assert find_missing("`test_it`, `test_that`, `test_gone`", sources) == ["test_gone"]
