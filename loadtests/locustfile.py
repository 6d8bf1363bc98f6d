"""What Locust loads: `locust -f loadtests/locustfile.py --host http://127.0.0.1:8000`.

It works with the web page and with `--headless`; either way the test ends by itself with the
verdict. `make load` does the same against a server of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from locust import events
from locust.env import Environment
from locust.runners import LocalRunner

# Locust puts this file's folder on the path, not the project's.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from loadtests.canonical import LoadSettingError, require_loopback
from loadtests.flash_run import write_evidence
from loadtests.invariants import judge, render, verdict_line
from loadtests.users import (
    SETTINGS,
    Buyer,
    Chatter,
    Crowd,
    Host,
    SilentViewer,
    run_of,
)

__all__ = ["Buyer", "Chatter", "Crowd", "Host", "SilentViewer"]


@events.init.add_listener  # type: ignore[untyped-decorator]  # Locust's hooks are untyped.
def check_environment(environment: Environment, runner: Any, **_: Any) -> None:
    """Refuse other machines, and several processes: a verdict needs all clients in one."""
    try:
        environment.host = require_loopback(environment.host or SETTINGS.host or "no --host")
    except LoadSettingError as error:
        sys.exit(str(error))
    if runner is not None and not isinstance(runner, LocalRunner):
        sys.exit("the verdict needs all clients in one process; start Locust without workers.")


@events.test_stop.add_listener  # type: ignore[untyped-decorator]  # As above.
def conclude(environment: Environment, **_: Any) -> None:
    """Close all connections; write the evidence, or print the verdict."""
    run = run_of(environment)
    if run.evidence is None:
        run.give_up("it was stopped before its end")
    run.stop()
    assert run.evidence is not None, "give_up leaves evidence"
    problems = judge(run.evidence)
    environment.process_exit_code = 1 if problems else 0
    if SETTINGS.report:
        write_evidence(run.evidence, SETTINGS.report)
    else:
        print(f"{render(run.evidence)}\n{verdict_line(problems)}", flush=True)
