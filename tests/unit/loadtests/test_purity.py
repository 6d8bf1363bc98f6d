"""The pure parts stay importable by processes that nobody patches."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PURE = ("canonical", "sale_lane", "room_view", "evidence", "invariants", "backoff", "shop_api")


def test_pure_modules_import_neither_gevent_nor_locust() -> None:
    names = ", ".join(f"loadtests.{name}" for name in PURE)
    program = f"import sys, {names}; print({{'gevent', 'locust'}} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
