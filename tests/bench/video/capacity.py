"""Processor time a viewer: a server on one core, its viewers on another, at rising numbers."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence

from tests.bench.children import Child
from tests.bench.video.figures import Level

SERVER_CORE, CLIENT_CORE = 0, 1
JOIN_TIMEOUT_S = 60.0
SETTLE_S = 1.0  # Joins ask for keyframes and repairs, which are no part of the steady state.


def tell(line: str) -> None:
    """Say how it goes, beside the figures."""
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def stage(
    mode: str, *, cores: bool = True, verify: bool = True
) -> Iterator[tuple[Child, Child, Child]]:
    """Start a server, its publisher with the verifier, and a process for viewers.

    With `cores` the server has one to itself, and the others share the next.
    """
    serving, watching = (SERVER_CORE, CLIENT_CORE) if cores else (None, None)
    program = [sys.executable, "-m", "tests.bench.video.server", mode]
    with Child(program, core=serving) as server:
        command = [sys.executable, "-m", "tests.bench.video.clients", server.hear("ready")["url"]]
        with Child(command, core=watching) as host, Child(command, core=watching) as crowd:
            film = host.ask("publish", "publish")
            if verify:
                host.ask("verify", "verify")
            tell(
                f"{mode}: {film['frames_per_s']} fps, {film['bits_per_s'] / 1e6:.2f} Mb/s and Opus"
            )
            yield server, host, crowd


def measure(mode: str, counts: Sequence[int], seconds: float) -> list[Level]:
    """Return a window of this length at each number of viewers.

    aiortc's relay has no verifier: that would be a viewer more, and two fill its core.
    """
    with stage(mode, verify=mode != "mediarelay") as (server, host, crowd):
        return [measure_level(server, host, crowd, count, seconds) for count in counts]


def measure_loss(share: float, seconds: float) -> float:
    """Return decoded pictures a second with this share lost both ways, on both lines."""
    with stage("fast") as (_, host, _crowd):
        host.ask(f"lose {share}", "lose")
        host.ask("window", "window")
        time.sleep(seconds)
        fps = float(host.ask("window", "window")["verifier_fps"])
        tell(f"loss: {fps:.1f} fps decoded with {share:.0%} lost, each way, on both lines")
        return fps


def measure_level(server: Child, host: Child, crowd: Child, count: int, seconds: float) -> Level:
    """Have so many viewers, and return a window of this length."""
    joined = crowd.ask(f"watch {count}", "watch", JOIN_TIMEOUT_S)
    time.sleep(SETTLE_S)
    for child in (host, crowd):
        child.ask("window", "window")
    cpu_s, began_s = server.cpu_s(), time.monotonic()
    time.sleep(seconds)
    share = (server.cpu_s() - cpu_s) / (time.monotonic() - began_s)
    verified, seen = host.ask("window", "window"), crowd.ask("window", "window")
    level = Level(
        viewers=count,
        cpu_share=share,
        verifier_fps=verified["verifier_fps"],
        least_fps=seen["least_fps"],
        bits_per_s=seen["bits_per_s"],
        silent=seen["silent"],
        missing_share=seen["missing_share"],
        published_fps=verified["published_fps"],
    )
    tell(
        f"  {count} viewers (joined in {joined['seconds']} s): {share:.1%} of a core,"
        f" {level.bits_per_s / 1e6:.2f} Mb/s each, the least got {level.least_fps:.1f} fps,"
        f" {level.silent} nothing, {level.missing_share:.2%} of packets late or lost;"
        f" the verifier decoded {level.verifier_fps:.1f} of {level.published_fps:.1f} fps"
    )
    return level
