"""Say what the text of a setting must be, beyond its type.

Invariant: each predicate is total: whatever an operator typed is judged, never raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

SECRET_CHARACTERS_MIN = 32  # 256 bits when it is hexadecimal and 64 long, 128 at the least.
# RFC 7064 and RFC 7065, without signs that would end the value of a Link header.
ICE_SERVER = re.compile(r"(stun|turn)s?:[A-Za-z0-9.\[\]:_-]+(\?transport=(udp|tcp))?")


def _is_key(prefixes: str) -> Callable[[str], bool]:
    shape = re.compile(rf"({prefixes})_[A-Za-z0-9_]{{8,250}}")
    return lambda text: shape.fullmatch(text) is not None


def _is_address(text: str) -> bool:
    parts = urlsplit(text)
    is_own = parts.hostname in {"127.0.0.1", "localhost", "::1"}
    is_plain = not set(text) & set(" ;,'\"")
    return (
        bool(parts.netloc)
        and is_plain
        and (parts.scheme == "https" or (is_own and parts.scheme == "http"))
    )


def _is_template(text: str) -> bool:
    """Say whether this is an http address whose host is fixed and whose path names the room."""
    parts = urlsplit(text)
    is_fixed = parts.scheme in {"http", "https"} and bool(parts.hostname)
    names = set(re.findall(r"\{(.*?)\}", text))
    return (
        is_fixed
        and not set(parts.netloc) & set("{}@")
        and not set(text) & set(' "<>\\')
        and "{room}" in parts.path
        and names <= {"room", "token"}
    )


def _is_port_range(text: str) -> bool:
    found = re.fullmatch(r"(\d{4,5})-(\d{4,5})", text)
    return found is not None and 1024 <= int(found[1]) <= int(found[2]) <= 65535


def _is_ip_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _has_scheme(*schemes: str) -> Callable[[str], bool]:
    return lambda text: urlsplit(text).scheme in schemes


def _is_origin_or_local(text: str) -> bool:
    return _is_address(text) and _is_origin(text)


def _is_origin(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in {"http", "https"} and bool(parts.netloc) and parts.path in {"", "/"}


MEANINGS: dict[str, tuple[Callable[[str], bool], str]] = {
    "database_url": (
        _has_scheme("postgresql", "postgres"),
        "an address like postgresql://user@host/database",
    ),
    "redis_url": (_has_scheme("redis", "rediss", "unix"), "an address like redis://host:6379/0"),
    "secret": (
        lambda text: len(text) >= SECRET_CHARACTERS_MIN,
        f"{SECRET_CHARACTERS_MIN} or more characters, like `openssl rand -hex 32` prints",
    ),
    "public_url": (_is_origin, "an address like https://shop.example, without a path"),
    "internal_url": (_is_origin, "an address like http://gateway:8000, without a path"),
    "stripe_secret_key": (_is_key("sk|rk"), "a key like sk_live_… or rk_live_…"),
    "stripe_publishable_key": (_is_key("pk"), "a key like pk_live_…"),
    "stripe_webhook_secret": (_is_key("whsec"), "a secret like whsec_…"),
    "stripe_api_base": (_is_origin_or_local, "an https address without a path"),
    "stripe_js_url": (_is_address, "an https address"),
    "media_url": (_is_origin, "an address like http://media:8100, without a path"),
    "media_ports": (_is_port_range, "a range of ports like 40000-40999"),
    "media_advertise": (_is_ip_address, "an IP address"),
    "media_bind": (_is_ip_address, "IP addresses, separated by commas"),
    "ice_servers": (
        lambda text: ICE_SERVER.fullmatch(text) is not None,
        "addresses like stun:host:3478 or turn:host:3478?transport=udp",
    ),
    "whip_publish_url": (_is_template, "an address like https://engine/{room}/whip"),
    "whip_play_url": (_is_template, "an address like https://engine/{room}/whep"),
    "whip_token": (lambda text: text.isascii() and text.isprintable(), "printable ASCII"),
    "origins": (_is_origin, "origins like https://shop.example, separated by commas"),
    "trusted_proxies": (_is_network, "addresses or networks like 10.0.0.0/8"),
}
