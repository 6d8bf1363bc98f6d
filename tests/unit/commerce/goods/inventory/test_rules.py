"""The reservation core's decision, as examples and as promises."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from commerce.goods.inventory.model import Outcome, Request
from commerce.goods.inventory.rules import PoolState, SaleTerms, decide_batch, decide_window

NOW_MS = 1_000_000


def make_sale(**overrides: object) -> SaleTerms:
    """Return an open sale without a limit."""
    fields = {"id": "s", "state": "open", "opens_at_ms": 0, "ends_at_ms": None, "per_buyer": None}
    return SaleTerms(**(fields | overrides))  # type: ignore[arg-type]  # Overrides are checked by use.


def make_pool(total: int, claimed: int = 0, sold: int = 0, **more: object) -> PoolState:
    """Return a pool that has granted nothing yet."""
    fields = {"total": total, "claimed": claimed, "sold": sold, "granted": {}, "bought": {}}
    return PoolState(**(fields | more))  # type: ignore[arg-type]  # As above.


def decide(pool: PoolState, *requests: Request, sale: SaleTerms | None = None) -> list[Outcome]:
    """Decide requests of one sale."""
    terms = sale or make_sale()
    return decide_batch(pool, {terms.id: terms}, requests, NOW_MS)


def ask(n: int, qty: int = 1) -> Request:
    """Return the n-th user's request."""
    return Request(f"r{n}", "s", f"u{n}", qty)


def test_arrival_order_decides_who_gets_the_last_unit() -> None:
    assert decide(make_pool(1), ask(1), ask(2)) == [Outcome.RESERVED, Outcome.HELD_OUT]


def test_a_smaller_request_still_fits_behind_a_bigger_one() -> None:
    assert decide(make_pool(2), ask(1, 3), ask(2, 2)) == [
        Outcome.NOT_ENOUGH_LEFT,
        Outcome.RESERVED,
    ]


def test_sold_out_means_every_unit_is_sold() -> None:
    assert decide(make_pool(2, 2, 2), ask(1)) == [Outcome.SOLD_OUT]
    assert decide(make_pool(2, 2, 1), ask(1)) == [Outcome.HELD_OUT]


def test_a_known_id_is_replayed_before_anything_else_is_asked() -> None:
    pool = make_pool(1, 1, 1, granted={"r1": 1})
    ended = make_sale(state="ended")
    assert decide(pool, ask(1), sale=ended) == [Outcome.REPLAYED]
    assert decide(pool, ask(1, 2), sale=ended) == [Outcome.CONFLICT]


def test_the_limit_counts_what_the_buyer_has() -> None:
    pool = make_pool(9, 1, bought={("s", "u1"): 1})
    sale = make_sale(per_buyer=2)
    assert decide(pool, ask(1, 2), ask(2, 2), sale=sale) == [
        Outcome.LIMIT_REACHED,
        Outcome.RESERVED,
    ]
    assert decide(pool, ask(1), sale=sale) == [Outcome.RESERVED]


def test_the_window_opens_and_ends_on_the_millisecond() -> None:
    sale = make_sale(opens_at_ms=10, ends_at_ms=20)
    assert decide_window(sale, 9) is Outcome.NOT_OPEN
    assert decide_window(sale, 10) is Outcome.RESERVED
    assert decide_window(sale, 19) is Outcome.RESERVED
    assert decide_window(sale, 20) is Outcome.ENDED


def test_a_halted_sale_gives_nothing_until_its_window_ends() -> None:
    sale = make_sale(state="halted", opens_at_ms=10, ends_at_ms=20)
    assert decide_window(sale, 9) is Outcome.HALTED
    assert decide_window(sale, 19) is Outcome.HALTED
    assert decide_window(sale, 20) is Outcome.ENDED
    assert decide_window(make_sale(state="halted", opens_at_ms=None), 5) is Outcome.HALTED
    halted = make_sale(state="halted")
    pool = make_pool(9, 1, granted={"r1": 1})
    assert decide(pool, ask(1), ask(2), sale=halted) == [Outcome.REPLAYED, Outcome.HALTED]


def test_a_sale_that_is_over_or_not_planned_sells_nothing() -> None:
    for over in ("ended", "cancelled"):
        assert decide_window(make_sale(state=over), 5) is Outcome.ENDED
    assert decide_window(make_sale(opens_at_ms=None), 5) is Outcome.NOT_OPEN
    assert decide_window(None, 5) is Outcome.NO_SUCH_SALE


@given(
    total=st.integers(0, 30),
    claimed=st.integers(0, 30),
    quantities=st.lists(st.integers(1, 6), max_size=40),
)
def test_no_order_of_requests_oversells(total: int, claimed: int, quantities: list[int]) -> None:
    pool = make_pool(total, min(claimed, total))
    requests = [ask(n, qty) for n, qty in enumerate(quantities)]
    outcomes = decide(pool, *requests)
    won = sum(r.qty for r, o in zip(requests, outcomes, strict=True) if o is Outcome.RESERVED)
    assert pool.claimed + won <= pool.total
    refused = {o for o in outcomes if o is not Outcome.RESERVED}
    if Outcome.HELD_OUT in refused:
        assert pool.claimed + won == pool.total
