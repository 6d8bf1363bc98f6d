"""Say what realtime asks of whatever carries messages between processes.

A broker only carries: everything it loses is either re-read from the log or was best effort.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from realtime.protocol.errors import RealtimeError


class BrokerUnavailableError(RealtimeError):
    """The broker did not take or answer a call within its time limit."""


class Broker(Protocol):
    """Publishing and shared hash fields.

    Every method raises `BrokerUnavailableError` within about a second when it cannot be done.
    """

    @property
    def prefix(self) -> str:
        """What every channel and key of this installation begins with."""

    async def publish(self, channel: str, message: bytes) -> None:
        """Send `message` to every process that subscribes to `channel`."""

    async def put_field(self, key: str, field: str, value: bytes, *, ttl_s: int) -> None:
        """Set one field of a hash, and let the hash die `ttl_s` after its last change."""

    async def drop_field(self, key: str, field: str) -> None:
        """Remove one field of a hash."""

    async def read_fields(self, key: str) -> dict[str, bytes]:
        """Return all fields of a hash; empty when there is none."""


class LinkEvents(Protocol):
    """What a link tells its owner, synchronously, in its own task."""

    def link_up(self) -> None:
        """Everything subscribed flows again; what was published meanwhile is lost."""

    def link_down(self) -> None:
        """Nothing can be trusted to arrive until `link_up`."""

    def message(self, channel: str, data: bytes) -> None:
        """One published message."""


class Link(Protocol):
    """A supervised subscription that proves, each second, that messages really flow."""

    @property
    def link_ok(self) -> bool:
        """Whether a canary came back lately."""

    @property
    def canaries_missed(self) -> int:
        """How many canaries in all did not come back in time."""

    async def run(self, events: LinkEvents) -> None:
        """Keep the subscription alive until cancelled."""

    async def subscribe(self, channel: str) -> None:
        """Add `channel`; return once it is confirmed, or at once while the link is down."""

    async def unsubscribe(self, channel: str) -> None:
        """Remove `channel`."""


RandomUnit = Callable[[], float]
"""A source of numbers in [0, 1)."""
