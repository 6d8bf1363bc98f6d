"""What a name may be, and when a login has to wait."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce.kernel.errors import CommerceError
from commerce.members.accounts.model import DEMO_STAFF, Failures
from commerce.members.accounts.rules import (
    FAILURES_OF_ADDRESS_MAX,
    FAILURES_OF_LOGIN_MAX,
    NAME_CHARS_MAX,
    THROTTLE_WINDOW_MS,
    decide_name,
    decide_wait_ms,
)


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("Lena", "Lena"),
        ("  Lena \t", "Lena"),
        ("陈小宇", "陈小宇"),
        ("x" * 24, "x" * 24),
        ("陈", "陈"),
        ("Zoe\u0308", "Zoë"),
        ("👩‍👩‍👧", "👩‍👩‍👧"),
        ("<b>", "<b>"),
    ],
)
def test_a_name_is_trimmed_and_composed(raw: str, kept: str) -> None:
    """Any script, markup as text."""
    assert decide_name(raw) == kept


@pytest.mark.parametrize(
    "raw",
    ["", "   ", "x" * 25, "a\nb", "a\x00b", "a\u202eb", "\u200f", "a\u2028b", "\ue000", "\u200d"],
)
def test_an_impossible_name_is_refused(raw: str) -> None:
    """Empty, long, invisible, or with marks that reach beyond it."""
    with pytest.raises(CommerceError) as caught:
        decide_name(raw)
    assert caught.value.code == "invalid_request"
    assert caught.value.detail == {"field": "name"}


@given(st.text())
def test_a_kept_name_is_kept_again_as_it_is(raw: str) -> None:
    """The rule is idempotent and keeps its bounds."""
    try:
        name = decide_name(raw)
    except CommerceError:
        return
    assert decide_name(name) == name
    assert 1 <= len(name) <= NAME_CHARS_MAX


def test_demo_staff_have_possible_names() -> None:
    """The seed never trips over its own rule."""
    assert [decide_name(person.name) for person in DEMO_STAFF] == [p.name for p in DEMO_STAFF]


NOW_MS = 10_000_000


def failures(of_login: int, of_address: int) -> Failures:
    """Return failures one second apart, the newest one second ago."""
    times = [NOW_MS - 1_000 * (n + 1) for n in reversed(range(max(of_login, of_address)))]
    return Failures(of_login=times[len(times) - of_login :], of_address=times, now_ms=NOW_MS)


@pytest.mark.parametrize(
    ("of_login", "of_address"),
    [(0, 0), (FAILURES_OF_LOGIN_MAX - 1, 0), (0, FAILURES_OF_ADDRESS_MAX - 1)],
)
def test_few_failures_do_not_wait(of_login: int, of_address: int) -> None:
    """Below both limits the next attempt may come."""
    assert decide_wait_ms(failures(of_login, of_address)) is None


def test_a_login_waits_until_its_oldest_failure_is_forgotten() -> None:
    """At the limit, the oldest of the counted failures frees the way."""
    wait_ms = decide_wait_ms(failures(FAILURES_OF_LOGIN_MAX, 0))
    assert wait_ms == THROTTLE_WINDOW_MS - 1_000 * FAILURES_OF_LOGIN_MAX


def test_an_address_waits_for_its_own_limit() -> None:
    """Many logins from one address: the address's failures count."""
    wait_ms = decide_wait_ms(failures(0, FAILURES_OF_ADDRESS_MAX))
    assert wait_ms == THROTTLE_WINDOW_MS - 1_000 * FAILURES_OF_ADDRESS_MAX


def test_the_longer_wait_counts_and_is_never_nothing() -> None:
    """Both limits reached: the later of the two moments."""
    both = failures(FAILURES_OF_LOGIN_MAX, FAILURES_OF_ADDRESS_MAX)
    assert decide_wait_ms(both) == THROTTLE_WINDOW_MS - 1_000 * FAILURES_OF_LOGIN_MAX
    old = Failures(of_login=[0] * FAILURES_OF_LOGIN_MAX, of_address=[], now_ms=NOW_MS)
    assert decide_wait_ms(old) == 1
