"""Where a peer connection listens, and what it lets in; the only door to aioice.

The library binds one system-chosen port on every address but loopback and hands every datagram of
any size and sender to the transport above, where an empty one ends the session.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

import msgspec
from aioice import ice, stun
from aioice.candidate import Candidate, candidate_foundation, candidate_priority
from aioice.ice import StunProtocol

from realtime.video.config import VideoConfig, VideoCounters
from realtime.video.intake import Bucket, Intake
from realtime.video.reach import Reach, reach_from

# The library's SRTP buffer: a longer datagram raises where nothing catches it.
DATAGRAM_BYTES_MAX = 1500
# Datagrams that wait to be read; a stranger may send any number.
QUEUED_MAX = 2048
# Addresses that one peer may be checked at: those of its offer, those it trickled, and what a phone
# finds on its way. Each costs checks, which go wherever a datagram claims to come from.
REMOTE_ADDRESSES_MAX = 128
SOCKET_BUFFER_BYTES = 1 << 18
# Datagrams of a publisher that are taken at one turn of the loop, of which asyncio reads one: while
# viewers are served a turn takes milliseconds, and a picture has many packets.
READ_AT_ONCE = 32
READ_BYTES = 2048  # More than is let in.
PORT_TRIES_MAX = 256
# Checks that we begin, each of which goes wherever an offer or a datagram claims to come from:
# four packets within 8 s, where the library sends seven within a minute.
CHECK_RETRANSMISSIONS = 3
CHECKS_BURST, CHECKS_PER_S = 100, 2
FIRST_BYTE_NO_STUN = 4  # RFC 7983.


class PortsExhaustedError(Exception):
    """No port of the configured range could be bound on any address."""


class PortRange:
    """Walk round a range of UDP ports: one just given back is the last to be used again."""

    def __init__(self, ports: tuple[int, int] | None) -> None:
        self._ports = ports
        self._next = ports[0] if ports else 0

    def candidates(self) -> list[int]:
        """Return which ports to try, in order; `[0]` leaves the choice to the system."""
        if self._ports is None:
            return [0]
        first, last = self._ports
        count = last - first + 1
        tries = [
            first + (self._next - first + step) % count
            for step in range(min(count, PORT_TRIES_MAX))
        ]
        self._next = first + (self._next - first + 1) % count
        return tries


class Surroundings(msgspec.Struct, frozen=True):
    """What all peers of one forwarder share."""

    config: VideoConfig
    counters: VideoCounters
    ports: PortRange
    reach: Reach = Reach()


def own_reach(config: VideoConfig) -> Reach:
    """Return what offers may have checked: by the addresses that peers are told, or are bound."""
    told = config.advertise_addresses or config.bind_addresses
    anywhere = {"0.0.0.0", "::"}  # noqa: S104 - Compared, not bound.
    here = ice.get_host_addresses(use_ipv4=True, use_ipv6=True)
    if not told or anywhere & set(told):
        return reach_from(here)
    return reach_from(told, here if config.publishes_itself else ())


class GuardedStun(StunProtocol):
    """Lets in what a session may be sent, and bounds what it sends to find its peer.

    What the library cannot read is counted, where it would write a traceback for each datagram.
    """

    def __init__(self, receiver: Any, counters: VideoCounters, intake: Intake | None) -> None:
        super().__init__(receiver)
        self._counters = counters
        self._intake = intake
        self._now_s = asyncio.get_running_loop().time
        self._begun = Bucket(CHECKS_PER_S, CHECKS_BURST)
        self._own: socket.socket | None = None  # Of a publisher: to read what asyncio leaves.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Listen."""
        super().connection_made(transport)
        if self._intake is not None and self._intake.is_publisher:
            handle = transport.get_extra_info("socket").fileno()
            try:
                self._own = socket.socket(fileno=os.dup(handle))
            except OSError:  # No descriptor is free: asyncio reads one by one.
                return
            self._own.setblocking(False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Listen no more."""
        if self._own is not None:
            self._own.close()
            self._own = None
        super().connection_lost(exc)

    async def request(
        self,
        request: stun.Message,
        addr: tuple[str, int],
        integrity_key: bytes | None = None,
        retransmissions: int | None = None,
    ) -> tuple[stun.Message, tuple[str, int]]:
        """Check a path; one of too many fails at once. Raises TransactionError."""
        if retransmissions is None:  # Else it asks a peer that was found whether it is there.
            retransmissions = CHECK_RETRANSMISSIONS
            if not self._begun.take(1, self._now_s()):
                raise stun.TransactionTimeout
        return await super().request(request, addr, integrity_key, retransmissions)

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        """Take a datagram of whoever sent it, and what else has come of a publisher."""
        assert isinstance(data, bytes), "no transport of asyncio hands over text"
        self._take(data, addr)
        for _ in range(READ_AT_ONCE - 1):
            if self._own is None:
                return
            try:
                data, addr = self._own.recvfrom(READ_BYTES)
            except OSError:  # Mostly: that was all.
                return
            self._take(data, addr)

    def _take(self, data: bytes, addr: tuple[Any, ...]) -> None:
        is_check = len(data) > 0 and data[0] < FIRST_BYTE_NO_STUN
        if self._intake is not None and not self._lets_in(self._intake, data, addr, is_check):
            self._counters.dropped_in += 1
            return
        try:
            if is_check:
                super().datagram_received(data, addr)
            else:  # As the library does, once it has tried to read a check in it.
                self.receiver.data_received(data, self.local_candidate.component)
        except Exception:  # Its parser raises whatever a stranger's bytes lead it to.
            self._counters.dropped_in += 1

    def _lets_in(self, intake: Intake, data: bytes, addr: tuple[Any, ...], is_check: bool) -> bool:
        """Say whether a datagram is looked at; of media and its keys only a peer's is.

        Else one plain alert of a stranger would end a handshake, and a few hundred would crowd it
        out. Who a peer is, a check tells that has our password, or the offer itself.
        """
        pair = self.receiver._nominated.get(1)
        is_peer = pair is not None and pair.remote_addr == (addr[0], addr[1])
        if not (is_check or is_peer or _is_known(self.receiver, addr)):
            return False
        is_ours = is_peer or (is_check and self._is_expected(data))
        admitted = intake.admits(len(data), is_check=is_check, is_peer=is_ours, now_s=self._now_s())
        return admitted and (is_check or intake.admits_source(data))

    def _is_expected(self, data: bytes) -> bool:
        """Say whether a check answers one of ours, or names our end, which no stranger can."""
        name: str = self.receiver.local_username
        return data[8:20] in self.transactions or name.encode() in data


def _is_known(connection: Any, addr: tuple[Any, ...]) -> bool:
    """Say whether a peer named this address, or proved it by a check."""
    return any(
        (one._network_host, one.port) == (addr[0], addr[1]) for one in connection._remote_candidates
    )


def confine(transport: Any, around: Surroundings, intake: Intake | None = None) -> None:
    """Bind a library's ICE transport as configured, and keep from it what no peer sends."""
    connection, config, counters = transport._connection, around.config, around.counters
    deliver, check = connection.data_received, connection.request_received

    def received(data: bytes, component: int) -> None:
        if 0 < len(data) <= DATAGRAM_BYTES_MAX and connection._queue.qsize() < QUEUED_MAX:
            deliver(data, component)
        else:
            counters.dropped_in += 1

    def requested(message: Any, addr: tuple[str, int], protocol: StunProtocol) -> None:
        is_room_left = len(connection._remote_candidates) < REMOTE_ADDRESSES_MAX
        if is_room_left or _is_known(connection, addr):
            check(message, addr, protocol)
        else:
            counters.dropped_in += 1

    async def gather(component: int, addresses: list[str], timeout: int = 5) -> list[Candidate]:
        bound = list(config.bind_addresses or addresses)
        if config.advertise_addresses:
            bound = bound[:1] if config.bind_addresses else ["0.0.0.0"]  # noqa: S104 - Advertised.
        found: list[Candidate] = []
        for address in bound:
            opened = await _bind(connection, address, around, intake)
            if opened is None:  # As the library does: one address may be of no use.
                continue
            protocol, port = opened
            hosts = config.advertise_addresses or (address,)
            told = [_host_candidate(host, port, component) for host in hosts]
            protocol.local_candidate = told[0]
            connection._protocols.append(protocol)
            found += told
        if not found:
            raise PortsExhaustedError("no UDP port could be bound")
        return found

    connection.data_received = received
    connection.request_received = requested
    connection.get_component_candidates = gather


def _host_candidate(host: str, port: int, component: int) -> Candidate:
    """What peers are told of a bound port."""
    return Candidate(
        foundation=candidate_foundation("host", "udp", host),
        component=component,
        transport="udp",
        priority=candidate_priority(component, "host"),
        host=host,
        port=port,
        type="host",
    )


async def _bind(
    connection: Any, address: str, around: Surroundings, intake: Intake | None
) -> tuple[StunProtocol, int] | None:
    """Open a socket on an address; None when no port of the range is free there."""
    loop = asyncio.get_running_loop()
    for port in around.ports.candidates():
        try:
            transport, protocol = await loop.create_datagram_endpoint(
                lambda: GuardedStun(connection, around.counters, intake), local_addr=(address, port)
            )
        except OSError:
            continue
        sock = transport.get_extra_info("socket")
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
        return protocol, int(sock.getsockname()[1])
    return None
