"""The room's state as a client keeps it, in Python: the mirror of static/js/logic/room_state.js."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

State = dict[str, Any]
DROP_NEWS = ("state", "ends_at_ms", "quantity", "left")


def apply_event(state: State, type: str, payload: dict[str, Any]) -> State:
    """Return the state after one sale-lane event; unknown types change nothing."""
    change = EVENTS.get(type)
    return change(state, payload) if change else state


def _replace(*names: str) -> Callable[[State, dict[str, Any]], State]:
    return lambda state, payload: state | {name: payload[name] for name in names}


def _armed(state: State, payload: dict[str, Any]) -> State:
    sale = payload["sale"]
    others = [one for one in state["sales"] if one["id"] != sale["id"]]
    return state | {"sales": [*others, sale]}


def _sale(**fixed: str) -> Callable[[State, dict[str, Any]], State]:
    def change(state: State, payload: dict[str, Any]) -> State:
        told = fixed | {k: payload[k] for k in ("state", "ends_at_ms", "reason") if k in payload}
        return state | {
            "sales": [
                _told(one, told) if one["id"] == payload["sale"] else one for one in state["sales"]
            ]
        }

    return change


def _told(sale: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """Return a sale with its news; only one that is halted keeps a reason."""
    after = {name: value for name, value in (sale | told).items() if name != "reason"}
    return after | ({"reason": told["reason"]} if after["state"] == "halted" else {})


def _drawn(state: State, payload: dict[str, Any]) -> State:
    told = {name: payload[name] for name in ("seed", "entries", "winners", "digest")}
    return state | {
        "sales": [
            one | {"draw": one["draw"] | told} if one["id"] == payload["sale"] else one
            for one in state["sales"]
        ]
    }


def _unlock(state_after: str) -> Callable[[State, dict[str, Any]], State]:
    def change(state: State, payload: dict[str, Any]) -> State:
        told = {"state": state_after}
        told |= {name: payload[name] for name in ("promised", "otherwise") if name in payload}
        price = {name: payload[name] for name in ("price_minor",) if name in payload}
        return state | {
            "sales": [
                one | price | {"unlock": one["unlock"] | told}
                if one["id"] == payload["sale"]
                else one
                for one in state["sales"]
            ]
        }

    return change


def _dropped(state: State, payload: dict[str, Any]) -> State:
    drop = payload["drop"]
    others = [one for one in state["drops"] if one["id"] != drop["id"]]
    return state | {"drops": [*others, drop]}


def _drop(**fixed: str) -> Callable[[State, dict[str, Any]], State]:
    def change(state: State, payload: dict[str, Any]) -> State:
        told = fixed | {k: payload[k] for k in DROP_NEWS if k in payload}
        return state | {
            "drops": [one | told if one["id"] == payload["drop"] else one for one in state["drops"]]
        }

    return change


def _coupon(state: State, payload: dict[str, Any]) -> State:
    """Return every drop of a coupon with why it is halted, or without."""

    def told(coupon: dict[str, Any]) -> dict[str, Any]:
        if coupon["id"] != payload["coupon"]:
            return coupon
        terms = {name: value for name, value in coupon.items() if name != "halt_reason"}
        return terms | ({"halt_reason": payload["reason"]} if "reason" in payload else {})

    return state | {"drops": [one | {"coupon": told(one["coupon"])} for one in state["drops"]]}


def _deleted(state: State, payload: dict[str, Any]) -> State:
    return state | {"chat": [line for line in state["chat"] if line[0] != payload["line"]]}


EVENTS: dict[str, Callable[[State, dict[str, Any]], State]] = {
    "room.state": _replace("show", "pinned", "bag", "sales", "drops", "announcement"),
    "show.pinned": lambda state, payload: state | {"pinned": payload["item"]},
    "show.unpinned": lambda state, _: state | {"pinned": None},
    "bag.changed": _replace("bag", "sales"),
    "announcement": lambda state, payload: state | {"announcement": payload["text"]},
    "flash.armed": _armed,
    "flash.opened": _sale(state="open"),
    "flash.sold_out": _sale(state="sold_out"),
    "flash.resumed": _sale(state="open"),
    "flash.halted": _sale(state="halted"),
    "flash.unhalted": _sale(),
    "flash.drawn": _drawn,
    "flash.unlocked": _unlock("unlocked"),
    "flash.not_unlocked": _unlock("missed"),
    "flash.closed": _sale(),
    "coupon.armed": _dropped,
    "coupon.opened": _drop(state="open"),
    "coupon.closed": _drop(),
    "coupon.halted": _coupon,
    "coupon.unhalted": _coupon,
    "group_buy.opened": _armed,
    "group_buy.closed": _sale(),
    "chat.deleted": _deleted,
    "chat.modes": _replace("modes"),
    "user.muted": lambda state, _: state,
}
