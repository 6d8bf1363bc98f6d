"""The pure parts stay importable by processes that nobody patches."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PURE = ("canonical", "sale_lane", "room_view", "evidence", "invariants", "backoff", "shop_api")
KIT = (
    "conformance.__main__",
    "conformance.families",
    "conformance.render",
    "conformance.runner",
    "conformance.stage",
)
OURS = ("server", "realtime", "commerce")


def test_pure_modules_import_neither_gevent_nor_locust() -> None:
    names = ", ".join(f"loadtests.{name}" for name in PURE)
    program = f"import sys, {names}; print({{'gevent', 'locust'}} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_the_conformance_kit_knows_nothing_of_the_server() -> None:
    names = ", ".join(f"loadtests.{name}" for name in KIT)
    program = (
        f"import sys, {names}; "
        f"print(sorted({{m.split('.')[0] for m in sys.modules}} & {{'gevent', 'locust', *{OURS}}}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
