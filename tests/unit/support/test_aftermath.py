"""What a failed attempt left open fails neither the next attempt nor the next test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
ATTEMPTS = """
import gc
import socket

import pytest

tries = []

@pytest.mark.flaky(reruns=1)
def test_first():
    sockets = [socket.socket() for _ in range(5)]
    sockets.append(sockets)  # Only the collector ends them.
    tries.append(1)
    assert len(tries) == 2
    for one in sockets[:5]:
        one.close()

def test_next():
    gc.collect()

def test_that_leaks():
    circle = [socket.socket()]
    circle.append(circle)
    del circle
    gc.collect()
"""


def outcomes(folder: Path, *options: str) -> str:
    """Run the attempts; return pytest's last line."""
    file = folder / "test_attempts.py"
    file.write_text(ATTEMPTS)
    words = ["-q", "-p", "no:randomly", "-p", "no:cacheprovider", *options]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), *words, str(file)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip().splitlines()[-1]


def test_only_its_own_leak_fails_a_test(tmp_path: Path) -> None:
    assert "1 failed, 2 passed, 1 rerun" in outcomes(tmp_path, "-p", "tests.support.aftermath")


def test_without_the_plugin_the_second_attempt_fails(tmp_path: Path) -> None:
    """The negative control."""
    assert "2 failed, 1 passed, 1 rerun" in outcomes(tmp_path)
