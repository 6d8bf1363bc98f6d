"""Campaign prices where people see them: set or taken back, and every room with the SKU is told.

Invariant: the rooms are told in the transaction that changed the price, under their locks.
"""

from __future__ import annotations

from commerce.kernel.ports import Transaction
from commerce.sales.campaign_prices import service
from commerce.sales.campaign_prices.model import CampaignPrice, CampaignPriceTerms
from commerce.sales.campaign_prices.store import select_rooms_of_sku
from commerce.sales.show_floor.service import announce_bag


async def set_campaign_price(
    transaction: Transaction, sku: str, terms: CampaignPriceTerms, *, user_id: str, key: str
) -> CampaignPrice:
    """Set a SKU's price for a window; raises what `campaign_prices.service.set_price` does."""
    price, is_new = await service.set_price(transaction, sku, terms, user_id=user_id, key=key)
    if is_new:
        await _tell(transaction, sku)
    return price


async def withdraw_campaign_price(
    transaction: Transaction, id: str, *, user_id: str
) -> CampaignPrice:
    """Take a price back; raises `not_found`."""
    price, is_changed = await service.withdraw(transaction, id, user_id=user_id)
    if is_changed:
        await _tell(transaction, price.sku)
    return price


async def _tell(transaction: Transaction, sku: str) -> None:
    for room_id in await select_rooms_of_sku(transaction, sku):
        await announce_bag(transaction, room_id)
