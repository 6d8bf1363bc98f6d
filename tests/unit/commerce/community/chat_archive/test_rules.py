"""What a search may ask, and what a spreadsheet must not run."""

from __future__ import annotations

import uuid

import pytest

from commerce.community.chat_archive.model import ArchivedLine, Deletion, Search
from commerce.community.chat_archive.rules import (
    CSV_HEAD,
    check_search,
    check_span,
    csv_cells,
    first_id,
    guard_cell,
    like_pattern,
)
from commerce.kernel.errors import CommerceError
from commerce.kernel.ids import uuid7


@pytest.mark.parametrize(
    "search", [Search(limit=0), Search(limit=101), Search(text="x" * 101)], ids=str
)
def test_a_search_has_bounds(search: Search) -> None:
    with pytest.raises(CommerceError, match="invalid_request"):
        check_search(search)


def test_a_search_within_its_bounds_may_be_made() -> None:
    check_search(Search(text="x" * 100, limit=100))


def test_a_span_has_a_direction() -> None:
    check_span(1, 2)
    with pytest.raises(CommerceError, match="invalid_request"):
        check_span(2, 2)


def test_no_sign_of_a_query_is_a_wildcard() -> None:
    assert like_pattern("50%_\\") == "%50\\%\\_\\\\%"


def test_an_id_of_a_moment_is_not_behind_any_line_of_it() -> None:
    line = str(uuid7(5_000, bytes(10)))
    assert first_id(5_000) < line < first_id(5_001)
    assert uuid.UUID(first_id(2**63)) <= uuid.UUID("ffffffff-ffff-0000-0000-000000000000")
    assert first_id(-1) == first_id(0)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_formula_becomes_text(text: str) -> None:
    assert guard_cell(text) == f"'{text}"


def test_ordinary_text_stays_as_it_is() -> None:
    assert guard_cell("a=1, 'b'") == "a=1, 'b'"


def test_every_column_has_its_cell_and_a_deleted_line_says_so() -> None:
    line = ArchivedLine("l", None, "=n", "hi", ["order"], 1_000, Deletion(2_000, "u", None))
    assert dict(zip(CSV_HEAD, csv_cells(line), strict=True)) == {
        "at": "1970-01-01T00:00:01.000+00:00",
        "at_ms": "1000",
        "line": "l",
        "user": "",
        "name": "'=n",
        "text": "hi",
        "flags": "order",
        "deleted_at": "1970-01-01T00:00:02.000+00:00",
        "deleted_by": "u",
    }
