"""What an operator can set of a forwarder, and what it counts."""

from __future__ import annotations

from typing import Literal

import msgspec

# `plain` uses public methods of pylibsrtp and asyncio only, at fewer viewers a core; `packet` sends
# by the library's own sender, at fewer still.
Mode = Literal["fast", "plain", "packet"]


class VideoConfig(msgspec.Struct, frozen=True):
    """The limits and addresses of one forwarder."""

    mode: Mode = "fast"
    viewers_per_room_max: int = 300
    viewers_max: int = 500
    answers_waiting_max: int = 64  # Two seconds of a line; more viewers at once are told to retry.
    # Addresses to bind; empty means every one of this machine but loopback. Tests bind "127.0.0.1".
    bind_addresses: tuple[str, ...] = ()
    # Told to peers instead of the bound ones, for a machine behind a one-to-one NAT.
    advertise_addresses: tuple[str, ...] = ()
    publishes_itself: bool = False  # The demo's film comes from this machine, wherever it is told.
    udp_ports: tuple[int, int] | None = None  # First and last; None leaves it to the system.
    publish_kbit_per_s_max: int = 20_000  # Datagrams beyond it are dropped; after 3 s it is over.
    start_kbit_per_s: int = 1500  # What a browser sends before it has measured the line.
    connect_timeout_s: float = 12.0
    silence_timeout_s: float = 10.0  # Without a report of a viewer, or anything of a publisher.
    orphan_timeout_s: float = 120.0  # Viewers whose publisher has not come back.
    stall_s: float = 2.0  # Without a packet of the publisher: no longer live.


class VideoCounters(msgspec.Struct):
    """Plain counters since the start; a metrics page reads them."""

    publishers: int = 0
    viewers: int = 0
    refused: int = 0
    evicted: int = 0  # Viewers who never connected and made way for others.
    packets_in: int = 0
    bytes_in: int = 0
    packets_out: int = 0
    bytes_out: int = 0
    # The socket's buffer was full, there was no line, or encryption refused; a repair may follow.
    dropped_out: int = 0
    dropped_in: int = 0  # Datagrams that no peer of ours sends, or more than can be read.
    late_ms: float = 0.0  # No count: how late pictures left, at worst in the last seconds.
    batches_dropped: int = 0  # Frames skipped for every viewer since sending took too long.
    repairs_asked: int = 0  # Of publishers.
    repairs_sent: int = 0  # To viewers.
    keyframes_asked: int = 0
    keyframes_in: int = 0
    gop_bursts: int = 0
    connect_timeouts: int = 0
    silences: int = 0
    floods: int = 0  # Sessions that were ended since they sent more than anybody honest.
    recordings_refused: int = 0  # Shows not recorded, or cut, as all recordings take what they may.
    recording_faults: int = 0  # Turns of a show's recording that failed; the log says how.
    faults: int = 0  # A packet whose handling failed; the log says how.
