"""The waiting list in the words of the wire contract, for every transport."""

from __future__ import annotations

from typing import Any

from commerce.goods.inventory.model import Reservation
from commerce.goods.inventory.rules import SaleTerms
from commerce.goods.inventory.views import view_reservation
from commerce.goods.waiting_list.model import LIST_MAX, Entry, Join, Line
from commerce.kernel.errors import CommerceError

MESSAGES = {
    Join.CONFLICT: "This key was used for another quantity.",
    Join.NOT_OPEN: "The sale has not opened yet.",
    Join.ENDED: "The sale has ended.",
    Join.HALTED: "The host has stopped the sale for now.",
    Join.LIMIT_REACHED: "You have as many as one buyer may have.",
    Join.NOT_HELD_OUT: "Units are free: reserve them instead of waiting.",
    Join.SOLD_OUT: "Every unit is sold; none comes back.",
    Join.NOT_ENOUGH_LEFT: "Fewer units than you asked for may come back.",
    Join.LIST_FULL: f"{LIST_MAX} people wait already.",
}


def view_entry(entry: Entry) -> dict[str, Any]:
    """Return an entry as its owner sees it; `reservation` is there once it was offered."""
    view: dict[str, Any] = {
        "id": entry.id,
        "sale": entry.sale_id,
        "qty": entry.qty,
        "state": entry.state,
        "place": entry.place,
        "waiting": entry.waiting,
    }
    if entry.reservation_id is not None:
        view["reservation"] = entry.reservation_id
    return view


def view_offer(entry: Entry, reservation: Reservation) -> dict[str, Any]:
    """Return what somebody is told whose turn it is: `offer.made`."""
    return {
        "reservation": view_reservation(reservation),
        "entry": entry.id,
        "waiting": entry.waiting,
    }


def view_closed(entry: Entry) -> dict[str, Any]:
    """Return what somebody is told who waits in vain: `waiting.closed`."""
    return {"entry": entry.id, "sale": entry.sale_id, "reason": entry.reason}


def join_refused(join: Join, sale: SaleTerms, line: Line) -> CommerceError:
    """Return the error of a refused wish to wait, with what helps to act on it."""
    detail: dict[str, Any] = {}
    retry_ms = None
    if join is Join.NOT_OPEN and sale.opens_at_ms is not None:
        retry_ms = detail["opens_in_ms"] = max(0, sale.opens_at_ms - line.now_ms)
    elif join is Join.NOT_HELD_OUT:
        detail["available"] = line.total - line.claimed
    elif join is Join.NOT_ENOUGH_LEFT:
        detail["available"] = line.total - line.sold
    elif join is Join.LIST_FULL:
        detail["waiting"] = line.waiting
    return CommerceError(
        join.value,
        MESSAGES[join],
        retryable=join in (Join.NOT_OPEN, Join.HALTED, Join.LIST_FULL),
        retry_ms=retry_ms,
        detail=detail or None,
    )


def already_waiting(entry: Entry) -> CommerceError:
    """Return the error for somebody who waits for this sale already, with the entry."""
    return CommerceError(
        "already_waiting",
        "You are in line for this sale.",
        detail={"entry": view_entry(entry)},
    )
