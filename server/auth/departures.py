"""Who has left a room after earning a permit to press there, told to every gateway.

Invariant: a connection that went by itself is known as gone in every process within about two
seconds, long before the grace of its permits is over. What Redis does not carry is lost: then a
permit lives to its own end, which is never later. Nothing is asked while somebody presses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import orjson

from realtime.brokers.ports import Broker

# Longer than a page takes to be loaded again, or a client to come back after a lost line (it tries
# at once, then after a second or two): a socket that comes back renews its permit meanwhile.
GRACE_MS = 10_000
EXCHANGED_EVERY_S = 1.0
# Departures are told in a hash for each span of time, and read in the present and the last one.
SPAN_MS = 15_000
SPAN_TTL_S = 60
# More than leave one process within the life of a permit; the oldest is forgotten first, and then
# its permits live to their own end.
GONE_MAX = 200_000


class Departures:
    """What one gateway knows of connections that earned permits.

    `life` is the process's own, and no other's: connections are counted anew after a restart, so a
    seat has the life in its name.
    """

    def __init__(self, broker: Broker, now_ms: Callable[[], int], life: str) -> None:
        self._broker = broker
        self._now_ms = now_ms
        self._life = life
        self._earned: dict[str, int] = {}
        self._gone: dict[str, int] = {}
        self._untold: dict[str, int] = {}
        self._told = 0

    def earn(self, conn: str, until_ms: int) -> str:
        """Remember that a connection has earned a permit until then; return its seat's name."""
        self._earned[conn] = until_ms
        return self._seat(conn)

    def leave(self, conn: str) -> None:
        """Note that a connection has gone; without a permit nobody needs to know."""
        if self._earned.pop(conn, 0) > self._now_ms():
            gone = {self._seat(conn): self._now_ms() + GRACE_MS}
            self._untold |= gone
            self._note(gone)

    def excuse(self, conn: str) -> None:
        """Forget a connection that this process sends away: it is to come back, and may be late."""
        self._earned.pop(conn, None)

    def has_left(self, seat: object) -> bool:
        """Say whether the grace of a seat is over."""
        ends_ms = self._gone.get(seat) if isinstance(seat, str) else None
        return ends_ms is not None and self._now_ms() >= ends_ms

    async def exchange(self, lifetime_ms: int) -> None:
        """Job: tell who left here, hear who left elsewhere, forget whose permits have ended.

        Raises BrokerUnavailableError; what was to be told is kept for the next time.
        """
        now_ms = self._now_ms()
        self._earned = {conn: until for conn, until in self._earned.items() if until > now_ms}
        self._gone, self._untold = (
            {seat: at for seat, at in seats.items() if at - GRACE_MS + lifetime_ms > now_ms}
            for seats in (self._gone, self._untold)
        )
        if self._untold:
            telling, self._told = dict(self._untold), self._told + 1
            field = f"{self._life}:{self._told}"
            await self._broker.put_field(
                self._key(now_ms), field, orjson.dumps(telling), ttl_s=SPAN_TTL_S
            )
            self._untold = {s: at for s, at in self._untold.items() if s not in telling}
        for at_ms in (now_ms - SPAN_MS, now_ms):
            self._hear((await self._broker.read_fields(self._key(at_ms))).items())

    def _hear(self, fields: Iterable[tuple[str, bytes]]) -> None:
        for field, value in fields:
            if not field.startswith(f"{self._life}:"):
                self._note(orjson.loads(value))

    def _note(self, gone: dict[str, int]) -> None:
        self._gone.update(gone)
        while len(self._gone) > GONE_MAX:
            del self._gone[next(iter(self._gone))]

    def _seat(self, conn: str) -> str:
        return f"{self._life}/{conn}"

    def _key(self, at_ms: int) -> str:
        return f"{self._broker.prefix}permits:left:{at_ms // SPAN_MS}"
