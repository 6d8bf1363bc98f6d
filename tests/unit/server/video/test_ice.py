"""ICE servers as browsers and WHIP clients are told them; the TURN secret stays here."""

from __future__ import annotations

import base64
import hashlib
import hmac

from server.video.engine import VideoRoom, fill_template
from server.video.ice import CREDENTIAL_LIFETIME_S, IceServers

URLS = ["stun:a.example:3478", "turn:a.example:3478?transport=udp", "turns:a.example:443"]


def test_credentials_are_what_coturn_computes_itself() -> None:
    servers = IceServers(URLS, "shared").servers("user:1", 1_000_000)
    assert servers[0] == {"urls": ["stun:a.example:3478"]}
    turn = servers[1]
    assert turn["urls"] == URLS[1:]
    assert turn["username"] == f"{1_000 + CREDENTIAL_LIFETIME_S}:user:1"
    expected = hmac.new(b"shared", turn["username"].encode(), hashlib.sha1).digest()
    assert base64.b64decode(turn["credential"]) == expected


def test_each_server_has_a_link_of_its_own() -> None:
    links = IceServers(URLS, "shared").links("user:1", 0)
    assert [link.split(">")[0] for link in links] == [f"<{url}" for url in URLS]
    assert "username" not in links[0]
    assert all('credential-type="password"' in link for link in links[1:])
    assert not any("shared" in link for link in links)


def test_without_servers_nothing_is_told() -> None:
    assert IceServers([], None).links("user:1", 0) == []


def test_what_is_filled_in_stays_in_its_place() -> None:
    room = VideoRoom("id", "../x?y#z/{token}")
    filled = fill_template("https://e/{room}/whip?t={token}", room, "a&b=c")
    assert filled == "https://e/..%2Fx%3Fy%23z%2F%7Btoken%7D/whip?t=a%26b%3Dc"
