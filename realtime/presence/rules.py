"""Add up the viewers that processes report, leaving out processes that fell silent.

Pure: the clock is an argument.
"""

from __future__ import annotations

import msgspec

# Three missed reports: a process that is this silent is dead, and its viewers are elsewhere.
FRESH_MS = 7_000


class Report(msgspec.Struct, frozen=True, array_like=True):
    """One process's count of a room, and when it was true."""

    viewers: int
    at_ms: int


def encode_report(report: Report) -> bytes:
    """Encode for a hash field."""
    return msgspec.json.encode(report)


def fresh_reports(fields: dict[str, bytes], *, now_ms: int) -> dict[str, int]:
    """Return process → viewers of the reports that are fresh and readable."""
    counts: dict[str, int] = {}
    for process, value in fields.items():
        try:
            report = msgspec.json.decode(value, type=Report)
        except msgspec.DecodeError:
            continue
        if abs(now_ms - report.at_ms) <= FRESH_MS:
            counts[process] = report.viewers
    return counts
