"""A coupon's figures: what they say, and what they cost however many are used."""

from __future__ import annotations

import pytest

from commerce.insight.audit.service import audit
from commerce.sales.coupons.model import CouponFigures
from commerce.sales.coupons.store import select_figures, select_figures_of_room
from tests.support.coupons import Stand
from tests.support.till import Till

USED = 500
USE_MANY = """
    INSERT INTO coupon_claims (id, coupon_id, drop_id, user_id, state, order_id, version, seq,
        claimed_at_ms, expires_at_ms)
    SELECT gen_random_uuid(), $1, $2, gen_random_uuid(), 'used', gen_random_uuid(), 1, n, 0, 1
    FROM generate_series(1, $3::integer) n
"""
READ_ROWS = """
    SELECT (seq_tup_read + coalesce(idx_tup_fetch, 0))::integer FROM pg_stat_xact_user_tables
    WHERE relname = 'coupon_claims'
"""


@pytest.fixture
async def stand(till: Till) -> Stand:
    """A shop with an open flash sale."""
    shop, sale = await till.sale(quantity=10, per_buyer=10)
    return Stand(till, shop, sale)


async def read(stand: Stand, coupon: str) -> CouponFigures:
    """Return a coupon's figures."""
    async with stand.till.database.reading() as connection:
        return await select_figures(connection, coupon)


async def test_a_claim_is_counted_where_it_is(stand: Stand) -> None:
    coupon = await stand.coupon(per_person=2)
    dropped = await stand.drop(coupon)
    buyer = await stand.till.buyer()
    claims = [(await stand.claim(dropped.id, buyer.id, key)).id for key in ("a", "b")]
    orders = [await stand.order(buyer, claim) for claim in claims]

    async def seen() -> tuple[int, int, int, int]:
        figures = await read(stand, coupon)
        assert (await audit(stand.till.database)).violations == []
        return figures.claimed, figures.locked, figures.used, figures.spent_minor

    assert await seen() == (2, 2, 0, 6_000)
    await stand.pay(buyer, orders[0])
    assert await seen() == (2, 1, 1, 6_000)
    path = f"/api/orders/{orders[1]['order']['id']}/cancel"
    await buyer.client.post(path, headers={"Idempotency-Key": "k"})
    assert await seen() == (2, 0, 1, 3_000)
    await stand.refund(orders[0])
    assert await seen() == (2, 0, 0, 0)
    await stand.till.change("UPDATE coupons SET on_orders = 1")
    [found] = (await audit(stand.till.database)).violations
    assert found.check == "coupon_budget_adds_up"


async def test_the_figures_read_no_claim_that_is_used(stand: Stand) -> None:
    """The console asks for those of every coupon of the room."""
    coupon = await stand.coupon()
    dropped = await stand.drop(coupon)
    await stand.till.change(USE_MANY, coupon, dropped.id, USED)
    await stand.till.change("UPDATE coupons SET on_orders = $1", USED)
    await stand.till.change("ANALYZE coupon_claims")
    async with stand.till.database.transaction() as transaction:
        before = await transaction.fetchval(READ_ROWS)
        [figures] = await select_figures_of_room(transaction, stand.shop.room.id, 50)
        rows = await transaction.fetchval(READ_ROWS) - before
    assert (figures.locked, figures.used) == (0, USED)
    assert rows < 10
