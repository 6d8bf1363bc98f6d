"""Tie a child process to its supervising parent.

Invariant: a child never outlives its parent, however the parent ends.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

PR_SET_PDEATHSIG = 1  # From linux/prctl.h.
READY = b"ready\n"


class ParentLink:
    """The child's end of a socket pair; end of file means that the parent is gone."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        os.set_inheritable(descriptor, False)

    def watch(self) -> None:
        """Make the kernel end us with the parent; where it cannot, a thread does."""
        if sys.platform.startswith("linux"):
            ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        threading.Thread(target=self._wait_for_the_end, name="parent-link", daemon=True).start()

    def tell_ready(self) -> None:
        """Tell the parent that this child does its work now."""
        os.write(self._descriptor, READY)

    def _wait_for_the_end(self) -> None:
        try:
            while os.read(self._descriptor, 1):
                continue
        finally:
            os._exit(1)
