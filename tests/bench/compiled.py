"""Compile the benchmarks' C programs, once for each state of their sources.

The machine's own `cc` makes them when a benchmark runs; nothing compiled is kept in the repository.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

BENCH = Path(__file__).parent
CROWD_SOURCES = ("crowd/crowd.c", "crowd/frames.c", "crowd/press.c", "crowd/report.c")
COMPILE_TIMEOUT_S = 60.0


class NoCompilerError(Exception):
    """This machine cannot compile C."""


def build(name: str, sources: Sequence[str]) -> Path:
    """Return the program `name`, compiled from `sources` below this folder.

    Raises NoCompilerError when there is no compiler, or it fails.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise NoCompilerError("there is no C compiler (cc); on Debian and Ubuntu it is in `gcc`")
    files = [BENCH / source for source in sources]
    read = sorted({*files, *(h for file in files for h in file.parent.glob("*.h"))})
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in read)).hexdigest()[:16]
    folder = Path(sys.prefix) / "bench"
    folder.mkdir(exist_ok=True)
    program = folder / f"{name}-{digest}"
    if not program.exists():
        # Made aside and renamed, so that two benchmarks at once never run half a program.
        draft = folder / f"{name}-{digest}.{id(program)}"
        command = [compiler, "-O2", "-Wall", "-o", str(draft), *map(str, files)]
        made = subprocess.run(
            command, capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S, check=False
        )
        if made.returncode != 0:
            raise NoCompilerError(f"{compiler} failed: {made.stderr.strip()[-2000:]}")
        draft.rename(program)
    return program


def build_crowd() -> Path:
    """Return the crowd client."""
    return build("crowd", CROWD_SOURCES)
