"""How many orders one may leave unpaid."""

from __future__ import annotations

import pytest

from commerce.kernel.errors import CommerceError
from commerce.orders.checkout.rules import UNPAID_ORDERS_MAX, UNPAID_WINDOW_MS, check_unpaid


def test_one_below_the_limit_may_order() -> None:
    """The limit counts the orders that are there."""
    check_unpaid(UNPAID_ORDERS_MAX - 1, 0, 0)


@pytest.mark.parametrize(("now_ms", "retry_ms"), [(400, UNPAID_WINDOW_MS - 300), (10**9, 1)])
def test_at_the_limit_one_waits_for_the_first_to_grow_old(now_ms: int, retry_ms: int) -> None:
    """The answer says how long."""
    with pytest.raises(CommerceError) as caught:
        check_unpaid(UNPAID_ORDERS_MAX, 100, now_ms)
    assert caught.value.code == "too_many_unpaid"
    assert (caught.value.retryable, caught.value.retry_ms) == (True, retry_ms)
    assert caught.value.detail == {"unpaid": UNPAID_ORDERS_MAX, "max": UNPAID_ORDERS_MAX}
