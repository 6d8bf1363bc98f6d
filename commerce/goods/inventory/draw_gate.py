"""Refuse presses for a sale whose units are still to be drawn, or are had in teams alone.

Invariant: a sale that has passed here once may be pressed for ever: its draw is done, or it is
over. So the answer needs no lock, and is remembered; `draw_only` never is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from commerce.goods.inventory.model import PooledSale
from commerce.goods.inventory.sharing import SharedQuestions
from commerce.kernel.errors import CommerceError

# Sales a process remembers to have passed; far more than any show has.
PASSED_MAX = 10_000

SELECT_CLOSES_IN_MS = """
    SELECT greatest(0, d.entry_closes_at_ms - clock_ms())
    FROM draws d JOIN sales s ON s.id = d.sale_id
    WHERE d.sale_id = $1 AND d.drawn_at_ms IS NULL AND s.state NOT IN ('ended', 'cancelled')
      AND s.ends_at_ms > clock_ms()
"""

Ask = Callable[[Callable[[Any], Awaitable[int | None]]], Awaitable[int | None]]


class DrawGate:
    """What one process knows of draws that are done; `ask` lends a connection."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._passed: dict[str, None] = {}
        self._questions: SharedQuestions[int | None] = SharedQuestions()

    def asks_about(self, sale: PooledSale) -> bool:
        """Say whether `check` has something to ask or to refuse."""
        return sale.is_grouped or (sale.is_drawn and sale.id not in self._passed)

    async def check(self, sale: PooledSale) -> None:
        """Raise `draw_only` while the sale's units are to be drawn, `group_only` for a group buy.

        A sale that is not drawn asks nobody; everybody who presses for one that is shares, in one
        moment, one question to the database.
        """
        if sale.is_grouped:
            raise CommerceError("group_only", "The units of this sale are had in teams: join one.")
        if not self.asks_about(sale):
            return
        sale_id = sale.id
        closes_in_ms = await self._questions.ask(sale_id, lambda: self._question(sale_id))
        if closes_in_ms is not None:
            raise CommerceError(
                "draw_only",
                "The units of this sale are drawn: enter the draw.",
                detail={"entry_closes_in_ms": closes_in_ms},
            )
        if len(self._passed) >= PASSED_MAX:
            del self._passed[next(iter(self._passed))]
        self._passed[sale_id] = None

    async def _question(self, sale_id: str) -> int | None:
        return await self._ask(partial(_select_closes_in_ms, sale_id=sale_id))


async def _select_closes_in_ms(connection: Any, sale_id: str) -> int | None:
    """Return how long people may still enter, or None when there is no draw to wait for."""
    closes_in_ms: int | None = await connection.fetchval(SELECT_CLOSES_IN_MS, sale_id)
    return closes_in_ms
