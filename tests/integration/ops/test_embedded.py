"""The embedded servers: private, adopted, recovered, stopped.

Invariant under test: whatever killed the program, the next start has the committed rows.
"""

from __future__ import annotations

import os
import pwd
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from server.ops.embedded import Embedded
from server.ops.errors import OperationalError
from server.ops.processes import is_alive
from server.ops.sockets import listener_pid
from tests.support.databases import execute, run_apart
from tests.support.program import ROOT, running

ORDINARY_UID = pwd.getpwnam("nobody").pw_uid


def quiet(line: str) -> None:
    """Say nothing."""


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def servers(data_folder: Path, said: list[str]) -> Embedded:
    """Servers in a fresh folder; a test stops them itself."""
    started = Embedded(data_folder)
    started.start(said.append)
    return started


def pids(servers: Embedded) -> list[int]:
    """Return the pids of the running servers."""
    return [server.pid for server in servers.servers if server.pid]


def start_and_die(data_folder: Path) -> list[int]:
    """Start servers in a program that makes a table and is then killed; return their pids."""
    script = (
        "import os, sys; from pathlib import Path; from server.ops.embedded import Embedded;"
        "from tests.support.databases import execute, run_apart;"
        "e = Embedded(Path(sys.argv[1])); e.start(lambda line: None);"
        "run_apart(execute(e.database_url, 'CREATE TABLE kept AS SELECT 1 AS one'));"
        "print(*(s.pid for s in e.servers), flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(data_folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = [int(word) for word in done.stdout.split()]
    assert all(is_alive(pid) for pid in left)
    return left


def require_kept_row(servers: Embedded) -> None:
    """Fail unless the row that was committed before the kill is there."""
    assert servers.database_url is not None
    run_apart(execute(servers.database_url, "SELECT one FROM kept"))


def test_servers_listen_on_private_unix_sockets_only(servers: Embedded) -> None:
    try:
        for pid in pids(servers):
            listening = psutil.Process(pid).net_connections("inet")
            assert listening == []
        assert servers.database_url is not None
        folder = Path(servers.database_url.partition("host=")[2])
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        if os.geteuid() == 0:
            assert psutil.Process(pids(servers)[0]).uids().effective != 0
    finally:
        servers.stop()


def test_stop_leaves_no_process(servers: Embedded) -> None:
    processes = [psutil.Process(pid) for pid in pids(servers)]
    processes += [child for p in processes for child in p.children(recursive=True)]
    servers.stop()
    assert len(processes) > 2
    assert running(processes) == []


def test_survivors_are_adopted_with_their_rows(data_folder: Path, said: list[str]) -> None:
    left = start_and_die(data_folder)
    again = Embedded(data_folder)
    again.start(said.append)
    try:
        assert pids(again) == left
        assert [line for line in said if line.startswith("adopted")] == [
            f"adopted the running PostgreSQL (pid {left[0]})",
            f"adopted the running Valkey (pid {left[1]})",
        ]
        require_kept_row(again)
    finally:
        again.stop()
    assert not any(is_alive(pid) for pid in left)


def test_start_recovers_after_sigkill_of_everything(data_folder: Path) -> None:
    for pid in start_and_die(data_folder):
        os.kill(pid, signal.SIGKILL)
    again = Embedded(data_folder)
    again.start(quiet)
    try:
        require_kept_row(again)
    finally:
        again.stop()


def test_lock_file_with_a_recycled_pid_is_no_obstacle(servers: Embedded, data_folder: Path) -> None:
    servers.stop()
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        lock_file = data_folder / "postgres" / "postmaster.pid"
        lines = [str(stranger.pid), str(data_folder / "postgres"), "1", "5432", "", "", "0 0", ""]
        lock_file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        lock_file.chmod(0o600)
        owner = (data_folder / "postgres").stat()
        os.chown(lock_file, owner.st_uid, owner.st_gid)
        again = Embedded(data_folder)
        again.start(quiet)
        again.stop()
        assert stranger.poll() is None
    finally:
        stranger.communicate(b"\n", timeout=60)


def test_first_start_that_was_killed_is_begun_anew(data_folder: Path) -> None:
    half_made = data_folder / "postgres.new"
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18\n", encoding="utf-8")
    servers = Embedded(data_folder)
    servers.start(quiet)
    servers.stop()
    assert not half_made.exists()


def test_folder_serves_one_program_at_a_time(servers: Embedded, data_folder: Path) -> None:
    try:
        with pytest.raises(OperationalError, match="another hubbub already runs"):
            Embedded(data_folder)
        shared = Embedded(data_folder, may_share=True)
        shared.start(quiet)
        assert pids(shared) == pids(servers)
        shared.stop()
        assert all(is_alive(pid) for pid in pids(servers))
    finally:
        servers.stop()


def test_long_path_still_gets_private_sockets(data_folder: Path) -> None:
    deep = data_folder / ("long" * 30)
    servers = Embedded(deep)
    servers.start(quiet)
    try:
        assert servers.redis_url is not None
        socket = Path(servers.redis_url.removeprefix("unix://").partition("?")[0])
        assert listener_pid(socket) in pids(servers)
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    finally:
        servers.stop()


def test_folder_of_another_version_is_refused_in_one_line(
    servers: Embedded, data_folder: Path
) -> None:
    servers.stop()
    (data_folder / "postgres" / "PG_VERSION").write_text("9\n", encoding="ascii")
    with pytest.raises(OperationalError, match=r"was made by PostgreSQL 9") as refusal:
        Embedded(data_folder).start(quiet)
    assert "\n" not in str(refusal.value)


def test_failed_start_lets_go_of_the_folder(servers: Embedded, data_folder: Path) -> None:
    servers.stop()
    version_file = data_folder / "postgres" / "PG_VERSION"
    version = version_file.read_text(encoding="ascii")
    version_file.write_text("9\n", encoding="ascii")
    failed = Embedded(data_folder)
    with pytest.raises(OperationalError):
        failed.start(quiet)
    failed.stop()
    version_file.write_text(version, encoding="ascii")
    again = Embedded(data_folder)
    again.start(quiet)
    again.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="this run is by an ordinary user already")
def test_an_ordinary_user_runs_them_too(data_folder: Path) -> None:
    """Start and stop them in a program of another user, as `make run` without root would."""
    python = find_python_for_everybody()
    if python is None:
        pytest.skip("no Python of this version that other users can run")
    data_folder.chmod(0o777)
    script = (
        "import sys; from pathlib import Path; from server.ops.embedded import Embedded;"
        "e = Embedded(Path(sys.argv[1]) / 'own'); e.start(print);"
        "print(e.database_url); e.stop()"
    )
    packages = Path(pytest.__file__).resolve().parents[1]
    done = subprocess.run(
        [python, "-c", script, str(data_folder)],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{packages}", "PYTHONDONTWRITEBYTECODE": "1"},
        user=ORDINARY_UID,
        group=ORDINARY_UID,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "postgresql://hubbub@/hubbub" in done.stdout
    assert (data_folder / "own" / "postgres").stat().st_uid == ORDINARY_UID


def find_python_for_everybody() -> str | None:
    """Return a Python of our version that an ordinary user may run; root's own may be hidden."""
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            done = subprocess.run(
                [python, "-c", "import sys; print(sys.version_info[:2])"],
                user=ORDINARY_UID,
                group=ORDINARY_UID,
                extra_groups=[],
                cwd="/",
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError:
            continue
        if done.stdout.strip() == str(sys.version_info[:2]):
            return python
    return None
