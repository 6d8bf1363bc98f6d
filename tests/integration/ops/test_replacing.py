"""Children are replaced one by one: real processes, but tiny ones that can be made to misbehave."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from server.ops.children import Children, DeathCount, Role
from server.ops.errors import OperationalError
from server.ops.listeners import open_listener, reserve_port

# After this a successor that says nothing is given up, where a test wants that.
SHORT_S = 1.0
# Accepts and answers with its name. `mute` in the folder: never says that it is ready; `dead`: ends
# at once. It leaves a line for each thing that happens to it.
CHILD = """
import os, pathlib, signal, socket, sys, time
words = dict(zip(sys.argv[2::2], sys.argv[3::2]))
folder, name = pathlib.Path(os.environ["FOLDER"]), words["--name"]
def note(what):
    with (folder / "notes").open("a") as notes:
        notes.write(f"{what} {name}\\n")
def leave(*_):
    note("told")
    global is_leaving
    is_leaving = True
is_leaving = False
signal.signal(signal.SIGTERM, leave)
if (folder / "dead").exists():
    sys.exit(3)
while (folder / "mute").exists() and not is_leaving:
    time.sleep(0.01)
listener = None
if "--listener" in words:
    listener = socket.socket(fileno=int(words["--listener"]))
    listener.listen(64)
    listener.settimeout(0.02)
note("ready")
os.write(int(words["--parent"]), b"ready\\n")
while not is_leaving:
    if listener is None:
        time.sleep(0.02)
        continue
    try:
        connection = listener.accept()[0]
    except TimeoutError:
        continue
    with connection:
        connection.sendall(name.encode())
if listener is not None:
    listener.close()
time.sleep(float(os.environ["LEAVES_IN_S"]))
note("gone")
"""


class Family:
    """Two gateways and a worker of this kind, kept by the real keeper."""

    def __init__(
        self, folder: Path, port: int, *, leaves_in_s: float = 0.0, ready_timeout_s: float = 60.0
    ) -> None:
        self.folder = folder
        self.port = port
        script = folder / "child.py"
        script.write_text(CHILD)
        self.command = [sys.executable, str(script)]
        self.children = Children(
            {"FOLDER": str(folder), "LEAVES_IN_S": str(leaves_in_s)},
            DeathCount(),
            listeners={"gateway": partial(open_listener, "127.0.0.1", port)},
            command=self.command,
            ready_timeout_s=ready_timeout_s,
        )
        self.said: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start all and wait until they are ready."""
        roles = [Role("gateway", "g1-a"), Role("gateway", "g2-a"), Role("worker", "w1-a")]
        ready = [asyncio.Event() for _ in roles]
        for role, event in zip(roles, ready, strict=True):
            self._tasks.append(asyncio.create_task(self.children.keep(role, event)))
        async with asyncio.timeout(60):
            await asyncio.gather(*(event.wait() for event in ready))

    async def stop(self) -> None:
        """End all."""
        await self.children.stop()
        await asyncio.gather(*self._tasks)

    async def restart(self) -> None:
        """Replace all."""
        async with asyncio.timeout(120):
            await self.children.restart(self.said.append)

    @property
    def notes(self) -> list[tuple[str, str]]:
        """What happened to whom, in order."""
        lines = (self.folder / "notes").read_text().splitlines()
        return [(line.split()[0], line.split()[1]) for line in lines]

    def names(self, what: str) -> list[str]:
        """To whom this happened, in order."""
        return [name for note, name in self.notes if note == what]

    async def until(self, claim: Callable[[], bool]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(60):
            while not claim():
                await asyncio.sleep(0.01)

    async def ask(self) -> str:
        """Connect once; return who answered, or nothing when the connection was lost."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            answer = await reader.read()
            writer.close()
        except ConnectionError:
            return ""
        return answer.decode()


@pytest.fixture
async def family(tmp_path: Path) -> AsyncIterator[Family]:
    reserved, port = reserve_port("127.0.0.1", 0)
    with reserved:
        family = Family(tmp_path, port)
        await family.start()
        yield family
        await family.stop()


async def test_each_successor_is_ready_before_the_old_one_is_told_and_the_worker_is_last(
    family: Family,
) -> None:
    await family.restart()
    happened = family.notes[3:]
    assert [what for what, _ in happened] == ["ready", "told", "gone"] * 3
    assert [name for what, name in happened if what == "gone"] == ["g1-a", "g2-a", "w1-a"]
    stems = [name.split("-")[0] for what, name in happened if what == "ready"]
    assert stems == ["g1", "g2", "w1"]
    assert len(set(family.names("ready"))) == 6
    assert len(family.said) == 3


async def test_no_connection_is_lost_while_all_are_replaced(family: Family) -> None:
    answers: list[str] = []
    restarting = asyncio.create_task(family.restart())
    while not restarting.done():
        answers += await asyncio.gather(*(family.ask() for _ in range(8)))
    await restarting
    answers += [await family.ask() for _ in range(20)]
    assert "" not in answers
    assert len(answers) > 40
    assert set(answers[-20:]) <= set(family.names("ready")[3:])


async def test_a_successor_that_is_never_ready_leaves_the_old_one_serving(family: Family) -> None:
    (family.folder / "mute").touch()
    patience_s, family.children._ready_timeout_s = family.children._ready_timeout_s, SHORT_S
    with pytest.raises(OperationalError, match=r"g1-a\.2 did not become ready; g1-a serves on"):
        await family.restart()
    assert family.names("told") == []
    (family.folder / "mute").unlink()
    family.children._ready_timeout_s = patience_s
    await family.restart()
    assert family.names("gone") == ["g1-a", "g2-a", "w1-a"]


async def test_a_successor_that_dies_leaves_the_old_one_serving_and_counts_no_death(
    family: Family,
) -> None:
    (family.folder / "dead").touch()
    for _ in range(6):
        with pytest.raises(OperationalError, match="did not become ready"):
            await family.restart()
    assert family.names("told") == []
    assert await family.ask() in {"g1-a", "g2-a"}


async def test_a_successor_that_cannot_be_started_leaves_the_old_one_serving(
    family: Family,
) -> None:
    python, family.command[0] = family.command[0], str(family.folder / "no such program")
    with pytest.raises(OperationalError, match=r"g1-a\.2 could not be started: .*g1-a serves on"):
        await family.restart()
    assert await family.ask() in {"g1-a", "g2-a"}
    family.command[0] = python
    await family.restart()
    assert family.names("gone") == ["g1-a", "g2-a", "w1-a"]


async def test_replacing_often_is_no_reason_to_give_up(family: Family) -> None:
    for _ in range(3):
        await family.restart()
    assert len(family.names("gone")) == 9


async def test_a_stop_in_the_middle_ends_everything_and_tells_nobody_twice(tmp_path: Path) -> None:
    reserved, port = reserve_port("127.0.0.1", 0)
    with reserved:
        family = Family(tmp_path, port, leaves_in_s=0.5)
        await family.start()
        restarting = asyncio.create_task(family.restart())
        await family.until(lambda: "g1-a" in family.names("told"))
        await family.stop()
        with pytest.raises(OperationalError, match="told to stop in the middle"):
            await restarting
        assert sorted(family.names("told")) == sorted(set(family.names("told")))
        assert sorted(family.names("gone")) == sorted(family.names("ready"))
        assert await family.ask() == ""


async def test_a_stop_while_a_successor_starts_ends_it_too(family: Family) -> None:
    (family.folder / "mute").touch()
    restarting = asyncio.create_task(family.restart())
    await family.until(lambda: len(family.children._started) == 4)
    successor = family.children._started[-1]
    assert successor.role.name == "g1-a.2"
    await family.children.stop()
    with pytest.raises(OperationalError, match="told to stop in the middle"):
        await restarting
    assert {"g1-a", "g2-a", "w1-a"} <= set(family.names("gone"))
    # The successor may have ended before it could leave a note.
    assert [child.role.name for child in family.children._started if child.is_running] == []
    with pytest.raises(ProcessLookupError):
        os.kill(successor.pid, 0)


async def test_who_dies_after_a_restart_is_started_again_on_a_listener_of_its_own(
    family: Family,
) -> None:
    await family.restart()
    (name,) = [name for name in family.names("ready")[3:] if name.startswith("g1")]
    child = next(child for child in family.children._started if child.role.name == name)
    child.send(signal.SIGKILL)
    await family.until(lambda: family.names("ready").count(name) == 2)
    answers = {await family.ask() for _ in range(40)}
    assert "" not in answers
    assert name in answers


async def test_a_queue_of_connections_survives_the_process_that_did_not_accept_them(
    family: Family,
) -> None:
    waiting = []
    for child in family.children._started:
        if child.role.kind == "gateway":
            child.send(signal.SIGSTOP)
    for _ in range(30):
        connection = socket.create_connection(("127.0.0.1", family.port), timeout=10)
        waiting.append(connection)
    restarting = asyncio.create_task(family.restart())
    await family.until(lambda: len(family.names("ready")) == 4)
    for child in family.children._started:
        child.send(signal.SIGCONT)
    await restarting
    answers = [await asyncio.to_thread(connection.recv, 100) for connection in waiting]
    for connection in waiting:
        connection.close()
    assert b"" not in answers
