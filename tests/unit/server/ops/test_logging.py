"""Logs: one JSON object a line, with ids, without secrets."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest

from server.ops.logging import JsonFormatter, redact, request_id, user_id


def written(message: str, *arguments: object, **extra: Any) -> dict[str, Any]:
    """Return the object that a record becomes."""
    record = logging.LogRecord("shop", logging.INFO, "f.py", 1, message, arguments, None)
    vars(record).update(extra)
    entry: dict[str, Any] = json.loads(JsonFormatter("g1").format(record))
    return entry


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("GET /ws/demo?v=1&t=abc.def HTTP/1.1", "GET /ws/demo?v=1&t=*** HTTP/1.1"),
        ("postgresql://shop:pass@db:5432/shop", "postgresql://shop:***@db:5432/shop"),
        ("redis://:pass@cache/0", "redis://:***@cache/0"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: *** ***"),
        ('{"login":"host","password":"demo-host"}', '{"login":"host","password":"***"}'),
        ("cookie eyJhbGciOiJI.eyJzdWIiOiIx.abc_-1", "cookie ***"),
        ("opened /r/demo?lang=zh at 12:30", "opened /r/demo?lang=zh at 12:30"),
    ],
)
def test_secrets_are_redacted(text: str, clean: str) -> None:
    assert redact(text) == clean


def test_record_carries_ids_and_extra_fields() -> None:
    for variable, value in ((request_id, "r1"), (user_id, "u1")):
        variable.set(value)
    entry = written("sold %s", 3, sale="s1", took_ms=12)
    assert entry["request"] == "r1"
    assert entry["user"] == "u1"
    assert entry["message"] == "sold 3"
    assert (entry["sale"], entry["took_ms"], entry["process"]) == ("s1", 12, "g1")


def test_traceback_is_one_redacted_field() -> None:
    try:
        raise ValueError("postgresql://a:secret-word@b/c")
    except ValueError:
        entry = written("failed", exc_info=sys.exc_info())
    assert "ValueError" in entry["error"]
    assert "secret-word" not in entry["error"]


def test_runaway_message_is_cut() -> None:
    assert len(written("x" * 100_000)["message"]) == 8000
