"""Stories that Hypothesis makes up of steps, each played on the real database of its test."""

from __future__ import annotations

from hypothesis import HealthCheck, settings


def stories(count: int) -> settings:
    """Return the settings of a test that plays so many: slow, and all in one test's database."""
    return settings(
        max_examples=count,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
