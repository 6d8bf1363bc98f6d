"""What of a stranger's description reaches the library."""

from __future__ import annotations

import pytest

from realtime.video.offers import (
    CANDIDATES_MAX,
    FRAGMENT_CHARS_MAX,
    parse_fragment,
    without_costly_candidates,
)
from realtime.video.ports import VideoError

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
        "1 1 udp",
        "",
    ],
)
def test_costly_candidates_are_left_out(costly: str) -> None:
    """Of offers and of fragments."""
    offer = f"v=0\r\na=candidate:{costly}\r\na=candidate:{GOOD}\r\na=end-of-candidates\r\n"
    assert without_costly_candidates(offer) == f"v=0\r\na=candidate:{GOOD}\r\n"
    fragment = parse_fragment(f"a=ice-ufrag:abcd\r\na=candidate:{costly}\r\na=candidate:{GOOD}")
    assert fragment.candidates == (GOOD,)
    assert fragment.user == "abcd"


def test_a_list_of_addresses_to_check_is_cut_short() -> None:
    """Each would be sent several packets."""
    lines = "".join(f"a=candidate:{GOOD.replace('5000', str(5000 + n))}\r\n" for n in range(500))
    assert without_costly_candidates(lines).count("a=candidate:") == CANDIDATES_MAX


@pytest.mark.parametrize("text", ["", "  ", "a" * (FRAGMENT_CHARS_MAX + 1), "a=mid:0\x00"])
def test_fragments_that_are_none_are_refused(text: str) -> None:
    """By their size alone."""
    with pytest.raises(VideoError) as refused:
        parse_fragment(text)
    assert refused.value.code == "bad_offer"
