"""The ICE servers that browsers are told, with credentials that the TURN server can check itself.

Invariant: the shared secret never leaves: a credential is made from it for one holder and a time
(`draft-uberti-behave-turn-rest`, coturn's `use-auth-secret`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

# As long as a show may be watched without asking anew; coturn looks at it when a session begins
# and at each refresh of an allocation.
CREDENTIAL_LIFETIME_S = 12 * 3600


class IceServers:
    """What sessions are told about getting through to the media."""

    def __init__(self, urls: Sequence[str], turn_secret: str | None) -> None:
        self._stun = [url for url in urls if url.startswith("stun")]
        self._turn = [url for url in urls if url.startswith("turn")]
        self._secret = turn_secret

    def servers(self, holder: str, now_ms: int) -> list[dict[str, Any]]:
        """Return `RTCIceServer` dictionaries as browsers take them."""
        found: list[dict[str, Any]] = [{"urls": [url]} for url in self._stun]
        if self._turn and self._secret is not None:
            username, credential = self._credential(self._secret, holder, now_ms)
            found.append({"urls": self._turn, "username": username, "credential": credential})
        return found

    def links(self, holder: str, now_ms: int) -> list[str]:
        """Return the values of `Link` headers (RFC 9725 section 4.6), one a server."""
        found = []
        for server in self.servers(holder, now_ms):
            for url in server["urls"]:
                link = f'<{url}>; rel="ice-server"'
                if "username" in server:
                    link += (
                        f'; username="{server["username"]}"; credential="{server["credential"]}"'
                        '; credential-type="password"'
                    )
                found.append(link)
        return found

    @staticmethod
    def _credential(secret: str, holder: str, now_ms: int) -> tuple[str, str]:
        username = f"{now_ms // 1000 + CREDENTIAL_LIFETIME_S}:{holder}"
        digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
        return username, base64.b64encode(digest).decode()
