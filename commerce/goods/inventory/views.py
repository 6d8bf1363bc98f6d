"""The reservation core's answers in the words of the wire contract, for every transport."""

from __future__ import annotations

from typing import Any

from commerce.goods.inventory.model import Answer, Hold, Outcome, Refused, Reservation
from commerce.kernel.errors import CommerceError

MESSAGES = {
    Outcome.NOT_OPEN: "The sale has not opened yet.",
    Outcome.ENDED: "The sale has ended.",
    Outcome.LIMIT_REACHED: "You have as many as one buyer may have.",
    Outcome.SOLD_OUT: "Every unit is sold.",
    Outcome.HELD_OUT: "Every unit is held; one may come back.",
    Outcome.NOT_ENOUGH_LEFT: "Fewer units are left than you asked for.",
    Outcome.HALTED: "The host has stopped the sale for now.",
}
# Worth asking again as it is: time may open the sale, a hold may end, the host may resume.
RETRYABLE = frozenset({Outcome.NOT_OPEN, Outcome.HELD_OUT, Outcome.HALTED})
HELD_OUT_RETRY_MS = 1_000
# A host who stops a sale looks into something; the room is told when it goes on.
HALTED_RETRY_MS = 5_000


def view_answer(answer: Answer) -> dict[str, Any]:
    """Return `{"reservation": …}`; a refusal raises its CommerceError."""
    if isinstance(answer, Refused):
        raise refusal_error(answer)
    return {"reservation": view_reservation(answer.reservation)}


def view_reservation(reservation: Reservation) -> dict[str, Any]:
    """Return a reservation as its buyer sees it."""
    return {
        "id": reservation.id,
        "sale": reservation.sale_id,
        "sku": reservation.sku,
        "qty": reservation.qty,
        "unit_price_minor": reservation.unit_price_minor,
        "currency": reservation.currency,
        "expires_in_ms": reservation.expires_in_ms,
        "version": reservation.version,
        "state": reservation.state,
    }


def view_ended(hold: Hold, reason: str | None = None) -> dict[str, Any]:
    """Return what a buyer is told of a hold that has ended: `reservation.expired`.

    A `reason` is there when it was taken back: the host's, or `not_unlocked`.
    """
    ended = {"reservation": hold.id, "sale": hold.sale_id}
    return ended if reason is None else {**ended, "reason": reason}


def refusal_error(refused: Refused) -> CommerceError:
    """Return the error of a refusal: its code, and the pool's version it is true of."""
    detail: dict[str, Any] = {"version": refused.version}
    retry_ms = None
    if refused.outcome is Outcome.NOT_OPEN and refused.opens_in_ms is not None:
        retry_ms = refused.opens_in_ms
        detail["opens_in_ms"] = refused.opens_in_ms
    elif refused.outcome is Outcome.HELD_OUT:
        retry_ms = HELD_OUT_RETRY_MS
        if refused.waiting is not None:
            detail["waiting"] = refused.waiting
    elif refused.outcome is Outcome.NOT_ENOUGH_LEFT:
        detail["available"] = refused.available
    elif refused.outcome is Outcome.HALTED:
        retry_ms = HALTED_RETRY_MS
        detail["reason"] = refused.reason
    return CommerceError(
        refused.outcome.name.lower(),
        MESSAGES[refused.outcome],
        retryable=refused.outcome in RETRYABLE,
        retry_ms=retry_ms,
        detail=detail,
    )
