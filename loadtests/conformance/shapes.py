"""The shapes of what `docs/protocol.md` documents; a name with `?` may be absent."""

from __future__ import annotations

from typing import Any

from loadtests.conformance.matching import ANYTHING, Each, Maybe, OneOf

STOCK = (int, int, int)
USER = {"id": str, "name": str, "role": OneOf(("guest", "host", "moderator", "operator"))}
SHOW = {
    "id": str,
    "title": str,
    "status": OneOf(("scheduled", "live", "ended")),
    "starts_at_ms": int,
    "started_at_ms": Maybe(int),
}
BAG_ITEM = {
    "item": str,
    "no": int,
    "sku": str,
    "title": str,
    "title_zh": Maybe(str),
    "picture": str,
    "price_minor": int,
    "currency": str,
    "sale": str,
}
RULES = {
    "version": int,
    "present_s?": int,
    "presses_per_user_s?": int,
    "presses_per_address_s?": int,
    "per_card?": int,
    "drop_limit?": int,
}
SALE = {
    "id": str,
    "kind": str,
    "sku": str,
    "price_minor": int,
    "currency": str,
    "state": OneOf(("armed", "open", "sold_out", "halted", "ended", "cancelled")),
    "reason?": str,
    "reference_minor?": int,
    "reference_days?": int,
    "opens_at_ms": Maybe(int),
    "ends_at_ms": Maybe(int),
    "per_buyer": Maybe(int),
    "stock": STOCK,
    "item": str,
    "normal_price_minor": int,
    "hold_s": int,
    "waiting?": (int, int),
    "rules?": RULES,
    "fairness?": OneOf(("draw",)),
    "draw?": {
        "commit": str,
        "entry_closes_at_ms": int,
        "entries": int,
        "seed?": str,
        "digest?": str,
        "winners?": int,
    },
    "group?": {"need": int, "lasts_ms": int},
    "unlock?": {
        "units": int,
        "price_minor": int,
        "plain_minor": int,
        "otherwise": OneOf(("charge", "release")),
        "state": OneOf(("open", "unlocked", "missed")),
        "promised": int,
    },
    "campaign_price?": {"id": str, "price_minor": int, "from_ms": int, "until_ms": int},
}
COUPON = {
    "id": str,
    "room": str,
    "title": str,
    "title_zh?": str,
    "amount_minor?": int,
    "percent?": int,
    "max_minor?": int,
    "threshold_minor?": int,
    "skus?": Each(str),
    "sources": Each(OneOf(("flash", "group", "campaign", "list"))),
    "currency": str,
    "valid_s": int,
    "per_person": int,
    "per_card?": int,
    "scope?": OneOf(("room", "shop")),
    "halt_reason?": str,
}
DROP = {
    "id": str,
    "coupon": COUPON,
    "state": OneOf(("armed", "open", "gone", "ended", "cancelled")),
    "quantity": int,
    "left": int,
    "opens_at_ms": int,
    "ends_at_ms": int,
    "min_age_s": int,
}
CLAIM = {"id": str, "drop": str, "state": OneOf(("claimed",)), "expires_in_ms": int}
GROUP_ROW = {
    "id": str,
    "sale": str,
    "joined": int,
    "need": int,
    "deadline_ms": int,
    "leader": str,
}
LINE = (str, str, str, str, Each(str), int)
TICKET = {
    "protocol": OneOf(("whip", "whep")),
    "url": str,
    "token": str,
    "ice_servers": Each({"urls": Each(str), "username?": str, "credential?": str}),
    "expires_ms": int,
    "fallback_hls?": Maybe(str),
}
STREAM_KEY = {
    "id": str,
    "label": str,
    "created_at_ms": int,
    "last_used_at_ms": Maybe(int),
}
VIDEO = {
    "live": bool,
    "since_ms": Maybe(int),
    "viewers": Maybe(int),
    "codec": Maybe(str),
}
STATE = {
    "room": str,
    "show": Maybe(SHOW),
    "pinned": Maybe(str),
    "bag": Each(BAG_ITEM),
    "sales": Each(SALE),
    "drops": Each(DROP),
    "groups?": Each(GROUP_ROW),
    "announcement": Maybe(str),
    "viewers": int,
    "likes": int,
    "modes": {},
    "chat": Each(LINE),
    "host": {"id": str, "name": str, "avatar": Maybe(str)},
    "poster": Maybe(str),
    "video?": Maybe(VIDEO),
}
LOBBY_ROOM = {
    "room": str,
    "title": str,
    "poster": Maybe(str),
    "host": {"id": str, "name": str, "avatar": Maybe(str)},
    "viewers": int,
    "show": ANYTHING,
    "next_show": Maybe({"id": str, "title": str, "starts_at_ms": int, "items": int}),
    "next_event": Maybe(
        {"kind": str, "sale": str, "state": str, "opens_at_ms": int, "price_minor": int}
    ),
    "replay?": Maybe({"show": str, "title": str, "started_at_ms": int, "length_ms": int}),
}
RESERVATION = {
    "id": str,
    "sale": str,
    "sku": str,
    "qty": int,
    "unit_price_minor": int,
    "currency": str,
    "expires_in_ms": int,
    "version": int,
    "state": OneOf(("held", "paying", "sold", "expired", "released", "refused_late")),
}
ENTRY = {
    "id": str,
    "sale": str,
    "qty": int,
    "state": OneOf(("waiting", "offered", "bought", "passed", "missed", "left", "closed")),
    "place": Maybe(int),
    "waiting": int,
    "reservation?": str,
}
OFFER = {"reservation": RESERVATION, "entry": str, "waiting": int}
DRAW_ENTRY = {"id": str, "sale": str, "qty": int, "state": OneOf(("entered", "withdrawn"))}
DRAW_RECEIPT = {
    "entry": str,
    "sale": str,
    "qty": int,
    "state": OneOf(("entered", "withdrawn", "won", "lost", "void")),
    "rank": Maybe(int),
    "of": Maybe(int),
    "key": Maybe(str),
    "reservation?": str,
    "waiting?": int,
}
DRAW = {
    "algorithm": str,
    "commit": str,
    "seed": Maybe(str),
    "digest": Maybe(str),
    "units": int,
    "entry_closes_at_ms": int,
    "entry_count": int,
    "winner_count": Maybe(int),
    "entries": Each((str, int)),
    "winners": Each(str),
    "is_end": bool,
}
GROUP = {
    "id": str,
    "sale": str,
    "room": str,
    "sku": str,
    "title": str,
    "title_zh": Maybe(str),
    "picture": str,
    "price_minor": int,
    "normal_price_minor": int,
    "currency": str,
    "need": int,
    "joined": int,
    "paid": int,
    "state": OneOf(("forming", "formed", "failed")),
    "leader": str,
    "deadline_ms": int,
    "ends_in_ms": int,
    "reason?": OneOf(("deadline", "empty", "cancelled")),
    "is_completed?": bool,
    "is_open?": bool,
    "can_open?": bool,
}
MY_SEAT = {
    "group": GROUP,
    "reservation": str,
    "state": str,
    "is_leader": bool,
    "order?": str,
}
SEAT = {"group": str, "reservation": RESERVATION}
GROUP_NEWS = {
    "group": str,
    "sale": str,
    "joined": int,
    "need": int,
    "reason?": str,
    "is_completed?": bool,
}
DRAW_WON = {"reservation": RESERVATION, "entry": str, "rank": int, "of": int}
DRAW_LOST = {"sale": str, "entry": str, "rank": int, "of": int, "waiting": Maybe(int)}
ORDER_STATES = OneOf(
    ("awaiting_payment", "awaiting_group", "paid", "cancelled", "expired", "refunded")
)
PRICE_PARTS = {
    "subtotal_minor": int,
    "discounts": Each({"source": str, "amount_minor": int, "coupon?": str}),
    "shipping_minor": int,
    "tax_minor": int,
    "tax_included": bool,
}
ORDER = {
    "id": str,
    "state": ORDER_STATES,
    "total_minor": int,
    "currency": str,
    "parts": PRICE_PARTS,
    "lines": Each({"price_source": str, "total_minor": int}),
}
EVIDENCE = {
    "format": OneOf(("hubbub-evidence/3",)),
    "view": OneOf(("staff", "buyer")),
    "made_at_ms": int,
    "order": {
        "id": str,
        "state": ORDER_STATES,
        "room": str,
        "buyer": {"id": str, "name": str},
        "parts": PRICE_PARTS,
        "coupon": Maybe(
            {"id": str, "title": str, "halt": Maybe({"at_ms": int, "reason": Maybe(str)})}
        ),
        "total_minor": int,
    },
    "show": {"id": str, "title": str, "started_at_ms": Maybe(int), "ended_at_ms": Maybe(int)},
    "lines": Each(
        {
            "no": int,
            "item": str,
            "sku": str,
            "title": str,
            "press": {
                "reservation": str,
                "at_ms": int,
                "sale": str,
                "qty": int,
                "origin": str,
                "asked_at_ms": Maybe(int),
                "draw": Maybe({"entry": str, "entered_at_ms": int, "rank": int, "of": int}),
                "pool_version": int,
                "log_offset": Maybe(int),
                "stock": {"total": int, "claimed": int, "free": int},
            },
            "pin": Maybe({"item": str, "offset": int, "since_ms": int, "is_this_item": bool}),
            "card": Maybe({"offset": int, "at_ms": int, "sale": SALE, "title": Maybe(str)}),
            "price": {
                "unit_price_minor": int,
                "source": str,
                "discount_minor": int,
                "tax_minor": int,
                "total_minor": int,
                "log": Each({"entry": int, "price_minor": int, "campaign_price": Maybe(str)}),
            },
            "terms": Maybe({"version": int, "since_ms": int, "fields": {"fairness": str}}),
            "events": Each({"offset": int, "at_ms": int, "type": str, "payload": {}}),
            "clip_at": {"show": str, "offset_ms": Maybe(int)},
            "clip": Maybe({}),
        }
    ),
    "chat": Each(
        {
            "at_ms": int,
            "is_complete": bool,
            "is_cut": bool,
            "lines": Each({"id": str, "name": str, "text": str, "is_buyer": bool}),
        }
    ),
    "chat_windows_left_out": int,
    "money": {"payments": Each({}), "events": Each({}), "calls": Each({}), "refunds": Each({})},
    "digest": str,
}
ERROR = {"code": str, "message": str, "retryable": bool, "retry_ms?": int, "detail?": {}}
HELLO = {
    "conn": str,
    "user": Maybe(USER),
    "hb_s": int,
    "epoch": str,
    "offset": int,
    "now_ms": int,
    "rec": OneOf(("fresh", "replayed", "snapshot")),
    "limits": {"frame_bytes": int, "chat_chars": int, "commands_in_flight": int},
}
EVENT: Any = (str, {}, int)
FRAMES: dict[str, Any] = {
    "h": (str, HELLO),
    "Z": (str, str, int, STATE),
    "S": (str, int, Each(EVENT)),
    "K": (str, int, Each((int, ANYTHING))),
    "L": (str, int, Each(LINE), int),
    "D": (str, str, {}),
    "r": (str, ANYTHING, ANYTHING),
    "e": (str, ANYTHING, ERROR),
    "p": (str, int),
    "b": (str, int, int),
}
EVENTS: dict[str, Any] = {
    "room.state": {"show": Maybe(SHOW), "bag": Each(BAG_ITEM), "sales": Each(SALE)},
    "show.pinned": {"item": str},
    "show.unpinned": {"item": str},
    "bag.changed": {"bag": Each(BAG_ITEM), "sales": Each(SALE)},
    "announcement": {"text": Maybe(str)},
    "flash.armed": {"sale": SALE},
    "flash.opened": {"sale": str},
    "flash.sold_out": {"sale": str, "took_ms": int},
    "flash.resumed": {"sale": str},
    "flash.halted": {"sale": str, "reason": str},
    "flash.unhalted": {"sale": str, "state": OneOf(("armed", "open", "sold_out"))},
    "flash.unlocked": {"sale": str, "price_minor": int, "promised": int, "units": int},
    "flash.not_unlocked": {
        "sale": str,
        "promised": int,
        "units": int,
        "otherwise": OneOf(("charge", "release")),
    },
    "flash.closed": {"sale": str, "state": OneOf(("ended", "cancelled")), "ends_at_ms": int},
    "coupon.halted": {"coupon": str, "reason": str},
    "coupon.unhalted": {"coupon": str},
    "chat.deleted": {"line": str},
    "user.muted": {"user": str, "until_ms": int},
}
