"""Permits end some seconds after the socket that earned them, in every process."""

from __future__ import annotations

import pytest

from realtime.brokers.ports import BrokerUnavailableError
from server.auth.departures import GRACE_MS, SPAN_MS, SPAN_TTL_S, Departures
from server.auth.permits import LIFETIME_MS, Permits
from tests.unit.server.auth.test_permits import SECRET, Clock


class Board:
    """The hashes of a broker, kept in a dict; it may be away."""

    prefix = "t:"

    def __init__(self) -> None:
        self.hashes: dict[str, dict[str, bytes]] = {}
        self.is_away = False
        self.ttls: set[int] = set()

    async def publish(self, channel: str, message: bytes) -> None:
        """Nobody publishes here."""

    async def put_field(self, key: str, field: str, value: bytes, *, ttl_s: int) -> None:
        """Set a field."""
        self._answer()
        self.ttls.add(ttl_s)
        self.hashes.setdefault(key, {})[field] = value

    async def drop_field(self, key: str, field: str) -> None:
        """Nobody drops here."""

    async def read_fields(self, key: str) -> dict[str, bytes]:
        """Return all fields."""
        self._answer()
        return dict(self.hashes.get(key, {}))

    def _answer(self) -> None:
        if self.is_away:
            raise BrokerUnavailableError("away")


class Process:
    """A gateway: its departures and its permits."""

    def __init__(self, board: Board, clock: Clock, life: str) -> None:
        self.departures = Departures(board, clock, life)
        self.permits = Permits(SECRET, clock, self.departures)

    def judge(self, permit: str) -> str:
        """Return what a permit of `u` for `s` is worth here."""
        return self.permits.judge(permit, user_id="u", sale_id="s")

    def issue(self, conn: str = "g1-1") -> str:
        """Give a connection of `u` a permit for `s`."""
        return self.permits.issue(user_id="u", sale_id="s", conn=conn)


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def exchange(*processes: Process) -> None:
    """Let every process tell, and then hear."""
    for _ in range(2):
        for process in processes:
            await process.departures.exchange(LIFETIME_MS)


async def test_a_permit_ends_in_every_process_after_the_grace_and_not_before(
    board: Board, clock: Clock
) -> None:
    one, two = Process(board, clock, "one"), Process(board, clock, "two")
    left, stays = one.issue("g1-1"), one.issue("g1-2")
    one.permits.leave("g1-1")
    await exchange(one, two)
    clock.now_ms += GRACE_MS - 1
    assert [one.judge(left), two.judge(left)] == ["good", "good"]
    clock.now_ms += 1
    assert [one.judge(left), two.judge(left)] == ["left", "left"]
    assert [one.judge(stays), two.judge(stays)] == ["good", "good"]


async def test_who_comes_back_within_the_grace_has_a_permit_of_the_new_socket(
    board: Board, clock: Clock
) -> None:
    """Elsewhere, too: what was renewed is the new seat's, and the old one ends."""
    one, two = Process(board, clock, "one"), Process(board, clock, "two")
    old = one.issue("g1-1")
    one.permits.leave("g1-1")
    clock.now_ms += GRACE_MS - 1
    assert two.judge(old) == "good"
    renewed = two.issue("g2-1")
    await exchange(one, two)
    clock.now_ms += 1
    assert [one.judge(renewed), two.judge(renewed)] == ["good", "good"]
    assert [one.judge(old), two.judge(old)] == ["left", "left"]


async def test_who_is_sent_away_may_come_back_late(board: Board, clock: Clock) -> None:
    """A process that ends tells a crowd to come back over a minute: nobody has left."""
    one = Process(board, clock, "one")
    permit = one.issue()
    one.permits.excuse("g1-1")
    one.permits.leave("g1-1")
    await exchange(one)
    clock.now_ms += LIFETIME_MS - 1
    assert one.judge(permit) == "good"


async def test_a_connection_of_the_same_number_after_a_restart_is_another_one(
    board: Board, clock: Clock
) -> None:
    before, other = Process(board, clock, "one"), Process(board, clock, "two")
    before.issue("g1-1")
    before.permits.leave("g1-1")
    await exchange(before, other)
    clock.now_ms += GRACE_MS
    permit = Process(board, clock, "one again").issue("g1-1")
    assert other.judge(permit) == "good"


async def test_what_could_not_be_told_is_told_later_and_once(board: Board, clock: Clock) -> None:
    one, two = Process(board, clock, "one"), Process(board, clock, "two")
    permit = one.issue()
    one.permits.leave("g1-1")
    board.is_away = True
    with pytest.raises(BrokerUnavailableError):
        await exchange(one)
    board.is_away = False
    clock.now_ms += GRACE_MS
    assert two.judge(permit) == "good", "nobody has told it"
    await exchange(one, two)
    assert two.judge(permit) == "left"
    await exchange(one, two)
    assert sum(len(fields) for fields in board.hashes.values()) == 1
    assert board.ttls == {SPAN_TTL_S}


async def test_what_could_not_be_told_in_time_is_forgotten(board: Board, clock: Clock) -> None:
    """A long outage of Redis fills no memory: those permits have ended by themselves."""
    one = Process(board, clock, "one")
    one.issue()
    one.permits.leave("g1-1")
    board.is_away = True
    clock.now_ms += LIFETIME_MS
    with pytest.raises(BrokerUnavailableError):
        await exchange(one)
    assert one.departures._untold == {}


async def test_what_is_told_at_the_end_of_a_span_is_heard_in_the_next(
    board: Board, clock: Clock
) -> None:
    one, two = Process(board, clock, "one"), Process(board, clock, "two")
    permit = one.issue()
    clock.now_ms += SPAN_MS - clock.now_ms % SPAN_MS - 1
    one.permits.leave("g1-1")
    await exchange(one)
    clock.now_ms += 1
    await exchange(two)
    clock.now_ms += GRACE_MS
    assert two.judge(permit) == "left"


async def test_nothing_is_told_of_who_earned_nothing_and_all_is_forgotten(
    board: Board, clock: Clock
) -> None:
    """Memory is bounded by the life of a permit."""
    one = Process(board, clock, "one")
    one.permits.leave("g1-9")
    await exchange(one)
    assert board.hashes == {}
    one.issue("g1-1")
    one.issue("g1-2")
    one.permits.leave("g1-1")
    clock.now_ms += LIFETIME_MS
    await exchange(one)
    assert (one.departures._earned, one.departures._gone) == ({}, {})
    one.permits.leave("g1-2")
    assert one.departures._untold == {}
