"""Turnover is one sum: the run sheet's parts, the figures and the plot's end, refunds beside it."""

from __future__ import annotations

from typing import Any

from commerce.insight.show_report.service import read_console
from tests.support.refunding import PaidOrder, pay_order
from tests.support.till import Till

PRICE = 19_900


async def sums(till: Till, order: PaidOrder) -> dict[str, Any]:
    """Return what the console says of money, by where it says it."""
    async with till.database.reading() as connection:
        console = await read_console(
            connection, order.shop.room, viewers=0, sees_money=True, sees_rows=False
        )
    return {
        "run": sum(row["result"]["gmv_minor"] for row in console["run"]),
        "series": console["series"]["gmv"][-1][1],
        **{name: console["figures"][name] for name in ("gmv_minor", "refunded_minor", "orders")},
    }


async def test_turnover_is_the_same_wherever_it_stands(till: Till) -> None:
    """Paid, given back in part, and given back whole: the turnover stays, the refunds grow."""
    order = await pay_order(till, quantities=(1, 2))
    steps: list[dict[str, Any]] = [await sums(till, order)]
    for body in ({"amount_minor": 900}, {}):
        assert (await order.refund(**body)).status_code == 201
        await till.payments.run_payment_calls()
        steps.append(await sums(till, order))

    assert (await order.read())["state"] == "refunded"
    paid = {"run": 3 * PRICE, "series": 3 * PRICE, "gmv_minor": 3 * PRICE, "orders": 1}
    assert steps == [paid | {"refunded_minor": back} for back in (0, 900, 3 * PRICE)]
