"""Delays in Chromium: until the first picture, and from one page's canvas to another's screen."""

from __future__ import annotations

import asyncio
import statistics
import sys

from tests.bench.children import Child
from tests.bench.video.capacity import tell
from tests.support.browser import find_chromium
from tests.support.media.chromium import call, open_browsers, open_page

WARM_UP_S = 2.0  # An encoder has its rate by then.


async def measure_delays(
    *, codec: str = "H264", joins: int = 5, pictures: int = 90
) -> tuple[float, float]:
    """Return the medians in ms: first picture over `joins` joins, glass to glass."""
    executable = find_chromium()
    if executable is None:
        raise SystemExit("no Chromium found: set HUBBUB_CHROMIUM to its path")
    with Child([sys.executable, "-m", "tests.bench.video.server", "fast"]) as server:
        url = server.hear("ready")["url"]
        async with open_browsers(executable) as (one, other):
            host = await open_page(one, url, "host")
            await call(host, "publish", url=f"{url}/whip/r", codec=codec, source="code")
            await asyncio.sleep(WARM_UP_S)
            firsts = []
            for _ in range(joins):
                guest = await open_page(other, url, "guest")
                firsts.append(await call(guest, "watch", url=f"{url}/whep/r"))
                await call(guest, "leave")
                await guest.close()
            guest = await open_page(other, url, "guest")
            await call(guest, "watch", url=f"{url}/whep/r")
            await asyncio.sleep(WARM_UP_S)
            found = await call(guest, "glassToGlass", count=pictures)
    glass_ms = statistics.median(found["delays"])
    tell(
        f"Chromium, {codec}: first picture {', '.join(f'{ms:.0f}' for ms in firsts)} ms after the"
        f" offer is asked for; drawn to shown {glass_ms:.0f} ms (median of {len(found['delays'])},"
        f" the most {max(found['delays']):.0f}; {found['unread']} unreadable)"
    )
    return statistics.median(firsts), glass_ms
