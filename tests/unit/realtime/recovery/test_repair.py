"""A gap is filled from the log, however often the log has to be asked."""

from __future__ import annotations

from realtime.protocol.counters import Counters
from realtime.protocol.messages import LogEntry
from realtime.recovery.repair import GapRepair


class Log:
    """A log of events up to `newest`, which fails the first `failures` reads."""

    def __init__(self, newest: int, *, first: int = 1, failures: int = 0) -> None:
        self.newest, self.first, self.failures = newest, first, failures

    async def read(self, room_id: str, after: int, limit: int) -> list[LogEntry]:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("down")
        offsets = range(max(self.first, after + 1), self.newest + 1)[:limit]
        return [LogEntry(offset, "t", b"{}", 0) for offset in offsets]


class Reader:
    """What a room does with the entries it is given."""

    def __init__(self) -> None:
        self.newest = 0

    def apply(self, entries: list[LogEntry]) -> bool:
        for entry in entries:
            if entry.offset != self.newest + 1:
                return False
            self.newest = entry.offset
        return True


async def repaired(log: Log, *, wanted: int = 0) -> tuple[bool, int, Counters]:
    reader, counters = Reader(), Counters()
    repair = GapRepair("r1", log.read, counters, retry_s=0.001)
    repair.wanted = wanted
    filled = await repair.run(lambda: reader.newest, reader.apply)
    assert not repair.is_running
    return filled, reader.newest, counters


async def test_a_long_gap_takes_several_reads() -> None:
    filled, newest, counters = await repaired(Log(1200))
    assert (filled, newest, counters.repairs) == (True, 1200, 3)


async def test_a_log_that_fails_is_asked_again() -> None:
    filled, newest, counters = await repaired(Log(3, failures=2))
    assert (filled, newest, counters.repair_failures) == (True, 3, 2)


async def test_a_trimmed_log_cannot_fill_the_gap() -> None:
    filled, newest, _ = await repaired(Log(9, first=5))
    assert (filled, newest) == (False, 0)


async def test_an_announced_event_that_never_shows_ends_the_repair() -> None:
    filled, newest, _ = await repaired(Log(3), wanted=8)
    assert (filled, newest) == (False, 3)
