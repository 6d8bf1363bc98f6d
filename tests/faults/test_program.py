"""The whole program: it starts, survives its parts, recovers, and leaves nothing behind.

Invariant under test: after the parent's end, however it came, nothing of it serves any more.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.program import Program, running

Serve = Callable[..., Program]
BOUND_S = 90.0  # Generous: the machine that runs the tests is shared.


def wait_until(claim: Callable[[], bool], what: str) -> None:
    """Wait for a condition of another process, and fail when the bound passes."""
    deadline_s = time.monotonic() + BOUND_S
    while not claim():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.05)


def is_ready(program: Program) -> bool:
    """Tell whether some gateway answers that it can serve."""
    try:
        return httpx.get(f"{program.url}/readyz", timeout=30).status_code == 200
    except httpx.TransportError:
        return False


def own_child(program: Program, name: str) -> psutil.Process:
    """Return the parent's direct child with this program name."""
    [found] = [p for p in psutil.Process(program.pid).children() if p.name().startswith(name)]
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_no_process(serve: Serve, number: signal.Signals) -> None:
    program = serve(embedded=True)
    wait_until(lambda: is_ready(program), "it cannot serve")
    family = program.family()
    assert {"postgres", "valkey-server"} <= {process.name() for process in family}
    assert program.stop(number) == 0
    assert running(family) == []


def test_signal_during_the_first_start_leaves_no_process(serve: Serve, data_folder: Path) -> None:
    program = serve("--demo", embedded=True, ready=False)
    wait_until(lambda: "creating a PostgreSQL" in program.output, "it never began")
    assert program.stop() == 0
    words = [
        " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])
    ]
    assert not [line for line in words if str(data_folder) in line]


def test_worker_alone_says_so(serve: Serve) -> None:
    program = serve("--role", "worker", ready=False)
    wait_until(lambda: "worker is ready" in program.output, "the worker is not ready")
    assert [role.name() for role in program.children_with_role("gateway")] == []
    assert program.stop() == 0


def test_start_after_sigkill_recovers_and_nothing_served_meanwhile(serve: Serve) -> None:
    program = serve(embedded=True)
    ours = program.children_with_role("gateway") + program.children_with_role("worker")
    assert len(ours) == 3
    program.kill()
    wait_until(lambda: not running(ours), "children outlived their parent")
    assert not is_ready(program)
    again = serve("--demo", "--port", str(program.port), embedded=True)
    assert "adopted the running PostgreSQL" in again.output
    assert "adopted the running Valkey" in again.output
    wait_until(lambda: is_ready(again), "it cannot serve")


def test_dead_gateway_is_replaced_while_the_other_serves(serve: Serve) -> None:
    program = serve()
    first = program.children_with_role("gateway")[0]
    first.kill()
    wait_until(lambda: "process died" in program.output, "the death was not noticed")
    wait_until(lambda: is_ready(program), "nobody serves")
    wait_until(lambda: len(program.children_with_role("gateway")) == 2, "no new gateway")


def test_a_stop_in_the_middle_of_a_restart_leaves_no_process(serve: Serve) -> None:
    program = serve()
    os.kill(program.pid, signal.SIGUSR2)
    wait_until(lambda: "restarting" in program.output, "the order was not taken")
    os.kill(program.pid, signal.SIGUSR2)
    wait_until(lambda: "order for another is ignored" in program.output, "it was taken twice")
    wait_until(lambda: len(program.children_with_role("gateway")) == 3, "no successor")
    assert program.stop() == 0
    assert "the restart failed: everything was told to stop" in program.output
    assert "process died" not in program.output


def test_five_deaths_in_a_minute_end_the_program(serve: Serve) -> None:
    program = serve("--demo", "--gateways", "1")
    killed: set[int] = set()

    def kill_workers() -> bool:
        for worker in program.children_with_role("worker"):
            if worker.pid not in killed:
                killed.add(worker.pid)
                worker.kill()
        return "giving up" in program.output

    wait_until(kill_workers, "it never gave up")
    assert program.wait() == 1
    assert len(killed) == 5
    last = program.lines[-1]
    assert "5 processes died within a minute, the last was w1-" in last, program.output


@pytest.mark.parametrize("name", ["postgres", "valkey"])
def test_killed_embedded_server_comes_back(serve: Serve, name: str) -> None:
    program = serve(embedded=True)
    own_child(program, name).kill()
    wait_until(lambda: "server died" in program.output, "the death was not noticed")
    wait_until(lambda: is_ready(program), "it never became ready again")


def test_gateways_share_the_port(serve: Serve) -> None:
    program = serve()
    listeners = {
        process.pid
        for process in program.children_with_role("gateway")
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == program.port
    }
    assert len(listeners) == 2
