"""Decide when a client comes back after a close, as `docs/protocol.md` asks of every client."""

from __future__ import annotations

from random import Random

BACK_OFF_MIN_MS = 500
BACK_OFF_MAX_MS = 20_000
# A crowd that was told one moment still spreads over this much.
COME_BACK_JITTER_MS = 250


def wait_before_return(
    code: int | None, retry_ms: int | None, attempt: int, random: Random
) -> int | None:
    """Return how many ms to wait before connecting again; None: do not come back.

    `code` is the close code, None when the connection just broke; `retry_ms` comes from the
    goodbye frame; `attempt` counts from 0 since the last good connection.
    """
    if code is not None and 4000 <= code <= 4099:
        return None
    if code is not None and 4200 <= code <= 4299 and retry_ms is not None:
        return retry_ms + random.randrange(COME_BACK_JITTER_MS)
    ceiling_ms = min(BACK_OFF_MAX_MS, BACK_OFF_MIN_MS * 2 ** min(attempt + 1, 10))
    return max(retry_ms or 0, random.randint(BACK_OFF_MIN_MS, ceiling_ms))
