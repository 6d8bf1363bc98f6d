"""A cart is decided whole: summed, in order, against one remainder a pool."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce.goods.inventory.model import QTY_MAX, Outcome, Request
from commerce.goods.inventory.rules import (
    CART_ITEMS_MAX,
    PoolState,
    SaleTerms,
    decide_cart,
    hash_cart,
    sum_items,
)
from commerce.kernel.errors import CommerceError


def pool(total: int, claimed: int = 0, sold: int = 0) -> PoolState:
    """Make a pool in which nobody has anything."""
    return PoolState(total, claimed, sold, {}, {})


def decide(pools: dict[str, PoolState], *items: tuple[str, str, int]) -> list[Outcome]:
    """Decide items of (sale, pool, quantity) in sales of three a buyer."""
    return decide_cart(
        pools,
        {sale: where for sale, where, _ in items},
        {sale: SaleTerms(sale, "open", 0, None, 3) for sale, _, _ in items},
        [Request(sale, sale, "u", qty) for sale, _, qty in items],
        1,
    )


def test_items_of_one_pool_are_decided_against_one_remainder() -> None:
    """Two sales of one SKU: each fits alone, both do not (medusa 16502)."""
    found = decide({"p": pool(3)}, ("a", "p", 2), ("b", "p", 2))
    assert found == [Outcome.RESERVED, Outcome.NOT_ENOUGH_LEFT]


def test_every_item_hears_why() -> None:
    pools = {"p": pool(2, 2, 1), "q": pool(1, 1, 1), "r": pool(9)}
    found = decide(pools, ("a", "p", 1), ("b", "q", 1), ("c", "r", 4), ("d", "r", 3))
    assert found == [
        Outcome.HELD_OUT,
        Outcome.SOLD_OUT,
        Outcome.LIMIT_REACHED,
        Outcome.RESERVED,
    ]


def test_an_unknown_sale_is_named() -> None:
    """The items behind it are decided all the same."""
    sales = {"b": SaleTerms("b", "open", 0, None, 3)}
    wanted = [Request("a", "a", "u", 1), Request("b", "b", "u", 1)]
    found = decide_cart({"p": pool(1)}, {"b": "p"}, sales, wanted, 1)
    assert found == [Outcome.NO_SUCH_SALE, Outcome.RESERVED]


def test_the_same_sale_twice_is_summed() -> None:
    assert sum_items([("a", 1), ("b", 2), ("a", 3)]) == [("a", 4), ("b", 2)]


@pytest.mark.parametrize(
    "items",
    [
        [],
        [("a", 1)] * (CART_ITEMS_MAX + 1),
        [("a", 0)],
        [("a", -1), ("a", 2)],
        [("a", QTY_MAX + 1)],
        [("a", QTY_MAX), ("a", 1)],
    ],
)
def test_an_impossible_cart_is_refused(items: list[tuple[str, int]]) -> None:
    with pytest.raises(CommerceError) as caught:
        sum_items(items)
    assert (caught.value.code, caught.value.detail) == ("invalid_request", {"field": "items"})


@pytest.mark.parametrize(
    "items",
    [
        [("a", 1)],
        [(str(n), 1) for n in range(CART_ITEMS_MAX)],
        [("a", QTY_MAX)],
        [("a", QTY_MAX - 1), ("a", 1)],
    ],
)
def test_a_cart_as_big_as_can_be_is_summed(items: list[tuple[str, int]]) -> None:
    assert sum(qty for _, qty in sum_items(items)) == sum(qty for _, qty in items)


def test_a_cart_is_the_same_in_any_order() -> None:
    assert hash_cart([("a", 1), ("b", 2)]) == hash_cart([("b", 2), ("a", 1)])
    assert hash_cart([("a", 1), ("b", 2)]) != hash_cart([("a", 2), ("b", 1)])


def test_a_carts_hash_outlives_an_upgrade() -> None:
    """It is stored: a retry that meets a newer version must find its own."""
    text = b"a:1,b:2"
    assert hash_cart([("b", 2), ("a", 1)]) == hashlib.sha256(text).hexdigest()


@given(total=st.integers(0, 6), wanted=st.lists(st.integers(1, 3), min_size=1, max_size=4))
def test_a_granted_cart_never_takes_more_than_is_there(total: int, wanted: list[int]) -> None:
    items = [(str(n), "p", qty) for n, qty in enumerate(wanted)]
    is_granted = set(decide({"p": pool(total)}, *items)) == {Outcome.RESERVED}
    assert is_granted is (sum(wanted) <= total)
