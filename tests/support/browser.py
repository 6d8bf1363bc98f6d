"""Find and start a Chromium that talks to nobody but our server."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.async_api import Page

# The headless build draws no window around a page: a third of the processor time.
NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
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

# A camera that draws a clock and a microphone that beeps, allowed without asking; and calls that
# need no network beside the loopback.
CAMERA_FLAGS = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
)


def find_chromium() -> str | None:
    """Return the path of a browser: HUBBUB_CHROMIUM, else the first known name on PATH."""
    named = os.environ.get("HUBBUB_CHROMIUM")
    if named:
        return named
    return next((path for path in map(shutil.which, NAMES) if path), None)


# Long enough for a busy machine; only a failure takes it.
MUST_COME_S = 60.0


async def wait_for(page: Page, claim: Callable[[], bool]) -> None:
    """Wait, while the page goes on, until something is true here; fail after a minute."""
    deadline = time.monotonic() + MUST_COME_S
    while not claim():
        assert time.monotonic() < deadline, "never true"
        await page.wait_for_timeout(25)


async def wait_until(page: Page, condition: str, arg: object = None) -> None:
    """Wait until an expression, or a function of `arg`, is true in the page; fail after a minute.

    Playwright's own `wait_for_function` evaluates text in the page, which our content security
    policy forbids unless the condition holds at the first look.
    """
    deadline = time.monotonic() + MUST_COME_S
    while not await page.evaluate(condition, arg):
        assert time.monotonic() < deadline, f"never true: {condition}"
        await page.wait_for_timeout(25)
