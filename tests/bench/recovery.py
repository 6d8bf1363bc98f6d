"""Cut thousands of viewers off again and again, and count what of the sale lane they missed.

This is the real program, `python -m server serve --demo` with two gateways, PostgreSQL and Valkey
of its own: a host announces and pins over HTTP, each in a transaction, and the room is told. Every
viewer loses its connection every 15 s for 2 s, each at another moment, and comes back with its
epoch and offset. Nobody sends `sync`: what the server does not send by itself is missed.

An event counts as delivered when it came once, in order, or when a snapshot that contains it came;
snapshots are counted apart. Replay time is from `connect` to having what the hello promised.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable
from typing import Any

import msgspec

from tests.bench.compiled import NoCompilerError
from tests.bench.crowd_client import CrowdClient
from tests.support.api import Caller, log_in
from tests.support.program import Program
from tests.support.viewer import newest_offset

ROOM = "demo"
# A room may have 20/s; a busy host with a sale under way makes half of it.
EVENTS_PER_S = 8.0
PIN_EVERY = 8
SETTLE_S = 30.0
RAMP_PER_S = 700


def tell(line: str) -> None:
    """Say something to a person."""
    print(line, flush=True)


async def keep_selling(host: Caller, items: list[str]) -> None:
    """Announce, and now and then pin another item, at a fixed pace, until cancelled."""
    due_s = time.monotonic()
    number = 0
    while True:
        number += 1
        if number % PIN_EVERY == 0 and items:
            item = items[number // PIN_EVERY % len(items)]
            await host.call("POST", f"/api/rooms/{ROOM}/pin", {"item": item})
        else:
            text = f"~t{time.monotonic_ns()} event {number}"
            await host.call("POST", f"/api/rooms/{ROOM}/announce", {"text": text})
        due_s = max(due_s + 1 / EVENTS_PER_S, time.monotonic() - 1)
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))


async def run(flags: argparse.Namespace, port: int) -> dict[str, Any]:
    """Play the whole show against a program at `port`, and return the figures."""
    host = await log_in(f"http://127.0.0.1:{port}", "host")
    await host.call("POST", f"/api/rooms/{ROOM}/start")
    state = await host.call("GET", f"/api/rooms/{ROOM}")
    crowd = CrowdClient(port, "--sale", "--ramp", str(RAMP_PER_S), clients=flags.clients)
    try:
        await asyncio.to_thread(crowd.wait_until_ready)
        tell(f"{flags.clients:,} viewers are in the room")
        before = await newest_offset(port)
        selling = asyncio.create_task(keep_selling(host, [row["item"] for row in state["bag"]]))
        crowd.tell(f"cut {int(flags.every_s * 1000)} {int(flags.away_s * 1000)}")
        begun_s = time.monotonic()
        while (left_s := begun_s + flags.seconds - time.monotonic()) > 0:
            done, _ = await asyncio.wait([selling], timeout=min(10.0, left_s))
            if done:
                await selling
            window = await asyncio.to_thread(crowd.window)
            tell(
                f"  {time.monotonic() - begun_s:4.0f} s: {window['open']:,} connected,"
                f" {window['sale']['count'] / window['seconds']:,.0f} live events/s,"
                f" p99 {window['sale']['p99_ms']:.0f} ms from the host's call to the viewer"
            )
        selling.cancel()
        crowd.tell("calm")
        await asyncio.wait([selling])
        after = await newest_offset(port)
        seen = await asyncio.to_thread(lambda: crowd.verdict(after, within_s=SETTLE_S))
    finally:
        crowd.stop()
        await host.close()
    return figures(seen, clients=flags.clients, sale_events=after - before, seconds=flags.seconds)


def figures(
    seen: dict[str, Any], *, clients: int, sale_events: int, seconds: float
) -> dict[str, Any]:
    """Turn the crowd's verdict into the last line; whoever never joined has missed everything."""
    expected = seen["expected"] + (clients - seen["joined"]) * sale_events
    missed = seen["missed"] + (clients - seen["joined"]) * sale_events
    share = (expected - missed) / expected if expected else 0.0
    # Never rounded up: 100.00 means that nothing is missing.
    delivered_percent = 100.0 if missed == 0 else min(99.99, round(share * 100, 2))
    return {
        "clients": clients,
        "cuts": seen["cuts"],
        "sale_events": sale_events,
        "delivered_percent": delivered_percent,
        "duplicates": seen["duplicates"],
        "missed": missed,
        "replayed": seen["replayed"],
        "snapshots": seen["snapshots"],
        "replay_p50_ms": round(seen["replay"]["p50_ms"], 1),
        "replay_p99_ms": round(seen["replay"]["p99_ms"], 1),
        "seconds": seconds,
        "expected_deliveries": expected,
        "by_snapshot": seen["covered"],
        "rewinds": seen["rewinds"],
        "unplaced": seen["unplaced"],
        "epoch_changes": seen["epoch_changes"],
        "differing": seen["differing"],
        "malformed": seen["malformed"],
        "lost_otherwise": seen["lost"],
        "close_codes": seen["codes"],
    }


def misses(line: dict[str, Any]) -> list[str]:
    """Say what the figures do not live up to."""
    claims: dict[str, Callable[[], bool]] = {
        "every event is delivered": lambda: line["delivered_percent"] == 100.0,
        "no event comes twice": lambda: line["duplicates"] == 0,
        "everybody sees the same events": lambda: line["differing"] + line["malformed"] == 0,
        "every event has its place": lambda: line["unplaced"] + line["epoch_changes"] == 0,
        "clients were cut": lambda: line["cuts"] > 0 and line["sale_events"] > 0,
    }
    return [claim for claim, holds in claims.items() if not holds()]


def main() -> None:
    """Read the flags, start the program, measure, stop it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.recovery", description=__doc__)
    parser.add_argument("--clients", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=120.0, help="how long they are cut")
    parser.add_argument("--every-s", type=float, default=15.0, help="between two cuts of a viewer")
    parser.add_argument("--away-s", type=float, default=2.0, help="how long each is away")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hubbub-bench-") as folder:
        environment = {"PORT": "0", "DATA": folder, "HUBBUB_GATEWAYS": "2"}
        program = Program("serve", "--demo", environment=environment)
        try:
            program.wait_until_ready()
            tell(f"the program serves with two gateways on port {program.port}")
            line = asyncio.run(run(flags, program.port))
        except NoCompilerError as error:
            raise SystemExit(f"nothing could be measured: {error}") from None
        finally:
            program.stop()
    for miss in misses(line):
        tell(f"missed: {miss}")
    print(msgspec.json.encode(line).decode())


if __name__ == "__main__":
    main()
