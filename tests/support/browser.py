"""Find and start a Chromium that talks to nobody but our server."""

from __future__ import annotations

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",  # CI runs as root, where Chromium's sandbox refuses to start.
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",  # Containers often have a /dev/shm of 64 MiB.
)


def find_chromium() -> str | None:
    """Return the path of a browser: HUBBUB_CHROMIUM, else the first known name on PATH."""
    named = os.environ.get("HUBBUB_CHROMIUM")
    if named:
        return named
    return next((path for path in map(shutil.which, NAMES) if path), None)
