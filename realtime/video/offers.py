"""Read offers and trickled fragments as text, before a library is made to work on them.

Both come from strangers: their size is bounded, and candidates that cost this machine something
(names to resolve by multicast, TCP, hundreds of addresses to check) are left out.
"""

from __future__ import annotations

import msgspec

from realtime.video.ports import VideoError
from realtime.video.reach import Reach

OFFER_CHARS_MAX = 64_000  # Chromium's offers are 6,000 to 9,000 long.
FRAGMENT_CHARS_MAX = 8_000
CANDIDATES_MAX = 32  # Of one peer, whenever it names them.
# Networks that a machine is in at once have one port each; more are a stranger's look at a host.
PORTS_OF_HOST_MAX = 4
CANDIDATE_CHARS_MAX = 512  # Some 150 are usual. Python reads no number of thousands of digits.


class Candidates:
    """What one peer may have checked: few addresses, each within reach."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._ports: dict[str, set[str]] = {}
        self._taken = 0

    def take(self, candidate: str) -> bool:
        """Say whether a candidate (without "a=candidate:") is used, and count it if so."""
        if self._taken >= CANDIDATES_MAX or not is_usable(candidate):
            return False
        host, port = candidate.split()[4:6]
        if not self._reach.may_check(host, int(port)):
            return False
        ports = self._ports.setdefault(host, set())
        ports.add(port)
        if len(ports) > PORTS_OF_HOST_MAX:
            return False
        self._taken += 1
        return True


class Fragment(msgspec.Struct, frozen=True):
    """What an `application/trickle-ice-sdpfrag` body (RFC 8840) says."""

    user: str | None
    candidates: tuple[str, ...]  # Without "a=candidate:".


def check_size(text: str, chars_max: int) -> None:
    """Refuse what is too long or no text. Raises VideoError (`bad_offer`)."""
    if not text.strip() or len(text) > chars_max or "\x00" in text:
        raise VideoError("bad_offer", "The description is empty, or too long.")


def without_costly_candidates(offer: str, candidates: Candidates) -> str:
    """Return an offer with the candidates that are used, and no end of them.

    A browser whose addresses are hidden is learnt from its first check; the end of candidates would
    make the library give up before that check has come.
    """
    kept: list[str] = []
    for line in offer.splitlines():
        if line == "a=end-of-candidates":
            continue
        if line.startswith("a=candidate:") and not candidates.take(line[len("a=candidate:") :]):
            continue
        kept.append(line)
    return "\r\n".join(kept) + "\r\n"


def is_usable(candidate: str) -> bool:
    """Say whether a candidate names a UDP address."""
    if len(candidate) > CANDIDATE_CHARS_MAX:
        return False
    fields = candidate.split()
    return (
        len(fields) >= 8
        and fields[1].isdecimal()
        and fields[2].lower() == "udp"
        and fields[3].isdecimal()
        and not fields[4].lower().endswith(".local")
        and fields[5].isdecimal()
        and 0 < int(fields[5]) < 65536
        and all(
            value.isdecimal()
            for name, value in zip(fields[8::2], fields[9::2], strict=False)
            if name == "rport"
        )
    )


def parse_fragment(text: str, candidates: Candidates) -> Fragment:
    """Read a trickled fragment. Raises VideoError (`bad_offer`)."""
    check_size(text, FRAGMENT_CHARS_MAX)
    user: str | None = None
    taken: list[str] = []
    for line in text.splitlines():
        if line.startswith("a=ice-ufrag:"):
            user = line[len("a=ice-ufrag:") :].strip()
        elif line.startswith("a=candidate:"):
            candidate = line[len("a=candidate:") :].strip()
            if candidates.take(candidate):
                taken.append(candidate)
    return Fragment(user=user, candidates=tuple(taken))
