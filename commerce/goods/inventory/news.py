"""Who hears of committed changes that no transaction object announces."""

from __future__ import annotations

from typing import Protocol

from commerce.goods.inventory.model import Hold


class News(Protocol):
    """What the reservation core of a process has to tell."""

    def stock_changed(self, room_id: str, sale_id: str) -> None:
        """The figures of a sale changed."""

    def hold_expired(self, room_id: str, hold: Hold) -> None:
        """A buyer's hold has ended."""

    def pressed(self, sale_id: str, answer: str) -> None:
        """A press got this answer: `reserved`, or the refusal's name."""
