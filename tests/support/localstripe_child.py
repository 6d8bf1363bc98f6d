"""Run localstripe, a stateful fake of Stripe, on one loopback port, with nothing on disk.

`python -m tests.support.localstripe_child PORT`. Its own `main` listens on every address and keeps
its objects in a file that all runs share; neither is for tests.
"""

from __future__ import annotations

import sys

from aiohttp import web
from localstripe import resources, server


def main() -> None:
    """Serve until killed."""
    resources.Store.dump_to_disk = lambda self: None
    web.run_app(server.app, host="127.0.0.1", port=int(sys.argv[1]), print=None)


if __name__ == "__main__":
    main()
