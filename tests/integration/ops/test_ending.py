"""A process that does not stop is ended, and its last line says what it waited for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from server.ops.ending import EXIT_STUCK

ROOT = Path(__file__).resolve().parents[3]
STUBBORN = """
import asyncio
from server.ops.ending import end_within
from server.ops.logging import configure_logging

async def deep():
    await asyncio.Event().wait()

async def stay():
    while True:
        try:
            await deep()
        except asyncio.CancelledError:
            pass

async def main():
    configure_logging("info", "w1")
    task = asyncio.create_task(stay(), name="stubborn")
    await asyncio.sleep(0)
    task.cancel()
    end_within(0.05)
    await task

asyncio.run(main())
"""


def test_the_last_line_names_what_was_waited_for() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STUBBORN],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == EXIT_STUCK
    line = json.loads(done.stderr.splitlines()[-1])
    assert line["level"] == "error"
    [stubborn] = [
        words for words in line["waiting"].split("; ") if words.startswith("stubborn at ")
    ]
    assert "stay:" in stubborn
    assert "deep:" in stubborn
    assert "Event.wait:" in stubborn
