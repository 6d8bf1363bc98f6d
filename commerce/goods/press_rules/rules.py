"""Whether a press meets its sale's extra rules; every refusal names its rule in `detail.rule`."""

from __future__ import annotations

import ipaddress

import msgspec

from commerce.goods.press_rules.model import Dropped, Press, PressRules
from commerce.kernel.errors import CommerceError, invalid

# (lowest, highest) of each rule: ten minutes in the room are long, a thousand presses a second
# from one address are a stadium's.
LIMITS = {
    "present_s": (1, 600),
    "presses_per_user_s": (1, 100),
    "presses_per_address_s": (1, 1_000),
    "per_card": (1, 1_000),
    "drop_limit": (1, 100),
}
FIRST_VERSION = 1
FIRST_DROP_WAIT_MS = 15_000
DROP_WAIT_MS_MAX = 600_000
# Of an IPv6 address the network part counts: a single home has 2⁶⁴ of the others.
IPV6_NETWORK_BITS = 64


def check_rules(rules: PressRules) -> None:
    """Raise `invalid_request` naming the first rule that is out of its range."""
    for name, (lowest, highest) in LIMITS.items():
        value = getattr(rules, name)
        if value is not None and not lowest <= value <= highest:
            raise invalid(f"{name} must be {lowest} to {highest}.", field=f"rules.{name}")


def number_rules(rules: PressRules | None) -> PressRules | None:
    """Return a host's wish as a sale's first rule set; None when it asks for no rule at all."""
    if rules is None or all(getattr(rules, name) is None for name in LIMITS):
        return None
    return msgspec.structs.replace(rules, version=FIRST_VERSION)


def decide_presence(rules: PressRules, press: Press, room_id: str) -> CommerceError | None:
    """Return why somebody has not been in the sale's room for long enough, or None.

    A socket shows it itself; a permit shows that a socket of the same person has shown it a moment
    ago, so that a lost line costs nobody their right.
    """
    if rules.present_s is None or press.permit == "good":
        return None
    detail: dict[str, object] = {"rule": "present_s", "needed_s": rules.present_s}
    if press.room_id is None:
        if press.permit == "missing":
            return CommerceError(
                "permit_required",
                "This sale takes a press over HTTP only with a permit, which the room gives.",
                detail=detail,
            )
        return CommerceError(
            "permit_invalid",
            "The permit is not good for this press; ask the room for another one.",
            detail=detail | {"reason": press.permit},
        )
    present_ms = press.present_ms if press.room_id == room_id else 0
    left_ms = rules.present_s * 1000 - present_ms
    if left_ms <= 0:
        return None
    return CommerceError(
        "not_present_long_enough",
        f"One must have been in this room for {rules.present_s} s.",
        retryable=True,
        detail=detail | {"present_s": present_ms // 1000},
        retry_ms=left_ms,
    )


def decide_permit(rules: PressRules, press: Press, room_id: str) -> CommerceError | None:
    """Return why the socket of a press gets no permit for a sale in a room, or None.

    A permit that is still good is renewed without another wait, but only by a socket that is in the
    sale's room again: whoever has left keeps it for its short life and no longer.
    """
    if press.room_id != room_id:
        press = msgspec.structs.replace(press, permit="missing")
    return decide_presence(rules, press, room_id)


def decide_drops(limit: int, dropped: Dropped) -> CommerceError | None:
    """Return the pause of somebody who holds units and lets them go, or None.

    It grows from 15 s, doubled with each hold beyond the limit, up to 10 minutes after the last.
    """
    if dropped.count < limit:
        return None
    doublings = min(dropped.count - limit, 10)
    wait_ms = min(DROP_WAIT_MS_MAX, FIRST_DROP_WAIT_MS * 2**doublings) - dropped.since_last_ms
    if wait_ms <= 0:
        return None
    return _slow_down(
        "dropped_holds",
        "Holds of yours ended unpaid; the next press has to wait.",
        wait_ms,
        dropped=dropped.count,
        limit=limit,
    )


def too_many_presses(rule: str, per_s: int, wait_ms: int) -> CommerceError:
    """Return the refusal of a press beyond what a person or an address may in a second."""
    return _slow_down(rule, "Too many presses; slow down.", wait_ms, limit_per_s=per_s)


def address_block(address: str) -> str:
    """Return what counts as one address: an IPv4 address, or the network of an IPv6 one."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((int(ip), IPV6_NETWORK_BITS), strict=False))


def refill(tokens: float, elapsed_ms: int, per_s: int) -> float:
    """Return what is in a bucket of `per_s` tokens after a time, at most all of them."""
    return min(float(per_s), tokens + max(0, elapsed_ms) * per_s / 1000)


def _slow_down(rule: str, message: str, wait_ms: int, **facts: int) -> CommerceError:
    return CommerceError(
        "slow_down",
        message,
        retryable=True,
        detail={"rule": rule, **facts},
        retry_ms=wait_ms,
    )
