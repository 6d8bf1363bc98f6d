"""Let aiortc's peers of this process talk over 127.0.0.1 alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from unittest import mock

LOOPBACK = "127.0.0.1"


@contextlib.contextmanager
def only_loopback() -> Iterator[None]:
    """Gather no candidate but 127.0.0.1, which aioice leaves out by itself."""
    with mock.patch("aioice.ice.get_host_addresses", return_value=[LOOPBACK]):
        yield
