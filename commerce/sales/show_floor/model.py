"""What viewers see of a show's offers; the field names are those of the wire."""

from __future__ import annotations

import msgspec

from commerce.goods.press_rules.model import PressRules
from commerce.sales.campaign_prices.model import CampaignPriceView
from commerce.sales.coupons.model import DropView
from commerce.sales.draws.model import DrawView
from commerce.sales.group_buys.model import CampaignView
from commerce.sales.unlocks.model import UnlockView

# A regular sale holds for 5 minutes as shown, and releases a minute later.
HOLD_S = 300
GRACE_S = 60


class BagItem(msgspec.Struct, frozen=True):
    """A numbered item of the bag; `sale` is its regular sale."""

    item: str
    no: int
    sku: str
    title: str
    title_zh: str | None
    picture: str
    price_minor: int
    currency: str
    sale: str


class SaleView(msgspec.Struct, frozen=True, omit_defaults=True):
    """An offer as viewers see it; `stock` is (available, held, sold).

    `waiting` is (waiting, offered): how many wait for the pool, how many have an offer of it. It
    is left out while both are 0. `reason` is there while the sale is halted; `reference_minor`,
    the lowest price of the last `reference_days` days, where the host shows it. A sale whose
    `fairness` is left out sells first come, first served; `draw` is there where it is "draw";
    `rules` where there are any for whoever presses, `group` where its units are had in teams,
    `unlock` where the price falls for everybody once enough are promised, `campaign_price`
    where the shop sells for less for a while, now or soon: `price_minor` is the list price still.
    """

    id: str
    kind: str
    sku: str
    price_minor: int
    currency: str
    state: str
    opens_at_ms: int | None
    ends_at_ms: int | None
    per_buyer: int | None
    stock: tuple[int, int, int]
    item: str
    normal_price_minor: int
    hold_s: int
    waiting: tuple[int, int] | msgspec.UnsetType = msgspec.UNSET
    reason: str | None = None
    reference_minor: int | None = None
    reference_days: int | None = None
    rules: PressRules | None = None
    fairness: str = "first_come"
    draw: DrawView | None = None
    group: CampaignView | None = None
    unlock: UnlockView | None = None
    campaign_price: CampaignPriceView | None = None


class ShowView(msgspec.Struct, frozen=True):
    """A show as viewers see it."""

    id: str
    title: str
    status: str
    starts_at_ms: int
    started_at_ms: int | None


class Floor(msgspec.Struct, frozen=True):
    """Everything a show offers at one instant."""

    show: ShowView | None
    pinned: str | None
    bag: list[BagItem]
    sales: list[SaleView]
    drops: list[DropView]
    announcement: str | None
