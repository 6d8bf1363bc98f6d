"""`python -m loadtests` against the real program: its verdict, its bounds, and what it leaves."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
# The smallest crowd that has every kind of person in it.
TINY = (
    *("--viewers", "4", "--chatters", "2", "--buyers", "6", "--units", "2"),
    *("--countdown-s", "2", "--warm-s", "1", "--after-s", "6"),
)
TIMEOUT_S = 400.0


def run_load(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the load test with its temporary files below `folder`."""
    return subprocess.run(
        [sys.executable, "-m", "loadtests", *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def processes_of(folder: Path) -> list[str]:
    """Return the processes whose command names something below `folder`."""
    lines = (" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"]))
    return [line for line in lines if str(folder) in line]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: sockets live below it, and their names are limited."""
    path = Path(tempfile.mkdtemp(prefix="hl-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.mark.slow
def test_a_tiny_flash_sale_passes_and_leaves_nothing(folder: Path) -> None:
    done = run_load(folder, *TINY)
    assert done.stdout.splitlines()[-1] == "PASS", done.stdout + done.stderr
    assert done.returncode == 0
    for word in ("machine", "commit", "p95", "WS chat publish→receive", "WS sale publish→receive"):
        assert word in done.stdout
    assert "2 reserved at the end" in done.stdout
    assert processes_of(folder) == []
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_a_run_that_takes_too_long_fails_and_leaves_nothing(folder: Path) -> None:
    done = run_load(folder, *TINY, "--run-s-max", "3")
    assert done.stdout.splitlines()[-1].startswith("FAIL: the run was not carried out")
    assert done.returncode == 1
    assert processes_of(folder) == []
    assert list(folder.iterdir()) == []


def test_another_machine_is_refused_with_one_line(folder: Path) -> None:
    done = run_load(folder, "--host", "http://shop.example")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("load: 'http://shop.example' is refused")
    assert done.stderr.count("\n") == 1
