"""Stop the servers of test sessions that were killed before they could do it.

Invariant: a folder in use is never touched: its lock is held, or it is younger than any test.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import time
from pathlib import Path

from server.ops.embedded import Embedded
from server.ops.errors import OperationalError
from server.ops.sockets import listener_pid
from tests.support.folders import parents

PREFIXES = ("hubbub-test-", "hubbub-data-")
AGE_S_MIN = 1800.0  # No test holds a folder unlocked for longer.


def stop_leftovers() -> None:
    """Stop what still runs below old, unlocked folders of ours, and remove them."""
    for parent, prefix in itertools.product(parents(), PREFIXES):
        for folder in parent.glob(f"{prefix}*"):
            with contextlib.suppress(OSError, OperationalError):
                if time.time() - folder.stat().st_mtime > AGE_S_MIN:
                    _stop(folder)


def _stop(folder: Path) -> None:
    servers = Embedded(folder)
    if any(listener_pid(path) for path in (folder / "run").glob("*") if path.is_socket()):
        servers.start(lambda line: None)
    servers.stop()
    shutil.rmtree(folder, ignore_errors=True)
