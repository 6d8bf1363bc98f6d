"""Whoever plays on PostgreSQL has a core, and its backends come along."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.simulation.cores import bring_along, take_core

# A core is a thread's own: threads stand for processes here.
CORES = os.sched_getaffinity(0)


@pytest.mark.skipif(len(CORES) < 2, reason="there is one core for all")
def test_each_has_a_core_until_there_are_none(tmp_path: Path) -> None:
    def take() -> set[int]:
        take_core(tmp_path)
        return os.sched_getaffinity(0)

    taken = []
    for _ in range(len(CORES) + 1):
        with ThreadPoolExecutor(max_workers=1) as player:
            taken.append(player.submit(take).result())
    assert taken == [*({core} for core in sorted(CORES)), CORES]


@pytest.mark.skipif(len(CORES) < 2, reason="there is one core for all")
def test_others_come_along_and_who_has_ended_is_no_matter(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()

    def take() -> tuple[set[int], set[int]]:
        take_core(tmp_path)
        bring_along([ended.pid, other.pid])
        return os.sched_getaffinity(0), os.sched_getaffinity(other.pid)

    with ThreadPoolExecutor(max_workers=1) as player:
        mine, its = player.submit(take).result()
    other.communicate(b"\n")
    assert mine == its
    assert len(mine) == 1
