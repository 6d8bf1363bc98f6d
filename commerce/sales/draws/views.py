"""Draws in the words of the wire contract, for every transport."""

from __future__ import annotations

from typing import Any

from commerce.goods.inventory.model import Reservation
from commerce.goods.inventory.views import HALTED_RETRY_MS, view_reservation
from commerce.kernel.errors import CommerceError
from commerce.sales.draws.model import Drawn, DrawPage, Entering, Entry, Receipt, Refusal

MESSAGES = {
    Entering.NOT_OPEN: "The sale has not opened yet.",
    Entering.ENDED: "The sale has ended.",
    Entering.LIMIT_REACHED: "That is more than one buyer may have.",
    Entering.ALREADY_ENTERED: "You are in this draw.",
    Entering.ENTRIES_CLOSED: "Entries have closed.",
    Entering.NOT_A_DRAW: "This sale is not drawn: reserve instead.",
    Entering.HALTED: "The host has stopped the sale for now.",
}


def view_entry(entry: Entry) -> dict[str, Any]:
    """Return an entry as the answer to whoever enters."""
    return {"id": entry.id, "sale": entry.sale_id, "qty": entry.qty, "state": entry.state}


def view_receipt(receipt: Receipt) -> dict[str, Any]:
    """Return an entry as its owner looks it up; a rank comes with the draw."""
    view: dict[str, Any] = {
        "entry": receipt.id,
        "sale": receipt.sale_id,
        "qty": receipt.qty,
        "state": receipt.state,
        "rank": receipt.rank,
        "of": receipt.of,
        "key": receipt.key,
    }
    if receipt.reservation_id is not None:
        view["reservation"] = receipt.reservation_id
    if receipt.waiting is not None:
        view["waiting"] = receipt.waiting
    return view


def view_drawn(drawn: Drawn) -> dict[str, Any]:
    """Return what the room is told of a draw: `flash.drawn`."""
    return {
        "sale": drawn.sale_id,
        "seed": drawn.seed,
        "entries": drawn.entries,
        "winners": drawn.winners,
        "digest": drawn.digest,
    }


def view_won(receipt: Receipt, reservation: Reservation) -> dict[str, Any]:
    """Return what a winner is told: `draw.won`."""
    return {
        "reservation": view_reservation(reservation),
        "entry": receipt.id,
        "rank": receipt.rank,
        "of": receipt.of,
    }


def view_lost(receipt: Receipt) -> dict[str, Any]:
    """Return what somebody is told who was not drawn: `draw.lost`."""
    return {
        "sale": receipt.sale_id,
        "entry": receipt.id,
        "rank": receipt.rank,
        "of": receipt.of,
        "waiting": receipt.waiting,
    }


def view_page(page: DrawPage) -> dict[str, Any]:
    """Return a stretch of a draw's public data: no names, no ids of users."""
    return {name: getattr(page, name) for name in DrawPage.__struct_fields__}


def entry_refused(refusal: Refusal) -> CommerceError:
    """Return the error of a refused wish to enter."""
    outcome, retry_ms, detail = refusal.outcome, None, None
    if outcome is Entering.NOT_OPEN and refusal.opens_in_ms is not None:
        retry_ms = refusal.opens_in_ms
        detail = {"opens_in_ms": refusal.opens_in_ms}
    elif outcome is Entering.HALTED:
        retry_ms = HALTED_RETRY_MS
    return CommerceError(
        outcome.name.lower(),
        MESSAGES[outcome],
        retryable=outcome in (Entering.NOT_OPEN, Entering.HALTED),
        retry_ms=retry_ms,
        detail=detail,
    )
