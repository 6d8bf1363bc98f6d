"""Say what was in force at a press, and put the evidence of an order together. Pure.

What came first is decided by the room's log and the pool's versions, which were counted under
locks; by times only where nothing was counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from commerce.insight.evidence.digest import digest_of
from commerce.insight.evidence.model import (
    CHAT_AFTER_MS,
    CHAT_BEFORE_MS,
    CHAT_LINES_MAX,
    FORMAT,
    ChatFacts,
    CouponFacts,
    Event,
    Facts,
    Line,
    OrderFacts,
    Press,
    PressFacts,
    Price,
    Terms,
)
from commerce.kernel.errors import forbidden, not_found
from commerce.shows.recordings.model import RecordedPart
from commerce.shows.recordings.rules import clip_around
from commerce.shows.schedule.model import Room

# The picture of a whole room, from which an event of one sale is cut out.
PICTURES = ("room.state", "bag.changed")
# What a buyer could see of a sale's rules. The floor of a price is the host's own matter, and so
# is whatever a later version of the shop keeps in a sale's row.
PUBLIC_TERMS = (
    "kind", "sku", "price_minor", "currency", "state", "opens_at_ms", "ends_at_ms", "per_buyer",
    "hold_s", "quantity", "reference_minor", "reference_days", "fairness", "rules",
)  # fmt: skip
# Where a sale belongs and how a request was remembered: no rule of it.
NO_TERMS = ("id", "room_id", "show_id", "item_id", "pool_id", "request_hash", "created_at_ms")


def decide_view(room: Room, owner_id: str, *, user_id: str, role: str) -> str:
    """Return what this person may read of an order: `staff` or, reduced, `buyer`.

    Raises `forbidden` for staff of elsewhere and `not_found` for everybody else, as orders do.
    """
    if role == "operator" or (role == "host" and user_id == room.host_id):
        return "staff"
    if user_id == owner_id:
        return "buyer"
    if role in ("host", "moderator"):
        raise forbidden("Only the host of this room sees its orders.")
    raise not_found("order")


def was_known(event: Event, press: Press) -> bool:
    """Say whether an event was in the log when the press was decided.

    By its offset; of a press that is older than this record by its time alone.
    """
    if press.log_offset is not None:
        return event.offset <= press.log_offset
    return event.at_ms <= press.decided_at_ms


def pin_in_force(events: Sequence[Event]) -> dict[str, Any] | None:
    """Return item, offset and time of the last pin that nothing took back; None without one.

    `events` are those known at the press, oldest first. A picture of the room says the pin too:
    a show that begins or ends has none.
    """
    pin: dict[str, Any] | None = None
    for event in events:
        if event.type == "show.pinned":
            pin = {
                "item": event.payload["item"],
                "offset": event.offset,
                "since_ms": event.at_ms,
            }
        elif event.type == "show.unpinned":
            pin = None
        elif event.type == "room.state":
            item = event.payload.get("pinned")
            if item is None:
                pin = None
            elif pin is None or pin["item"] != item:
                pin = {"item": item, "offset": event.offset, "since_ms": event.at_ms}
    return pin


def prices_at(prices: Sequence[Price], at_ms: int) -> list[Price]:
    """Return, offer by offer, the row of the price log that has the SKU at a moment.

    A row holds from its moment to before that of the offer's next one.
    """
    newest: dict[tuple[str | None, str | None], Price] = {}
    for price in sorted(prices, key=lambda one: (one.at_ms, one.id)):
        if price.at_ms <= at_ms:
            newest[price.sale, price.campaign_price] = price
    return sorted(
        (price for price in newest.values() if price.price_minor is not None),
        key=lambda one: one.id,
    )


def terms_in_force(terms: Sequence[Terms], pool_version: int) -> Terms | None:
    """Return the version of a sale's row that decided a reservation of this pool version."""
    earlier = [one for one in terms if one.pool_version < pool_version]
    return max(earlier, key=lambda one: one.version, default=None)


def cut_chat(chat: ChatFacts, limit: int = CHAT_LINES_MAX) -> tuple[list[Line], bool]:
    """Return lines in the order of time, and whether any is left out.

    Those of the buyer and the host come first, then whoever spoke nearest to the moment.
    """
    by_id = {line.id: line for line in (*chat.before, *chat.after, *chat.principal)}
    principal = {line.id for line in chat.principal}
    nearest = sorted(
        by_id.values(),
        key=lambda one: (one.id not in principal, abs(one.at_ms - chat.at_ms), one.at_ms, one.id),
    )
    kept = sorted(nearest[:limit], key=lambda one: (one.at_ms, one.id))
    return kept, len(nearest) > limit


def card_at(events: Sequence[Event], press: Press) -> dict[str, Any] | None:
    """Return what the sale's card said by the newest event that carries the sale; None unknown.

    The price crossed out on it is `normal_price_minor`; what was left at the press itself is the
    press's `stock`.
    """
    card: dict[str, Any] | None = None
    for event in events:
        for sale in _sales_of(event):
            if sale["id"] == press.sale:
                card = {"offset": event.offset, "at_ms": event.at_ms, "sale": sale}
    return card | _named(events, press.item) if card else None


def _named(events: Sequence[Event], item_id: str) -> dict[str, Any]:
    """Return an item's number and titles as the newest picture of the room has them."""
    named: dict[str, Any] = {"no": None, "title": None, "title_zh": None}
    for event in events:
        for item in event.payload.get("bag") or []:
            if item["item"] == item_id:
                named = {name: item[name] for name in named}
    return named


def _sales_of(event: Event) -> list[dict[str, Any]]:
    if event.type == "flash.armed":
        return [event.payload["sale"]]
    return event.payload.get("sales") or [] if event.type in PICTURES else []


def moments_of(presses: Sequence[PressFacts]) -> list[int]:
    """Return each different moment around which an order's chat is looked for, in order."""
    return sorted({at_ms for one in presses for at_ms in one.press.moments_ms})


def build(facts: Facts, view: str) -> dict[str, Any]:
    """Return the evidence as JSON-ready data, with its digest; `view` is staff or buyer."""
    is_staff = view == "staff"
    order = facts.order
    bundle: dict[str, Any] = {
        "format": FORMAT,
        "view": view,
        "made_at_ms": facts.made_at_ms,
        "order": _order(order),
        "show": {
            "id": order.show_id,
            "title": order.show,
            "started_at_ms": order.show_started_at_ms,
            "ended_at_ms": order.show_ended_at_ms,
        },
        "lines": [_line(one, order, facts.recorded, is_staff=is_staff) for one in facts.presses],
        "chat": [
            _chat(one, order, made_at_ms=facts.made_at_ms, is_staff=is_staff) for one in facts.chats
        ],
        "chat_windows_left_out": len(moments_of(facts.presses)) - len(facts.chats),
        "money": facts.money if is_staff else _public_money(facts.money),
    }
    return bundle | {"digest": digest_of(bundle)}


def _order(order: OrderFacts) -> dict[str, Any]:
    return {
        "id": order.id,
        "state": order.state,
        "room": order.room,
        "buyer": {"id": order.user_id, "name": order.buyer},
        "parts": _parts(order),
        "coupon": _coupon(order.coupon),
        "total_minor": order.total_minor,
        "refunded_minor": order.refunded_minor,
        "currency": order.currency,
        "created_at_ms": order.created_at_ms,
        "updated_at_ms": order.updated_at_ms,
        "paid_at_ms": order.paid_at_ms,
    }


def _parts(order: OrderFacts) -> dict[str, Any]:
    """Return what the total adds up from, under the names that an order's view has."""
    discounts = []
    if order.discount_minor:
        title = order.coupon.title if order.coupon else None
        discounts = [{"source": "coupon", "amount_minor": order.discount_minor, "title": title}]
    return {
        "subtotal_minor": order.subtotal_minor,
        "discounts": discounts,
        "shipping_minor": order.shipping_minor,
        "tax_minor": order.tax_minor,
        "tax_included": order.is_tax_included,
    }


def _coupon(coupon: CouponFacts | None) -> dict[str, Any] | None:
    """Return the order's coupon, and whether and since when it is stopped.

    An order keeps the price that it was placed at, so its own time beside that of the halt says why
    it has the discount, or why money that came late was let go.
    """
    if coupon is None:
        return None
    halt = None
    if coupon.halted_at_ms is not None:
        halt = {"at_ms": coupon.halted_at_ms, "reason": coupon.halt_reason}
    return {"id": coupon.id, "title": coupon.title, "halt": halt}


def _line(
    facts: PressFacts, order: OrderFacts, recorded: Sequence[RecordedPart], *, is_staff: bool
) -> dict[str, Any]:
    """Return everything about one line of the order, as it was at its press."""
    press = facts.press
    known = [event for event in facts.events if was_known(event, press)]
    pin = pin_in_force(known)
    card = card_at(known, press)
    terms = terms_in_force(facts.terms, press.version)
    started_ms = order.show_started_at_ms
    return {
        "no": press.no,
        "item": press.item,
        "sku": press.sku,
        "title": press.title,
        "title_zh": press.title_zh,
        "press": _press(press),
        "pin": pin
        and pin | _named(known, pin["item"]) | {"is_this_item": pin["item"] == press.item},
        "card": card,
        "price": {
            "unit_price_minor": press.unit_price_minor,
            "source": press.price_source,
            "discount_minor": press.discount_minor,
            "tax_minor": press.tax_minor,
            "total_minor": press.total_minor,
            "list_price_minor": card["sale"]["normal_price_minor"] if card else None,
            "reference_minor": terms.fields.get("reference_minor") if terms else None,
            "reference_days": terms.fields.get("reference_days") if terms else None,
            "log": [
                {
                    "entry": price.id,
                    "sale": price.sale,
                    "campaign_price": price.campaign_price,
                    "kind": price.kind,
                    "price_minor": price.price_minor,
                    "from_ms": price.at_ms,
                    "is_own": price.sale == press.sale,
                }
                for price in prices_at(facts.prices, press.decided_at_ms)
            ],
        },
        "terms": _terms(terms, is_staff=is_staff),
        "events": [_event(event, press) for event in known],
        "clip_at": {
            "show": order.show_id,
            "offset_ms": None if started_ms is None else press.decided_at_ms - started_ms,
        },
        "clip": msgspec.to_builtins(clip_around(order.show_id, recorded, press.decided_at_ms)),
    }


def _press(press: Press) -> dict[str, Any]:
    total, claimed = press.stock
    return {
        "reservation": press.reservation,
        "at_ms": press.decided_at_ms,
        "sale": press.sale,
        "kind": press.kind,
        "qty": press.qty,
        "origin": press.origin,
        "asked_at_ms": press.asked_at_ms,
        "draw": msgspec.to_builtins(press.draw),
        "state": press.state,
        "shown_until_ms": press.shown_until_ms,
        "release_at_ms": press.release_at_ms,
        "pool": press.pool,
        "pool_version": press.version,
        "place_in_batch": press.seq,
        "log_offset": press.log_offset,
        "stock": {"total": total, "claimed": claimed, "free": total - claimed},
    }


def _terms(terms: Terms | None, *, is_staff: bool) -> dict[str, Any] | None:
    if terms is None:
        return None
    fields = {name: value for name, value in terms.fields.items() if name not in NO_TERMS}
    if not is_staff:
        fields = {name: value for name, value in fields.items() if name in PUBLIC_TERMS}
    return {
        "version": terms.version,
        "since_ms": terms.at_ms,
        "after_pool_version": terms.pool_version,
        "fields": fields,
    }


def _event(event: Event, press: Press) -> dict[str, Any]:
    """Return an event as the room was told it; of a whole room's picture the part of this sale."""
    is_picture = event.type in PICTURES
    payload = event.payload
    if is_picture:
        payload = {
            "pinned": payload.get("pinned"),
            "bag": [item for item in payload.get("bag") or [] if item["item"] == press.item],
            "sales": [sale for sale in payload.get("sales") or [] if sale["id"] == press.sale],
        }
    return {
        "offset": event.offset,
        "at_ms": event.at_ms,
        "type": event.type,
        "payload": payload,
        "is_part": is_picture,
    }


def _chat(chat: ChatFacts, order: OrderFacts, *, made_at_ms: int, is_staff: bool) -> dict[str, Any]:
    """Return the chat around a press: all of it for staff, the buyer's and the host's otherwise."""
    kept, is_cut = cut_chat(chat)
    if not is_staff:
        shown_to_buyer = (order.user_id, order.host_id)
        kept = [line for line in kept if line.user in shown_to_buyer and line.removed_at_ms is None]
    until_ms = chat.at_ms + CHAT_AFTER_MS
    return {
        "at_ms": chat.at_ms,
        "since_ms": chat.at_ms - CHAT_BEFORE_MS,
        "until_ms": until_ms,
        "is_complete": until_ms <= made_at_ms,
        "is_cut": is_cut,
        "lines": [_chat_line(line, order, is_staff=is_staff) for line in kept],
    }


def _chat_line(line: Line, order: OrderFacts, *, is_staff: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": line.id,
        "at_ms": line.at_ms,
        "user": line.user,
        "name": line.name,
        "text": line.text,
        "flags": line.flags,
        "is_buyer": line.user == order.user_id,
        "is_host": line.user == order.host_id,
    }
    if is_staff:
        is_removed = line.removed_at_ms is not None
        shown["removed"] = (
            {"at_ms": line.removed_at_ms, "by": line.removed_by} if is_removed else None
        )
    return shown


def _public_money(money: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Return the money as its buyer may read it: calls and faults are the shop's own business."""
    return {
        "payments": money["payments"],
        "events": [],
        "calls": [],
        "refunds": [
            {name: value for name, value in refund.items() if name != "error"}
            for refund in money["refunds"]
        ],
    }
