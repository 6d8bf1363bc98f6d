"""SQL of what an order is charged, so that its total can be computed anew before money is taken."""

from __future__ import annotations

from commerce.kernel.ports import Connection
from commerce.orders.checkout.model import Charge
from commerce.sales.coupons.store import select_terms
from commerce.sales.pricing.model import QuotedLine, Tax

SELECT_PARTS = """
    SELECT currency, shipping_minor, tax_on_shipping_minor, is_tax_included, coupon_claim_id
    FROM orders WHERE id = $1
"""
SELECT_LINES = """
    SELECT reservation_id, sku, qty, unit_price_minor, price_source, discount_minor, tax_minor,
        total_minor
    FROM order_lines WHERE order_id = $1 ORDER BY place, reservation_id
"""


async def select_charge(connection: Connection, order_id: str) -> Charge:
    """Return what a locked order is charged."""
    order = await connection.fetchrow(SELECT_PARTS, order_id)
    lines = [
        QuotedLine(
            id=str(row["reservation_id"]),
            sku=row["sku"],
            qty=row["qty"],
            unit_price_minor=row["unit_price_minor"],
            source=row["price_source"],
            discount_minor=row["discount_minor"],
            tax_minor=row["tax_minor"],
            total_minor=row["total_minor"],
        )
        for row in await connection.fetch(SELECT_LINES, order_id)
    ]
    tax = Tax(
        [line.tax_minor for line in lines], order["tax_on_shipping_minor"], order["is_tax_included"]
    )
    reduction = None
    if (claim := order["coupon_claim_id"]) is not None:
        terms = await select_terms(connection, str(claim))
        assert terms is not None, "an order refers to its claim"
        reduction = terms.reduction(str(claim))
    return Charge(lines, order["shipping_minor"], tax, reduction, order["currency"])
