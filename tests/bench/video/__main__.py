"""Measure live video on one machine; the last line is one JSON object.

H.264 720p30 of 1.5 Mb/s with Opus, over 127.0.0.1. `viewers_per_core` (fast) and
`viewers_per_core_plain` are extrapolated: the line through the server's processor share at 50, 100
and 150 viewers, up to a whole core; one more run has 250. Viewers are real connections (ICE, DTLS,
SRTP) that count packets and do not decrypt them, and take what one call sent as one (UDP GRO), for
the receiver's half of loopback would count as the server's; one verifier beside them decodes
everything, and `fps` is its rate at 250. `cpu_vs_mediarelay` is the processor time a viewer of
aiortc's own relay, from one viewer to two in the same run, over ours. First picture and glass to
glass are medians in Chromium; `fps_at_5_percent_loss` has that share lost both ways on both lines.
A figure of a phase that was not run is null. The room's phase prints how much longer chat and sale
events take while 50 people watch, beside the figures.
"""

from __future__ import annotations

import argparse
import asyncio

import msgspec

from tests.bench.video.browsers import measure_delays
from tests.bench.video.capacity import measure, measure_loss, tell
from tests.bench.video.figures import Figures, fit, misses
from tests.bench.video.room import measure_room

PHASES = ("fast", "plain", "mediarelay", "chromium", "loss", "room")
MORE_PHASES = ("packet",)  # Told beside the figures, when asked for.


def main() -> None:
    """Read the flags, run the phases, print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.video", description=__doc__)
    parser.add_argument(
        "--phase", action="append", choices=PHASES + MORE_PHASES, help="only this; may repeat"
    )
    parser.add_argument("--viewers", type=int, nargs="+", default=[50, 100, 150])
    parser.add_argument(
        "--most", type=int, default=250, help="the run at full rate; 0 leaves it out"
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a window")
    parser.add_argument("--pairs", type=int, default=5, help="of the room's phase")
    flags = parser.parse_args()
    figures = run(flags, set(flags.phase or PHASES))
    for miss in misses(figures):
        tell(f"missed: {miss}")
    print(msgspec.json.encode(figures).decode())


def run(flags: argparse.Namespace, phases: set[str]) -> Figures:
    """Return the figures of these phases."""
    found: dict[str, float] = {}
    per_viewer: dict[str, float] = {}
    if "fast" in phases:
        counts = [*flags.viewers, *([flags.most] if flags.most else [])]
        levels = measure("fast", counts, flags.seconds)
        line = fit(levels[: len(flags.viewers)])
        per_viewer["fast"] = line.per_viewer
        found["viewers_per_core"] = line.viewers_per_core
        found["fps"] = round(levels[-1].verifier_fps, 1)
    if "plain" in phases:
        line = fit(measure("plain", flags.viewers, flags.seconds))
        found["viewers_per_core_plain"] = line.viewers_per_core
    if "packet" in phases:
        line = fit(measure("packet", flags.viewers, flags.seconds))
        tell(f"packet: {line.viewers_per_core} viewers a core")
    if "mediarelay" in phases:
        per_viewer["mediarelay"] = fit(measure("mediarelay", [1, 2], flags.seconds)).per_viewer
    if len(per_viewer) == 2:
        found["cpu_vs_mediarelay"] = round(per_viewer["mediarelay"] / per_viewer["fast"], 1)
    if "chromium" in phases:
        first_ms, glass_ms = asyncio.run(measure_delays())
        found |= {"first_frame_ms": round(first_ms, 1), "glass_to_glass_ms": round(glass_ms, 1)}
    if "loss" in phases:
        found["fps_at_5_percent_loss"] = round(measure_loss(0.05, 2 * flags.seconds), 1)
    if "room" in phases:
        measure_room(pairs=flags.pairs, seconds=flags.seconds - 1)
    return Figures(**found)  # type: ignore[arg-type]  # Numbers all, by the fields' names.


if __name__ == "__main__":
    main()
