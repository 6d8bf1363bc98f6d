"""What an order costs: precedence, coupon, shipping, tax; every cent in one place."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce.kernel.errors import CommerceError
from commerce.sales.pricing.model import (
    PRECEDENCE,
    Discount,
    NotReduced,
    Offer,
    PricedLine,
    Quote,
    QuotedLine,
    Reduced,
    Reduction,
    Tax,
)
from commerce.sales.pricing.ports import Tariffs
from commerce.sales.pricing.rules import (
    GOODS_MINOR_MIN,
    allot,
    choose_offer,
    paid_for_units,
    quote,
    reduce,
)
from commerce.sales.pricing.tariffs import PLAIN, FlatShipping, IncludedTax, as_agreed

CURRENCY = "CNY"
LISTED = PricedLine("a", "bowl", 2, 1_000, "list")
FLASHED = PricedLine("b", "cup", 1, 500, "flash")


def off(*lines: PricedLine, **terms: Any) -> Reduced | NotReduced:
    """Reduce lines by a coupon."""
    return reduce(Reduction(id="c", **terms), lines)


def test_the_first_kind_of_the_precedence_is_the_price_even_when_it_is_dearer() -> None:
    offers = [
        Offer(source, source, price) for price, source in enumerate(reversed(PRECEDENCE), start=100)
    ]
    for count in range(1, 5):
        for some in itertools.permutations(offers, count):
            chosen = choose_offer(some)
            assert chosen is not None
            assert chosen.source == min((o.source for o in some), key=PRECEDENCE.index)
    assert choose_offer([]) is None
    two = [Offer("x", "flash", 200), Offer("y", "flash", 100)]
    assert choose_offer(two) == two[1]


def test_an_amount_is_shared_out_by_the_largest_remainder() -> None:
    assert allot(100, [1, 1, 1]) == [34, 33, 33]
    assert allot(5, [10, 0, 10]) == [3, 0, 2]
    assert allot(0, [0, 0]) == [0, 0]
    assert allot(1, [1, 2]) == [0, 1]
    with pytest.raises(ValueError, match="nothing"):
        allot(1, [0])


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=8), st.integers(0, 10**9))
def test_shares_are_the_whole_and_never_more_than_their_line(
    weights: list[int], amount: int
) -> None:
    amount = min(amount, sum(weights))
    shares = allot(amount, weights)
    assert sum(shares) == amount
    assert all(0 <= share <= weight for share, weight in zip(shares, weights, strict=True))


@given(st.integers(0, 10**9), st.integers(1, 50), st.data())
def test_the_units_of_a_line_are_worth_its_total(total: int, qty: int, data: Any) -> None:
    before, back = 0, 0
    while before < qty:
        units = data.draw(st.integers(1, qty - before))
        back += paid_for_units(total, qty, before=before, units=units)
        before += units
    assert back == total


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({"amount_minor": 300}, Reduced([300, 0])),
        ({"amount_minor": 300, "sources": ("list", "flash")}, Reduced([240, 60])),
        ({"percent": 15}, Reduced([300, 0])),
        ({"percent": 50, "max_minor": 123}, Reduced([123, 0])),
        ({"amount_minor": 300, "skus": ("cup",)}, NotReduced("price_source")),
        ({"amount_minor": 300, "skus": ("cup",), "sources": ("flash",)}, Reduced([0, 300])),
        ({"amount_minor": 300, "skus": ("vase",)}, NotReduced("out_of_scope")),
        ({"amount_minor": 300, "threshold_minor": 2_000}, Reduced([300, 0])),
        ({"amount_minor": 300, "threshold_minor": 2_001}, NotReduced("below_threshold", 1)),
        ({"amount_minor": 300, "sources": ("group",)}, NotReduced("price_source")),
        ({"amount_minor": 9_999}, Reduced([2_000, 0])),
        ({"percent": 1, "sources": ("campaign",)}, NotReduced("price_source")),
    ],
)
def test_what_a_coupon_takes_off_a_listed_and_a_flash_line(terms: Any, expected: Any) -> None:
    assert off(LISTED, FLASHED, **terms) == expected


@pytest.mark.parametrize("source", PRECEDENCE)
def test_the_stacking_matrix_without_a_hosts_word(source: Any) -> None:
    """List and campaign prices stack with a coupon; flash and group prices where a host says so."""
    line = PricedLine("a", "bowl", 1, 1_000, source)
    stacks = isinstance(off(line, amount_minor=10), Reduced)
    assert stacks == (source in ("list", "campaign"))
    assert isinstance(off(line, amount_minor=10, sources=PRECEDENCE), Reduced)


def test_a_coupon_leaves_something_to_pay() -> None:
    """Neither a negative total, litemall's, nor an order without a payment."""
    assert off(LISTED, amount_minor=5_000) == Reduced([2_000 - GOODS_MINOR_MIN])
    penny = PricedLine("a", "bowl", 1, 1, "list")
    assert off(penny, amount_minor=5_000) == NotReduced("nothing_to_reduce")
    free = PricedLine("a", "bowl", 1, 0, "list")
    assert off(free, amount_minor=5) == NotReduced("nothing_to_reduce")


def test_a_coupon_that_takes_nothing_off_is_refused_and_says_why() -> None:
    with pytest.raises(CommerceError) as caught:
        ask(LISTED, reduction=Reduction(id="c", amount_minor=10, threshold_minor=2_500))
    assert caught.value.code == "coupon_not_usable"
    assert caught.value.detail == {"reason": "below_threshold", "missing_minor": 500}


def ask(*lines: PricedLine, tariffs: Tariffs = PLAIN, reduction: Reduction | None = None) -> Quote:
    """Quote lines."""
    return quote(lines, currency=CURRENCY, tariffs=tariffs, reduction=reduction)


def test_shipping_is_free_from_its_threshold_which_counts_after_the_coupon() -> None:
    tariffs = Tariffs(FlatShipping(800, 2_000), IncludedTax())
    assert (ask(LISTED, tariffs=tariffs).shipping_minor, ask(LISTED).shipping_minor) == (0, 0)
    reduced = ask(LISTED, tariffs=tariffs, reduction=Reduction(id="c", amount_minor=1))
    assert (reduced.shipping_minor, reduced.total_minor) == (800, 2_799)
    assert ask(LISTED, tariffs=Tariffs(FlatShipping(800), IncludedTax())).total_minor == 2_800


def test_an_included_tax_is_shown_and_adds_nothing() -> None:
    tariffs = Tariffs(FlatShipping(113), IncludedTax(1_300))
    asked = ask(LISTED, FLASHED, tariffs=tariffs)
    assert (asked.total_minor, asked.tax_minor, asked.is_tax_included) == (2_613, 301, True)
    assert [line.tax_minor for line in asked.lines] == [230, 58]


class OnTop:
    """A tariff of somebody else: seven minor units a line and three on shipping, on top."""

    def tax(self, goods_minor: Any, _shipping_minor: int, _ship_to: str | None) -> Tax:
        """Return the tax."""
        return Tax([7] * len(goods_minor), 3, is_included=False)


lines = st.lists(
    st.builds(
        PricedLine,
        st.just("a"),
        st.sampled_from(["bowl", "cup"]),
        st.integers(1, 9),
        st.integers(0, 10**6),
        st.sampled_from(PRECEDENCE),
    ),
    min_size=1,
    max_size=6,
)
reductions = st.none() | st.builds(
    Reduction,
    id=st.just("c"),
    amount_minor=st.integers(1, 10**6),
    percent=st.sampled_from([0, 0, 1, 33, 99]),
    max_minor=st.none() | st.integers(1, 10**5),
    threshold_minor=st.integers(0, 10**5),
    skus=st.sampled_from([(), ("bowl",)]),
    sources=st.sampled_from([PRECEDENCE, ("list", "campaign"), ("flash",)]),
)
tariffs_of = st.builds(
    Tariffs,
    st.builds(FlatShipping, st.integers(0, 2_000), st.none() | st.integers(0, 10**6)),
    st.builds(IncludedTax, st.integers(0, 3_000)) | st.builds(OnTop),
)


@given(lines, reductions, tariffs_of)
def test_a_total_is_its_parts_to_the_cent_and_the_same_when_asked_again(
    some: list[PricedLine], reduction: Reduction | None, tariffs: Tariffs
) -> None:
    try:
        asked = ask(*some, tariffs=tariffs, reduction=reduction)
    except CommerceError:
        assert isinstance(reduce(reduction or Reduction(id="none"), some), NotReduced)
        return
    on_top = 0 if asked.is_tax_included else asked.tax_minor
    parts = asked.subtotal_minor - asked.discount_minor + asked.shipping_minor + on_top
    assert asked.total_minor == parts
    assert asked.discount_minor == sum(line.discount_minor for line in asked.lines)
    assert (asked.total_minor > 0) >= (asked.subtotal_minor > 0)
    assert all(0 <= line.discount_minor <= line.qty * line.unit_price_minor for line in asked.lines)
    tax = Tax(
        [line.tax_minor for line in asked.lines],
        asked.tax_minor - sum(line.tax_minor for line in asked.lines),
        asked.is_tax_included,
    )
    again = ask(*some, tariffs=as_agreed(asked.shipping_minor, tax), reduction=reduction)
    assert again == asked


class ToOneAddress(msgspec.Struct, frozen=True):
    """Shipping and a tax on top that both depend on the address, and so must be told it."""

    by_line: tuple[int, ...] = (190, 50)

    def price_minor(self, goods_minor: Sequence[int], ship_to: str | None) -> int:
        """Return the price of sending to Lyon, of any goods."""
        assert (goods_minor, ship_to) == ([1_900, 500], "Lyon")
        return 300

    def tax(self, goods_minor: Sequence[int], shipping_minor: int, ship_to: str | None) -> Tax:
        """Return a tax of Lyon, of the goods and of sending them."""
        assert (goods_minor, shipping_minor, ship_to) == ([1_900, 500], 300, "Lyon")
        return Tax(self.by_line, 30, is_included=False)


def quote_to_lyon(port: ToOneAddress) -> Quote:
    """Quote both lines, with a coupon for the first."""
    return quote(
        [LISTED, FLASHED],
        currency=CURRENCY,
        tariffs=Tariffs(port, port),
        reduction=Reduction(id="claim", amount_minor=100),
        ship_to="Lyon",
    )


def test_a_receipt_says_of_each_line_what_it_is_and_what_was_charged_for_it() -> None:
    assert quote_to_lyon(ToOneAddress()) == Quote(
        lines=[
            QuotedLine("a", "bowl", 2, 1_000, "list", 100, 190, 2_090),
            QuotedLine("b", "cup", 1, 500, "flash", 0, 50, 550),
        ],
        subtotal_minor=2_500,
        discounts=[Discount("coupon", "claim", 100)],
        shipping_minor=300,
        tax_minor=270,
        is_tax_included=False,
        total_minor=2_970,
        currency=CURRENCY,
    )


def test_a_tax_that_forgets_a_line_gives_no_total() -> None:
    """A shop's own tariffs may be wrong; a line must not vanish from the order for it."""
    with pytest.raises(ValueError, match="zip"):
        quote_to_lyon(ToOneAddress(by_line=(190,)))


@pytest.mark.parametrize(
    ("goods_minor", "off_minor"), [(149, 1), (150, 2), (10_000, 100), (10_049, 100), (10_050, 101)]
)
def test_a_percentage_is_rounded_half_up(goods_minor: int, off_minor: int) -> None:
    line = PricedLine("a", "bowl", 1, goods_minor, "list")
    assert off(line, percent=1) == Reduced([off_minor])
