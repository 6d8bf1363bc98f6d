"""What of a stranger's description reaches the library."""

from __future__ import annotations

import pytest

from realtime.video.offers import (
    CANDIDATES_MAX,
    FRAGMENT_CHARS_MAX,
    PORTS_OF_HOST_MAX,
    Candidates,
    parse_fragment,
    without_costly_candidates,
)
from realtime.video.ports import VideoError
from realtime.video.reach import Reach

GOOD = "1 1 udp 2130706431 192.0.2.7 5000 typ host"


@pytest.mark.parametrize(
    "costly",
    [
        "1 1 udp 2130706431 0a1b-2c.local 5000 typ host",  # Resolved by multicast.
        "1 1 tcp 2130706431 192.0.2.7 9 typ host tcptype active",
        "1 1 udp x 192.0.2.7 5000 typ host",
        "1 1 udp 2130706431 192.0.2.7 70000 typ host",
        f"1 1 udp 2130706431 192.0.2.7 {'9' * 5000} typ host",
        "1 1 udp 2130706431 192.0.2.7 5000 typ srflx raddr 0.0.0.0 rport nine",
        "1 1 udp 2130706431 10.0.0.7 5000 typ host",  # Not a network of ours.
        "1 1 udp 2130706431 192.0.2.7 53 typ host",
        "1 1 udp",
        "",
    ],
)
def test_costly_candidates_are_left_out(costly: str) -> None:
    """Of offers and of fragments."""
    offer = f"v=0\r\na=candidate:{costly}\r\na=candidate:{GOOD}\r\na=end-of-candidates\r\n"
    assert without_costly_candidates(offer, Candidates(Reach())) == f"v=0\r\na=candidate:{GOOD}\r\n"
    text = f"a=ice-ufrag:abcd\r\na=candidate:{costly}\r\na=candidate:{GOOD}"
    fragment = parse_fragment(text, Candidates(Reach()))
    assert fragment.candidates == (GOOD,)
    assert fragment.user == "abcd"


def test_a_list_of_addresses_to_check_is_cut_short() -> None:
    """Each would be sent several packets. Those that are trickled count with those of the offer."""
    candidates = Candidates(Reach())
    lines = [f"a=candidate:{GOOD.replace('192.0.2', f'192.0.{n}')}\r\n" for n in range(3, 200)]
    offered = without_costly_candidates("".join(lines[:20]), candidates).count("a=candidate:")
    trickled = parse_fragment("".join(lines[20:120]), candidates).candidates
    assert (offered, offered + len(trickled)) == (20, CANDIDATES_MAX)
    assert parse_fragment("".join(lines[120:]), candidates).candidates == ()


def test_one_host_is_not_looked_through() -> None:
    """A few of its ports, whatever is repeated."""
    lines = "".join(f"a=candidate:{GOOD.replace('5000', str(5000 + n))}\r\n" for n in range(500))
    kept = without_costly_candidates(lines * 2, Candidates(Reach()))
    assert len(set(kept.splitlines())) == PORTS_OF_HOST_MAX


@pytest.mark.parametrize("text", ["", "  ", "a" * (FRAGMENT_CHARS_MAX + 1), "a=mid:0\x00"])
def test_fragments_that_are_none_are_refused(text: str) -> None:
    """By their size alone."""
    with pytest.raises(VideoError) as refused:
        parse_fragment(text, Candidates(Reach()))
    assert refused.value.code == "bad_offer"
