"""Set a campaign price and take it back.

Invariants: a SKU has one campaign price at most that is not over; whoever reserves a unit waits for
the SKU's pool, as a change of the price does, so a hold costs what held when it was decided; a hold
keeps its price whatever becomes of the campaign. A flash sale to come is compared with a price that
begins before it, and not with one that never did.
"""

from __future__ import annotations

from commerce.goods.catalogue.store import select_variant
from commerce.goods.inventory.store import lock_pools, select_sku_pool
from commerce.kernel.errors import CommerceError, not_found
from commerce.kernel.ids import campaign_price_id
from commerce.kernel.ports import Transaction
from commerce.records.clock.store import select_now_ms
from commerce.sales.campaign_prices import store
from commerce.sales.campaign_prices.model import CampaignPrice, CampaignPriceTerms
from commerce.sales.campaign_prices.rules import (
    check_same,
    check_terms,
    decide_end,
    decide_window,
    hash_terms,
)
from commerce.sales.flash_sales.comparing import compare_again
from commerce.sales.flash_sales.store import select_compared
from commerce.sales.pricing.rules import check_price


async def set_price(
    transaction: Transaction, sku: str, terms: CampaignPriceTerms, *, user_id: str, key: str
) -> tuple[CampaignPrice, bool]:
    """Set a SKU's price for a window; return it and whether it is new: then the rooms are told.

    The same key with the same terms returns the same price. Raises `invalid_request`, `not_found`,
    `campaign_price_exists`, `price_needs_confirmation` or `idempotency_conflict`.
    """
    id = campaign_price_id(user_id, sku, key)
    await _lock(transaction, sku)
    known = await store.find_price(transaction, id)
    if known is not None:
        check_same(known, terms)
        return known, False
    variant = await select_variant(transaction, sku)
    if variant is None:
        raise not_found("SKU")
    check_terms(terms, variant.price_minor)
    from_ms, until_ms = decide_window(terms, await select_now_ms(transaction))
    other = await store.find_current(transaction, sku)
    if other is not None:
        raise CommerceError(
            "campaign_price_exists",
            "This SKU has a campaign price: take it back first.",
            detail={"campaign_price": other.id, "until_ms": other.until_ms},
        )
    check_price(
        terms.guard,
        price_minor=terms.price_minor,
        list_price_minor=variant.price_minor,
        confirmed_minor=terms.confirm_price_minor,
    )
    price = CampaignPrice(
        id, sku, terms.price_minor, from_ms, until_ms, hash_terms(terms), is_withdrawn=False
    )
    await store.insert_price(transaction, price, terms, user_id)
    await compare_again(transaction, sku)
    return price, True


async def withdraw(
    transaction: Transaction, id: str, *, user_id: str
) -> tuple[CampaignPrice, bool]:
    """End a price at once; return it and whether that changed it: one that is over stays as it is.

    Holds keep their price. Raises `not_found`.
    """
    price = await store.select_price(transaction, id)
    await _lock(transaction, price.sku)
    price = await store.select_price(transaction, id)
    now_ms = await select_now_ms(transaction)
    if price.is_withdrawn or price.until_ms <= now_ms:
        return price, False
    await store.withdraw_price(
        transaction, id, until_ms=decide_end(price, now_ms), user_id=user_id, now_ms=now_ms
    )
    await compare_again(transaction, price.sku)
    return await store.select_price(transaction, id), True


async def _lock(transaction: Transaction, sku: str) -> None:
    """Lock the rooms, then the SKU's pool with those of the sales that are compared again."""
    await store.lock_rooms(transaction)
    pools = [pool for _, pool, _ in await select_compared(transaction, sku)]
    await lock_pools(transaction, [await select_sku_pool(transaction, sku), *pools])
