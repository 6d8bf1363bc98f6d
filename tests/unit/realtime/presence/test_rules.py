"""Only fresh reports count."""

from __future__ import annotations

from realtime.presence.rules import FRESH_MS, Report, encode_report, fresh_reports


def test_fresh_reports_are_read_and_silent_processes_left_out() -> None:
    fields = {
        "g1": encode_report(Report(5, 10_000)),
        "g2": encode_report(Report(7, 10_000 - FRESH_MS)),
        "dead": encode_report(Report(9, 10_000 - FRESH_MS - 1)),
        "ahead": encode_report(Report(9, 10_000 + FRESH_MS + 1)),
    }
    assert fresh_reports(fields, now_ms=10_000) == {"g1": 5, "g2": 7}


def test_an_unreadable_report_is_left_out() -> None:
    assert fresh_reports({"g1": b"?", "g2": b"{}"}, now_ms=0) == {}
