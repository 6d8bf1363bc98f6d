"""Run localstripe, a stateful fake of Stripe, on one loopback port, with nothing on disk.

`python -m tests.support.localstripe_child PORT`. Its own `main` listens on every address and keeps
its objects in a file that all runs share; neither is for tests. What Stripe says of money that was
taken, and localstripe does not, is added here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from aiohttp import web
from localstripe import resources, server

capture_at_localstripe = resources.Charge._capture


def capture(charge: Any, amount: Any, on_success: Callable[[], None] | None = None) -> None:
    """Take a charge, and note how much of it."""
    taken = charge.amount if amount is None else int(amount)

    def note() -> None:
        charge.amount_captured = taken
        if on_success is not None:
            on_success()

    capture_at_localstripe(charge, amount, note)


def amount_received(intent: Any) -> int:
    """Return what was taken of a PaymentIntent."""
    return intent.latest_charge.amount_captured if intent.status == "succeeded" else 0


def main() -> None:
    """Serve until killed."""
    resources.Store.dump_to_disk = lambda self: None
    resources.Charge._capture = capture
    resources.PaymentIntent.amount_received = property(amount_received)
    web.run_app(server.app, host="127.0.0.1", port=int(sys.argv[1]), print=None)


if __name__ == "__main__":
    main()
