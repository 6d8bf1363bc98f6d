"""Refuse presses for a sale whose units are still to be drawn, or are had in teams alone.

Invariant: a sale that has passed here once may be pressed for ever: its draw is done, or it is
over. So the answer needs no lock, and is remembered; `draw_only` is for a quarter of a second, as
the latch of a sold-out pool is, and for presses alone that take no task.
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
# Draws that are done show at the latest after this long.
REFUSED_MS = 250
# Those of one moment; the oldest is asked about again.
REFUSED_MAX = 1_000

SELECT_CLOSES_IN_MS = """
    SELECT greatest(0, d.entry_closes_at_ms - clock_ms())
    FROM draws d JOIN sales s ON s.id = d.sale_id
    WHERE d.sale_id = $1 AND d.drawn_at_ms IS NULL AND s.state NOT IN ('ended', 'cancelled')
      AND s.ends_at_ms > clock_ms()
"""

Ask = Callable[[Callable[[Any], Awaitable[int | None]]], Awaitable[int | None]]


class DrawGate:
    """What one process knows of draws that are done; `ask` lends a connection."""

    def __init__(self, ask: Ask, monotonic_ms: Callable[[], int]) -> None:
        self._ask = ask
        self._monotonic_ms = monotonic_ms
        self._refused: dict[str, tuple[int, int]] = {}
        """When it was read that a sale's entries are open or its draw is due, and for how long."""
        self._passed: dict[str, None] = {}
        self._questions: SharedQuestions[int | None] = SharedQuestions()

    def asks_about(self, sale: PooledSale) -> bool:
        """Say whether `check` has something to ask or to refuse."""
        return sale.is_grouped or (sale.is_drawn and sale.id not in self._passed)

    def refuse_at_once(self, sale: PooledSale) -> CommerceError | None:
        """Return what `check` raised a moment ago, or would in any case; it asks nobody."""
        if sale.is_grouped:
            return _group_only()
        read_at_ms, closes_in_ms = self._refused.get(sale.id, (None, 0))
        if read_at_ms is None:
            return None
        age_ms = self._monotonic_ms() - read_at_ms
        return _draw_only(max(0, closes_in_ms - age_ms)) if age_ms < REFUSED_MS else None

    async def check(self, sale: PooledSale) -> None:
        """Raise `draw_only` while the sale's units are to be drawn, `group_only` for a group buy.

        A sale that is not drawn asks nobody; everybody who presses for one that is shares, in one
        moment, one question to the database.
        """
        if sale.is_grouped:
            raise _group_only()
        if not self.asks_about(sale):
            return
        sale_id = sale.id
        read_at_ms = self._monotonic_ms()
        closes_in_ms = await self._questions.ask(sale_id, lambda: self._question(sale_id))
        self._refused.pop(sale_id, None)
        if closes_in_ms is not None:
            if len(self._refused) >= REFUSED_MAX:
                del self._refused[next(iter(self._refused))]
            self._refused[sale_id] = read_at_ms, closes_in_ms
            raise _draw_only(closes_in_ms)
        if len(self._passed) >= PASSED_MAX:
            del self._passed[next(iter(self._passed))]
        self._passed[sale_id] = None

    async def _question(self, sale_id: str) -> int | None:
        return await self._ask(partial(_select_closes_in_ms, sale_id=sale_id))


def _group_only() -> CommerceError:
    return CommerceError("group_only", "The units of this sale are had in teams: join one.")


def _draw_only(closes_in_ms: int) -> CommerceError:
    return CommerceError(
        "draw_only",
        "The units of this sale are drawn: enter the draw.",
        detail={"entry_closes_in_ms": closes_in_ms},
    )


async def _select_closes_in_ms(connection: Any, sale_id: str) -> int | None:
    """Return how long people may still enter, or None when there is no draw to wait for."""
    closes_in_ms: int | None = await connection.fetchval(SELECT_CLOSES_IN_MS, sale_id)
    return closes_in_ms
