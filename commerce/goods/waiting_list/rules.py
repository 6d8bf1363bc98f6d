"""Who may join a waiting list, and who gets what comes free.

Invariant: free units go to the line in order of arrival before anybody else may have them.
`serve_waiting` in the database gives the same way; a Hypothesis test holds one against the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from commerce.goods.inventory.model import Outcome
from commerce.goods.inventory.rules import SaleTerms, decide_window
from commerce.goods.waiting_list.model import LIST_MAX, Join, Line, Waiter, Wish

WINDOWS = {
    Outcome.NOT_OPEN: Join.NOT_OPEN,
    Outcome.ENDED: Join.ENDED,
    Outcome.HALTED: Join.HALTED,
}


def decide_join(sale: SaleTerms, line: Line, wish: Wish) -> Join:
    """Say whether somebody may wait: only for units that are held and may come back.

    Free units are to be reserved, not waited for; what is paid never comes back.
    """
    if line.known_qty is not None:
        return Join.REPLAYED if line.known_qty == wish.qty else Join.CONFLICT
    if line.live_entry is not None:
        return Join.ALREADY_WAITING
    window = decide_window(sale, line.now_ms)
    if window in WINDOWS:
        return WINDOWS[window]
    if sale.per_buyer is not None and line.bought + wish.qty > sale.per_buyer:
        return Join.LIMIT_REACHED
    return _decide_stock(line, wish)


def _decide_stock(line: Line, wish: Wish) -> Join:
    if line.claimed < line.total:
        return Join.NOT_HELD_OUT
    if line.sold >= line.total:
        return Join.SOLD_OUT
    if wish.qty > line.total - line.sold:
        return Join.NOT_ENOUGH_LEFT
    return Join.LIST_FULL if line.waiting >= LIST_MAX else Join.JOINED


def decide_offers(free: int, waiters: Sequence[Waiter]) -> tuple[list[str], dict[str, str]]:
    """Give `free` units to those in line, who come in order of arrival.

    Returns the ids that get an offer, in order, and the reason of each that is closed instead.
    Who wants more than is free keeps the place and holds nobody up: a unit that waited for its
    like would be sold to nobody. Who waits for a sale that is halted keeps the place as well, and
    is served when it goes on.
    """
    offers: list[str] = []
    closed: dict[str, str] = {}
    first_free = free
    for waiter in waiters:
        if free == 0:
            break
        if waiter.qty > first_free:
            continue
        if waiter.is_over:
            closed[waiter.id] = "ended"
        elif waiter.is_halted:
            continue
        elif waiter.per_buyer is not None and waiter.bought + waiter.qty > waiter.per_buyer:
            closed[waiter.id] = "limit_reached"
        elif waiter.qty <= free:
            offers.append(waiter.id)
            free -= waiter.qty
    return offers, closed
