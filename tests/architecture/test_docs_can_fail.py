"""Each test of the documentation turns red when what it looks for is missing, or made up."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture import test_docs

DOCS = Path(__file__).resolve().parents[2] / "docs"
CONTRACT = (DOCS / "protocol.md").read_text(encoding="utf-8")
EVERYTHING = "\n".join(path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md")))

# The test, what is written, and what is written instead, everywhere.
BREAKS: list[tuple[Callable[[str], None], str, str]] = [
    (test_docs.test_every_setting_is_documented, "HUBBUB_GATEWAYS", "HUBBUB_GATES"),
    (test_docs.test_every_default_is_documented_as_it_is, "`PORT` | 8000", "`PORT` | 8080"),
    (
        test_docs.test_every_route_is_documented_with_its_method,
        "DELETE /api/reservations/{",
        "POST /api/reservations/{",
    ),
    (test_docs.test_every_route_is_documented_with_its_method, "`GET /readyz`", "`/readyz`"),
    (
        test_docs.test_no_call_is_documented_that_does_not_exist,
        "`POST /api/orders`",
        "`PUT /api/orders`",
    ),
    (test_docs.test_every_query_field_is_documented, "?since_ms=", "?since="),
    (test_docs.test_every_query_field_is_documented, "[&e=", "[&epoch="),
    (test_docs.test_every_sale_lane_type_is_documented, "flash.resumed", "flash.again"),
    (test_docs.test_every_direct_lane_type_is_documented, "reservation.expired", "hold.expired"),
    (test_docs.test_every_direct_lane_type_is_documented, "order.cancelled", "cancelled"),
    (test_docs.test_every_frame_is_documented, '| `["D",', '| `["DD",'),
    (test_docs.test_every_frame_is_documented, '| `["sync",', '| `["again",'),
    (test_docs.test_every_field_of_the_hello_is_documented, '"hb_s",', ""),
    (test_docs.test_every_field_of_the_hello_is_documented, "`limits.chat_chars`", "chat_chars"),
    (test_docs.test_every_field_of_the_room_state_is_documented, '"likes": 3,', ""),
    (test_docs.test_every_field_of_the_room_state_is_documented, '"per_buyer": 1,', ""),
    (test_docs.test_every_key_of_the_state_lane_is_documented, "| `stock:{sale}`", "| `stock`"),
    (test_docs.test_every_key_of_the_state_lane_is_documented, "| `degraded`", "| `slow`"),
    (test_docs.test_every_command_is_documented, "| `release`", "| `let_go`"),
    (test_docs.test_every_direct_lane_type_is_documented, "| `muted` |", "| `silenced` |"),
    (
        test_docs.test_every_error_code_is_documented_as_it_is_answered,
        "| `held_out` | 409 |",
        "| `held_out` | 410 |",
    ),
    (
        test_docs.test_every_error_code_is_documented_as_it_is_answered,
        "| `empty_line` | | ✓ |",
        "| `empty_line` | | |",
    ),
    (
        test_docs.test_every_error_code_is_documented_as_it_is_answered,
        "| `no_show` | 409 |",
        "| `no_snow` | 409 |",
    ),
    (test_docs.test_every_close_code_is_documented, "4129", "4130"),
    (test_docs.test_every_close_code_has_its_row, "| 4110 |", "| 4111 |"),
    (test_docs.test_every_metric_is_documented, "hubbub_sale_gaps", "hubbub_gaps"),
    (test_docs.test_a_gauge_is_documented_as_one, "`hubbub_tick_lag_ms` (gauge", "`x` (gauge"),
    (
        test_docs.test_every_command_and_flag_of_the_program_is_documented,
        "`hubbub migrate`",
        "migrate",
    ),
    (test_docs.test_every_command_and_flag_of_the_program_is_documented, "--gateways", "--gates"),
    (
        test_docs.test_every_decision_is_in_the_list_of_decisions,
        "(decisions/0005-no-front-end-build.md)",
        "(decisions/0005.md)",
    ),
]


@pytest.mark.parametrize(("check", "written", "instead"), BREAKS)
def test_it_can_fail(check: Callable[[str], None], written: str, instead: str) -> None:
    takes = check.__code__.co_varnames[0]
    text = CONTRACT if takes == "contract" else EVERYTHING
    check(text)
    assert written in text
    with pytest.raises(AssertionError):
        check(text.replace(written, instead))


def test_every_test_of_the_documentation_has_its_break() -> None:
    tests = {
        name
        for name, value in vars(test_docs).items()
        if re.match(r"test_(every|no|a)_", name) and callable(value)
    }
    assert tests - {check.__name__ for check, _, _ in BREAKS} == set()
