"""Webhook signatures: HMAC-SHA256 over the time and the body, good for five minutes."""

from __future__ import annotations

import hashlib
import hmac
import re

SIGNATURE_HEADER = "Hubbub-Signature"
# Long enough for clocks that differ and a slow network; short enough to make replays stale.
TOLERANCE_S = 300
SIGNATURE = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})", re.ASCII)


def sign(body: bytes, *, secret: str, now_s: int) -> str:
    """Return the header's value for a body sent now."""
    return f"t={now_s},v1={_digest(body, secret=secret, sent_s=now_s)}"


def is_genuine(body: bytes, header: str, *, secret: str, now_s: int) -> bool:
    """Say whether the header was made for this body with this secret, less than 5 min ago."""
    found = SIGNATURE.fullmatch(header.strip())
    if found is None:
        return False
    sent_s = int(found[1])
    fits = hmac.compare_digest(_digest(body, secret=secret, sent_s=sent_s), found[2])
    return fits and abs(now_s - sent_s) <= TOLERANCE_S


def _digest(body: bytes, *, secret: str, sent_s: int) -> str:
    return hmac.new(secret.encode(), b"%d." % sent_s + body, hashlib.sha256).hexdigest()
