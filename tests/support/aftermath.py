"""A pytest plugin: what a failed attempt left open is blamed on nobody who comes after it.

A traceback keeps its frames alive, and with them sockets and tasks that the test did not come to
close. They end some time after the traceback, in the middle of the next attempt or the next test,
which then failed for their warnings. So they end before it begins, and unheard.
"""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Generator

import pytest

HAS_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember that something failed."""
    report = yield
    if report.failed:
        item.config.stash[HAS_FAILED] = True
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """After a failure, let this item warn of nothing; pytest drops the filters when it is over."""
    if item.config.stash.get(HAS_FAILED, False):
        warnings.simplefilter("ignore", ResourceWarning)
        warnings.simplefilter("ignore", pytest.PytestUnraisableExceptionWarning)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """End what the failure keeps alive: its error is let go by now, also where it is tried anew."""
    if item.config.stash.get(HAS_FAILED, False):
        item.config.stash[HAS_FAILED] = False
        sys.last_type = sys.last_value = sys.last_traceback = None
        gc.collect()
