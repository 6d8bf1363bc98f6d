"""What `hubbub audit` and `hubbub reconcile` print of their reports, for a program or a person."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from commerce.insight.audit.model import AuditReport, Broken
from commerce.orders.reconciliation.model import Reconciliation


def as_json(report: AuditReport | Reconciliation) -> str:
    """Return a report as its call over HTTP answers it, on several lines."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode()


def describe_audit(report: AuditReport) -> str:
    """Return a report for people: a verdict, then each check that does not hold."""
    counts = ", ".join(
        f"{count:,} {name.replace('_', ' ')}" for name, count in report.checked.items()
    )
    verdict = "every promise is kept" if report.ok else "PROMISES WERE BROKEN"
    lines = [f"{verdict}: {counts}"]
    lines += _lines("violation", report.violations)
    lines += _lines("warning", report.warnings)
    return "\n".join(lines)


def _lines(word: str, broken: list[Broken]) -> list[str]:
    lines = []
    for one in broken:
        lines.append(f"{word} {one.check} ×{one.count}: not so: {one.says}")
        lines += [
            "    " + " ".join(f"{name}={value}" for name, value in row.items()) for row in one.rows
        ]
        if one.count > len(one.rows):
            lines.append(f"    and {one.count - len(one.rows)} more")
    return lines


def describe_reconciliation(report: Reconciliation) -> str:
    """Return a report for people: each difference, the sums in minor units, and a verdict."""
    lines = [
        f"{one.kind}: {one.provider} payment {one.payment} ({one.provider_ref or 'not there'}):"
        f" ours {one.ours or 'none'}, theirs {one.theirs or 'none'}"
        for one in report.differences
    ]
    count = sum(report.counts.values())
    if report.truncated:
        kinds = ", ".join(f"{kind} ×{number:,}" for kind, number in report.counts.items())
        lines.append(f"and {count - len(report.differences):,} more; in all {kinds}")
    lines += [
        f"{one.currency}: in {one.ours_in_minor} (theirs {one.theirs_in_minor}),"
        f" out {one.ours_out_minor} (theirs {one.theirs_out_minor})"
        for one in report.sums
    ]
    since = datetime.fromtimestamp(report.since_ms / 1000, UTC).isoformat(timespec="seconds")
    verdict = "nothing differs" if report.ok else f"{count:,} difference(s)"
    lines.append(f"{report.compared:,} payments since {since} compared: {verdict}")
    if report.older:
        lines.append(
            f"{report.older:,} older ones were not compared; --since takes an earlier time"
        )
    return "\n".join(lines)
