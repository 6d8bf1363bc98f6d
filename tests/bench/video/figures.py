"""From windows to figures: pure arithmetic, so that a test can hold it to known numbers."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

# What the last line is expected to say; `misses` names each that does not hold.
VIEWERS_PER_CORE_MIN = 500
VIEWERS_PER_CORE_PLAIN_MIN = 300
CPU_VS_MEDIARELAY_MIN = 100
FPS_MIN = 29.0
FIRST_FRAME_MS_MAX = 500
GLASS_TO_GLASS_MS_MAX = 300
FPS_AT_LOSS_MIN = 28.0


class Level(msgspec.Struct, frozen=True):
    """One window at one number of viewers."""

    viewers: int
    cpu_share: float  # Of one core, by the server's process alone; 1.0 is a whole core.
    verifier_fps: float  # Decoded by the verifier beside them.
    least_fps: float  # Pictures that came whole or not, of the viewer who got the fewest.
    bits_per_s: float  # Mean of the viewers, RTP with its headers.
    silent: int  # Viewers that got nothing at all.
    missing_share: float = 0.0  # Of all packets since they joined, those that did not come at once.
    published_fps: float = (
        0.0  # What the publisher sent meanwhile; less than its film on a busy machine.
    )


class Line(msgspec.Struct, frozen=True):
    """A least-squares line: processor share over viewers."""

    base: float
    per_viewer: float

    @property
    def viewers_per_core(self) -> int:
        """Where the line meets a whole core: an extrapolation."""
        return round((1.0 - self.base) / self.per_viewer)


class Figures(msgspec.Struct, frozen=True):
    """The last line. None is for a phase that was not run."""

    viewers_per_core: int | None = None
    viewers_per_core_plain: int | None = None
    cpu_vs_mediarelay: float | None = None
    fps: float | None = None
    first_frame_ms: float | None = None
    glass_to_glass_ms: float | None = None
    fps_at_5_percent_loss: float | None = None


def fit(levels: Sequence[Level]) -> Line:
    """Return the line through the levels' processor shares; at least two numbers of viewers."""
    count = len(levels)
    mean_viewers = sum(level.viewers for level in levels) / count
    mean_share = sum(level.cpu_share for level in levels) / count
    spread = sum((level.viewers - mean_viewers) ** 2 for level in levels)
    together = sum(
        (level.viewers - mean_viewers) * (level.cpu_share - mean_share) for level in levels
    )
    slope = together / spread
    return Line(base=mean_share - slope * mean_viewers, per_viewer=slope)


def misses(figures: Figures) -> list[str]:
    """Return what was measured and does not live up to what is expected."""
    least = {
        "viewers_per_core": VIEWERS_PER_CORE_MIN,
        "viewers_per_core_plain": VIEWERS_PER_CORE_PLAIN_MIN,
        "cpu_vs_mediarelay": CPU_VS_MEDIARELAY_MIN,
        "fps": FPS_MIN,
        "fps_at_5_percent_loss": FPS_AT_LOSS_MIN,
    }
    most = {"first_frame_ms": FIRST_FRAME_MS_MAX, "glass_to_glass_ms": GLASS_TO_GLASS_MS_MAX}
    found = []
    for name, bound in least.items():
        value = getattr(figures, name)
        if value is not None and value < bound:
            found.append(f"{name} is {value}; at least {bound} is expected")
    for name, bound in most.items():
        value = getattr(figures, name)
        if value is not None and value > bound:
            found.append(f"{name} is {value}; at most {bound} is expected")
    return found
