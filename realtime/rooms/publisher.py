"""Tell every process of a room what happened; used by gateways and by the worker alike.

A publish is a courtesy on top of the log: when it raises, the outbox relay publishes again.
"""

from __future__ import annotations

from collections.abc import Sequence

from realtime.brokers.ports import Broker
from realtime.protocol.messages import ChatLine, LogEntry
from realtime.rooms.envelope import (
    DirectEnvelope,
    Envelope,
    HintEnvelope,
    LikesEnvelope,
    LinesEnvelope,
    SaleEnvelope,
    encode_envelope,
    room_channel,
)


class RoomPublisher:
    """Publishes to rooms over a broker. Every method raises `BrokerUnavailableError`."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def sale(self, room_id: str, entries: Sequence[LogEntry]) -> None:
        """Announce committed log entries, ascending."""
        if entries:
            await self._publish(room_id, SaleEnvelope(tuple(entries)))

    async def hint(self, room_id: str, keys: Sequence[str]) -> None:
        """Tell every gateway that the values of these state keys changed."""
        if keys:
            await self._publish(room_id, HintEnvelope(tuple(keys)))

    async def direct(self, room_id: str, user_id: str, type: str, payload: bytes) -> None:
        """Send raw JSON `payload` to the connections of one user."""
        await self._publish(room_id, DirectEnvelope(user_id, type, payload))

    async def lines(
        self,
        room_id: str,
        lines: Sequence[ChatLine],
        *,
        dropped: int,
        unheard: Sequence[tuple[str, int]] = (),
    ) -> None:
        """Show chat lines, and say how many were left out.

        `unheard` are (user id, at_ms) of authors who spoke although no line of theirs is shown.
        """
        await self._publish(room_id, LinesEnvelope(tuple(lines), dropped, tuple(unheard)))

    async def likes(self, room_id: str, total: int) -> None:
        """Tell the new total of likes."""
        await self._publish(room_id, LikesEnvelope(total))

    async def _publish(self, room_id: str, envelope: Envelope) -> None:
        channel = room_channel(self._broker.prefix, room_id)
        await self._broker.publish(channel, encode_envelope(envelope))
