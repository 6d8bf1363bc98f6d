"""Group buys in the words of the wire contract, for every transport."""

from __future__ import annotations

from typing import Any

from commerce.goods.inventory.views import HALTED_RETRY_MS, HELD_OUT_RETRY_MS, view_reservation
from commerce.kernel.errors import CommerceError
from commerce.sales.group_buys.model import Joining, Refusal, Seat, Team

MESSAGES = {
    Joining.NOT_OPEN: "The sale has not opened yet.",
    Joining.ENDED: "The sale has ended.",
    Joining.LIMIT_REACHED: "You have as many as one buyer may have.",
    Joining.SOLD_OUT: "Every unit is sold.",
    Joining.HELD_OUT: "No new team can be filled now; units may come back.",
    Joining.ALREADY_IN_GROUP: "You are in a team of this sale already.",
    Joining.HALTED: "The host has stopped the sale for now.",
    Joining.GROUP_FULL: "This team is full: open a new one.",
    Joining.GROUP_OVER: "This team is over: open a new one.",
}
RETRY_MS = {Joining.HELD_OUT: HELD_OUT_RETRY_MS, Joining.HALTED: HALTED_RETRY_MS}


def view_seat(seat: Seat) -> dict[str, Any]:
    """Return a seat as the answer to whoever joins."""
    return {"group": seat.group_id, "reservation": view_reservation(seat.reservation)}


def join_refused(refusal: Refusal) -> CommerceError:
    """Return the error of a refusal: its code, and the pool's version it is true of."""
    outcome = refusal.outcome
    return CommerceError(
        outcome.name.lower(),
        MESSAGES[outcome],
        retryable=outcome in RETRY_MS,
        retry_ms=RETRY_MS.get(outcome),
        detail={"version": refusal.version},
    )


def view_team_news(team: Team) -> dict[str, Any]:
    """Return what members are told of their team: `group.formed`, `group.failed`."""
    news: dict[str, Any] = {
        "group": team.id,
        "sale": team.sale_id,
        "joined": team.joined,
        "need": team.need,
    }
    if team.reason is not None:
        news["reason"] = team.reason
    if team.completed_by is not None:
        news["is_completed"] = True
    return news
