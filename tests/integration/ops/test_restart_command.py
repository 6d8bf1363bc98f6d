"""`hubbub restart` asks the right process, follows it, and says in one line what went wrong."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from server.ops.errors import OperationalError
from server.ops.processes import start_time
from server.ops.restart import ServeFile, ServeNotice, host_name, restart_running
from tests.integration.ops.test_commands import finish

Answer = Callable[[ServeNotice], None]


@pytest.fixture
def notice(data_folder: Path) -> Iterator[ServeNotice]:
    """This very process, as one that can be asked."""
    notice = ServeNotice(data_folder)
    notice.publish()
    yield notice
    notice.remove()


async def ask(notice: ServeNotice, data_folder: Path, answer: Answer) -> list[str]:
    """Run the command against a parent that answers the signal like that."""
    said: list[str] = []
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR2, answer, notice)
    try:
        async with asyncio.timeout(60):
            await asyncio.to_thread(restart_running, data_folder, said.append)
    finally:
        loop.remove_signal_handler(signal.SIGUSR2)
    return said


async def test_every_step_is_said_once(notice: ServeNotice, data_folder: Path) -> None:
    def answer(notice: ServeNotice) -> None:
        notice.begin()
        notice.add("one")
        asyncio.get_running_loop().call_later(0.1, notice.add, "two")
        asyncio.get_running_loop().call_later(0.2, notice.end, "restarted", "done")

    assert await ask(notice, data_folder, answer) == ["one", "two", "done"]
    assert await ask(notice, data_folder, answer) == ["one", "two", "done"]


async def test_a_restart_that_fails_is_one_line(notice: ServeNotice, data_folder: Path) -> None:
    def answer(notice: ServeNotice) -> None:
        notice.begin()
        notice.end("failed", "g1-b did not become ready; g1-a serves on.")

    with pytest.raises(OperationalError, match=r"^the restart failed: g1-b did not become ready"):
        await ask(notice, data_folder, answer)


async def test_a_restart_under_way_is_left_alone(notice: ServeNotice, data_folder: Path) -> None:
    notice.begin()
    with pytest.raises(OperationalError, match="under way already"):
        await ask(notice, data_folder, lambda _: pytest.fail("it was asked"))


async def test_a_parent_that_ends_meanwhile_is_noticed(
    notice: ServeNotice, data_folder: Path
) -> None:
    def answer(notice: ServeNotice) -> None:
        notice.begin()
        notice.remove()

    with pytest.raises(OperationalError, match="ended before the restart was done"):
        await ask(notice, data_folder, answer)


def test_nobody_there_is_one_line(data_folder: Path) -> None:
    code, lines = finish("restart", environment={"DATA": str(data_folder)})
    assert code == 1
    assert lines == [
        f"hubbub: no hubbub serves with DATA {data_folder} on this host; "
        "start one with `hubbub serve`, or name its folder."
    ]


@pytest.mark.parametrize("pid", [os.getppid(), 2**22 + 1], ids=["recycled", "gone"])
def test_what_a_dead_parent_left_is_never_asked(data_folder: Path, pid: int) -> None:
    left = data_folder / f"serve-{host_name()}-{pid}.json"
    # SIGUSR2 would end this test run: nothing here has asked for it.
    left.write_bytes(msgspec.json.encode(ServeFile(pid, "1")))
    with pytest.raises(OperationalError, match="no hubbub serves"):
        restart_running(data_folder, print)
    assert left.exists()
    ServeNotice(data_folder).publish()  # The next parent of this host tidies up.
    assert not left.exists()


def test_a_parent_in_another_container_is_neither_asked_nor_forgotten(data_folder: Path) -> None:
    pid = os.getpid()
    other = data_folder / f"serve-another.host-{pid}.json"
    # The same number and start as this process, as may be in another container.
    other.write_bytes(msgspec.json.encode(ServeFile(pid, start_time(pid))))
    with pytest.raises(OperationalError, match="on this host"):
        restart_running(data_folder, print)
    ServeNotice(data_folder).publish()
    assert other.exists()


def test_a_system_without_proc_is_told_so(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.ops.restart.start_time", lambda pid: None)
    with pytest.raises(OperationalError, match="send SIGUSR2"):
        restart_running(data_folder, print)
