"""Who may wait, and who is served first."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce.goods.inventory.rules import SaleTerms
from commerce.goods.waiting_list.model import LIST_MAX, Join, Line, Waiter, Wish
from commerce.goods.waiting_list.rules import decide_join, decide_offers

SALE = SaleTerms("s", "open", 0, 1_000, 2)
HELD_OUT = Line(
    now_ms=5, total=3, claimed=3, sold=1, waiting=0, bought=0, known_qty=None, live_entry=None
)
WISH = Wish("e", "s", "u", 1)


def join(sale: SaleTerms = SALE, qty: int = 1, **line: object) -> Join:
    """Decide a wish to wait."""
    return decide_join(
        sale,
        msgspec.structs.replace(HELD_OUT, **line),
        msgspec.structs.replace(WISH, qty=qty),
    )


def test_who_finds_every_unit_held_may_wait() -> None:
    assert join() is Join.JOINED


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ({"claimed": 2}, Join.NOT_HELD_OUT),
        ({"sold": 3}, Join.SOLD_OUT),
        ({"bought": 2}, Join.LIMIT_REACHED),
        ({"waiting": LIST_MAX}, Join.LIST_FULL),
        ({"waiting": LIST_MAX - 1}, Join.JOINED),
        ({"known_qty": 1, "claimed": 0}, Join.REPLAYED),
        ({"known_qty": 2}, Join.CONFLICT),
        ({"live_entry": "other"}, Join.ALREADY_WAITING),
        ({"now_ms": 1_000}, Join.ENDED),
        ({"now_ms": 1_000, "live_entry": "other"}, Join.ALREADY_WAITING),
    ],
)
def test_who_may_not_wait_hears_why(line: dict[str, object], answer: Join) -> None:
    assert join(**line) is answer


def test_nobody_waits_for_more_than_may_come_back() -> None:
    assert join(qty=2) is Join.JOINED
    generous = msgspec.structs.replace(SALE, per_buyer=None)
    assert join(generous, qty=3) is Join.NOT_ENOUGH_LEFT


@pytest.mark.parametrize("state", ["ended", "cancelled"])
def test_nobody_waits_for_a_sale_that_is_over(state: str) -> None:
    assert join(msgspec.structs.replace(SALE, state=state)) is Join.ENDED


def test_nobody_waits_before_the_opening() -> None:
    assert join(msgspec.structs.replace(SALE, opens_at_ms=6)) is Join.NOT_OPEN


def waiter(id: str, qty: int = 1, bought: int = 0, **more: object) -> Waiter:
    """Make somebody in line, who may have two."""
    return Waiter(id, qty, bought, 2, **more)  # type: ignore[arg-type]


def test_units_go_to_the_line_in_order_of_arrival() -> None:
    line = [waiter("a"), waiter("b"), waiter("c")]
    assert decide_offers(2, line) == (["a", "b"], {})


def test_who_wants_more_than_is_free_keeps_the_place_and_holds_nobody_up() -> None:
    line = [waiter("two", 2), waiter("one"), waiter("late")]
    assert decide_offers(1, line) == (["one"], {})
    assert decide_offers(2, line) == (["two"], {})


def test_who_may_not_have_it_any_more_is_closed_and_the_next_one_served() -> None:
    line = [waiter("full", bought=2), waiter("over", is_over=True), waiter("next"), waiter("last")]
    assert decide_offers(1, line) == (["next"], {"full": "limit_reached", "over": "ended"})


def test_a_halted_sale_gives_nothing_and_closes_nobody_while_it_has_time() -> None:
    line = [
        waiter("halted", is_halted=True),
        waiter("full", bought=2, is_halted=True),
        waiter("over", is_halted=True, is_over=True),
        waiter("next"),
    ]
    assert decide_offers(1, line) == (["next"], {"over": "ended"})


@given(
    free=st.integers(0, 6),
    line=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2)), max_size=8),
)
def test_never_more_is_offered_than_is_free_and_nobody_who_fits_is_passed_over(
    free: int, line: list[tuple[int, int]]
) -> None:
    waiters = [waiter(str(n), qty, bought) for n, (qty, bought) in enumerate(line)]
    offers, closed = decide_offers(free, waiters)
    given_away = sum(waiters[int(id)].qty for id in offers)
    assert given_away <= free
    assert offers == sorted(offers, key=int)
    assert not set(offers) & set(closed)
    left = [w for w in waiters if w.id not in offers and w.id not in closed]
    assert all(w.qty > free - given_away for w in left)
