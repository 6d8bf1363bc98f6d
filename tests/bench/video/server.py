"""One forwarder in a process of its own, as in the product; 127.0.0.1 only.

`python -m tests.bench.video.server fast` says `{"event": "ready", "url": …}` on stdout; it ends
when its stdin does.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import msgspec

from server.ops import collector
from tests.support.media.loopback import LOOPBACK, only_loopback
from tests.support.media.signalling import serve
from tests.support.media.stock import StockForwarder

MODES = ("fast", "plain", "packet", "mediarelay")


def build_forwarder(mode: str) -> Any:
    """Return a forwarder for 127.0.0.1: ours in one of its modes, or aiortc's own relay."""
    if mode == "mediarelay":
        return StockForwarder()
    from realtime.video.config import VideoConfig
    from realtime.video.forwarder import BuiltinForwarder

    config = VideoConfig(
        mode=mode,  # type: ignore[arg-type]  # Checked by the command line.
        bind_addresses=(LOOPBACK,),
        viewers_per_room_max=1_000,
        viewers_max=1_000,
        answers_waiting_max=1_000,
    )
    return BuiltinForwarder(config, wall_ms=lambda: time.time_ns() // 1_000_000)


async def run(mode: str) -> None:
    """Serve until stdin ends."""
    forwarder = build_forwarder(mode)
    with only_loopback():
        async with serve(forwarder) as url:
            collector.let_go()
            print(msgspec.json.encode({"event": "ready", "url": url}).decode(), flush=True)
            await asyncio.to_thread(sys.stdin.read)
            await forwarder.close()


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in MODES:
        raise SystemExit(f"one of {', '.join(MODES)} is wanted")
    asyncio.run(run(sys.argv[1]))
