"""`python -m loadtests`: a flash sale under load, headless, that ends with PASS or FAIL.

Invariant: it is bounded in time and leaves no process and no file behind, however it ends.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from loadtests.canonical import (
    MIXES,
    PREFIX,
    LoadSettingError,
    LoadSettings,
    Mix,
    read_load_settings,
    to_environment,
)
from loadtests.evidence import Evidence
from loadtests.invariants import judge, render, verdict_line
from loadtests.own_server import ROOT, OwnServer, OwnServerError

EXIT_FAILED = 1
EXIT_USAGE = 2
# Starting Locust, and gathering the evidence after the last moment of the run.
AROUND_S = 60.0
STOP_TIMEOUT_S = 15.0
OUTPUT_LINES_SHOWN = 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one mix and return the exit code: 0 for PASS."""
    # An end by SIGTERM tidies up as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    given = build_parser().parse_args(arguments)
    flags = {
        f"{PREFIX}{name.upper()}": str(value)
        for name, value in vars(given).items()
        if value is not None
    }
    try:
        settings = read_load_settings({**os.environ, **flags})
    except LoadSettingError as error:
        print(f"load: {error}", file=sys.stderr)
        return EXIT_USAGE
    folder = Path(tempfile.mkdtemp(prefix="hubbub-load-"))
    # PostgreSQL may run as another user than the one who made the folder.
    folder.chmod(0o711)
    try:
        problems = run(settings, folder)
    except KeyboardInterrupt:
        problems = ["it was interrupted"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(verdict_line(problems), flush=True)
    return EXIT_FAILED if problems else 0


def run(settings: LoadSettings, folder: Path) -> list[str]:
    """Load a running server, or one started for it, and return the broken promises."""
    if settings.host is not None:
        return load(settings, folder)
    print("starting a server of our own …", flush=True)
    server = OwnServer(folder)
    left: list[str] = []
    try:
        url = server.wait_until_ready()
        problems = load(msgspec.structs.replace(settings, host=url), folder)
        if problems and server.log_tail():
            print(f"the server's last lines:\n{server.log_tail()}\n", flush=True)
    except OwnServerError as error:
        problems = [str(error)]
    finally:
        left = server.stop()
    return [*problems, *(f"the server left process {one} behind" for one in left)]


def load(settings: LoadSettings, folder: Path) -> list[str]:
    """Run Locust against `settings.host`, print the table, return the broken promises."""
    report = folder / "evidence.json"
    output = folder / "locust.log"
    mix = settings.mix
    print(
        f"loading {settings.host} with {mix.users} users ({settings.mix_name}), "
        f"at most {mix.run_s_max} s …",
        flush=True,
    )
    was_in_time = _run_locust(msgspec.structs.replace(settings, report=str(report)), output)
    if not was_in_time or not report.exists():
        tail = output.read_text(encoding="utf-8", errors="replace").splitlines()
        print("\n".join(tail[-OUTPUT_LINES_SHOWN:]), flush=True)
        return ["Locust ended without evidence" if was_in_time else "Locust did not end in time"]
    evidence = msgspec.json.decode(report.read_bytes(), type=Evidence)
    evidence = msgspec.structs.replace(evidence, command=describe_command())
    print(f"\n{render(evidence)}\n", flush=True)
    return judge(evidence)


def describe_command() -> str:
    """Return what a person types to repeat this run: the command and the settings it was given."""
    words = [f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith(PREFIX) and v]
    return " ".join([*words, "python -m loadtests", *sys.argv[1:]])


def build_parser() -> argparse.ArgumentParser:
    """Describe the flags; each is the variable of the same name in another form."""
    parser = argparse.ArgumentParser(
        prog="loadtests",
        description="A flash sale under load; ends with PASS or FAIL.",
        epilog=f"Every number of the mix can also be set by {PREFIX}NAME in the environment.",
    )
    parser.add_argument("--mix", choices=sorted(MIXES), help="which mix to run [small]")
    parser.add_argument("--host", help="a running server on this machine; none: start one")
    parser.add_argument("--seed", type=int, help="seed of everybody's decisions [1]")
    for field in msgspec.structs.fields(Mix):
        flag = f"--{field.name.replace('_', '-')}"
        kind: Any = field.type
        parser.add_argument(flag, dest=field.name, type=kind, help=argparse.SUPPRESS)
    return parser


def _run_locust(settings: LoadSettings, output: Path) -> bool:
    """Run Locust to its end; False when it had to be stopped."""
    words = ["--headless", "--only-summary", "--host", settings.host or ""]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
    with output.open("wb") as written:
        child = subprocess.Popen(
            [sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", *words],
            cwd=ROOT,
            env={**kept, **to_environment(settings)},
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
        )
    try:
        child.wait(settings.mix.run_s_max + AROUND_S)
        return True
    except subprocess.TimeoutExpired:
        return False
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


if __name__ == "__main__":
    sys.exit(main())
