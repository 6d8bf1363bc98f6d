"""Sockets are files: as many as the system allows, not as many as it begins with."""

from __future__ import annotations

import subprocess
import sys

import pytest

from server.ops.open_files import FILES_MAX, files_to_ask_for

NO_LIMIT = -1


@pytest.mark.parametrize(
    ("soft", "hard", "wanted"),
    [
        (1_024, 4_096, 4_096),
        (1_024, 1_048_576, FILES_MAX),
        (256, NO_LIMIT, FILES_MAX),
        (4_096, 4_096, None),
        (FILES_MAX, 1_048_576, None),
        (1_000_000, 1_048_576, None),
        (NO_LIMIT, NO_LIMIT, None),
    ],
)
def test_what_is_asked_for(soft: int, hard: int, wanted: int | None) -> None:
    assert files_to_ask_for(soft, hard) == wanted


def test_a_process_has_what_it_may_have() -> None:
    """In one of its own, as no limit is raised again once it was lowered."""
    code = (
        "import resource as r\n"
        "from server.ops.open_files import allow_open_files\n"
        "r.setrlimit(r.RLIMIT_NOFILE, (100, 200))\n"
        "allow_open_files()\n"
        "print(r.getrlimit(r.RLIMIT_NOFILE))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "(200, 200)\n"
