"""A campaign as its host asks for it, a team as everybody sees it, and every answer to a wish."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import msgspec

from commerce.goods.inventory.model import Hold, Request, Reservation
from commerce.goods.press_rules.model import PressRules
from commerce.sales.pricing.model import PriceGuard

# A seat whose money is granted is kept by its team, not by a clock: in Unix ms, the year 2286.
KEPT_UNTIL_MS = 9_999_999_999_999


class Wish(IntEnum):
    """What somebody who joins asks for, with the numbers that the SQL function uses."""

    ANY = 0
    """The team soonest to end that has a seat, else a new one."""
    NAMED = 1
    """One team: that of a link."""
    OPEN = 2
    """A new team."""


class Joining(IntEnum):
    """The answers of `join_group_batch`, with the numbers that the SQL function uses."""

    JOINED = 0
    REPLAYED = 1
    CONFLICT = 2
    NO_SUCH_SALE = 3
    NOT_OPEN = 4
    ENDED = 5
    LIMIT_REACHED = 6
    SOLD_OUT = 7
    HELD_OUT = 8
    ALREADY_IN_GROUP = 9
    HALTED = 10
    GROUP_FULL = 11
    GROUP_OVER = 12
    NO_SUCH_GROUP = 13


class CampaignTerms(msgspec.Struct, frozen=True):
    """What a host asks for: price in minor units, durations in seconds.

    Teams of `need`, each with `lasts_s` from its own opening; a team can be opened for
    `duration_s`. `quantity` units are carved out of the SKU's stock; a seat is one of them. A price
    that trips the `guard` is opened only when `confirm_price_minor` is the same price again.
    """

    sku: str
    price_minor: int
    need: int
    quantity: int
    per_buyer: int = 1
    lasts_s: int = 86_400
    duration_s: int = 86_400
    hold_s: int = 300
    grace_s: int = 60
    guard: PriceGuard | None = None
    confirm_price_minor: int | None = None
    rules: PressRules | None = None
    """Who may join; nothing is asked of anybody without."""


class Campaign(msgspec.Struct, frozen=True):
    """A stored campaign with where it belongs; `id` is its sale's."""

    id: str
    room_id: str
    room: str
    show_id: str
    item_id: str
    pool_id: str
    sku: str
    state: str
    ends_at_ms: int
    need: int
    lasts_ms: int
    request_hash: str


class CampaignView(msgspec.Struct, frozen=True):
    """What makes a sale a group buy, as viewers see it: `group` of a sale."""

    need: int
    lasts_ms: int


class JoinRequest(Request, frozen=True):
    """One wish for a seat: `id` is derived from user, sale and idempotency key."""

    wish: Wish = Wish.ANY
    group_id: str | None = None


class Seat(msgspec.Struct, frozen=True):
    """A seat as its owner gets it: a reservation in a team."""

    group_id: str
    reservation: Reservation


class Refusal(msgspec.Struct, frozen=True):
    """A wish that was refused; `version` is the pool's that it is true of."""

    outcome: Joining
    version: int = 0


Joined = Seat | Refusal


class JoinBatch(msgspec.Struct, frozen=True):
    """What one commit decided: parallel arrays in the order of the wishes."""

    outcomes: list[int]
    states: list[str | None]
    group_ids: list[str | None]
    versions: list[int | None]
    prices: list[int | None]
    shown_until: list[int | None]
    now_ms: int
    pool_version: int
    available: int
    expired: list[Hold]


class Team(msgspec.Struct, frozen=True):
    """A team's row; times in Unix ms of the database, `completed_by` the host who did."""

    id: str
    sale_id: str
    pool_id: str
    room_id: str
    need: int
    joined: int
    paid: int
    state: str
    leader_id: str
    deadline_ms: int
    reason: str | None
    completed_by: str | None


class Member(msgspec.Struct, frozen=True):
    """A live seat of a team."""

    reservation_id: str
    user_id: str
    name: str
    is_paid: bool


class TeamView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A team as anybody may see it: no names, no ids of people.

    `joined` are seats taken, `paid` those whose money is granted; `ends_in_ms` counts down while it
    forms. `is_completed` says that the shop completed it with fewer members than it needs.
    """

    id: str
    sale: str
    room: str
    sku: str
    title: str
    title_zh: str | None
    picture: str
    price_minor: int
    normal_price_minor: int
    currency: str
    need: int
    joined: int
    paid: int
    state: str
    leader: str
    deadline_ms: int
    ends_in_ms: int
    reason: str | None = None
    is_completed: bool = False
    is_open: bool = False
    """Whether somebody can join now."""
    can_open: bool = False
    """Whether its campaign still opens teams, as far as its time goes: the units may be taken."""


class OpenTeam(msgspec.Struct, frozen=True):
    """A team that has a seat free, as the room's cards show it."""

    room_id: str
    id: str
    sale_id: str
    joined: int
    need: int
    deadline_ms: int
    leader: str
    """Masked, as in `TeamView`."""


class MySeat(msgspec.Struct, frozen=True, omit_defaults=True):
    """A seat as its owner finds it again; `order` once there is one."""

    group: TeamView
    reservation: str
    state: str
    is_leader: bool
    order: str | None = None


class Batch(msgspec.Struct, frozen=True):
    """A pool and its teams as one batch of wishes finds them, for the rules."""

    free: int
    unsold: int
    """Live units that are not paid: they may come back."""
    teams: Sequence[Team]
    """Every team of the campaign, soonest to end first."""
    granted: dict[str, str]
    """Team by reservation id, for every id ever granted."""
    seated: frozenset[str]
    """Who has a seat that is not sold."""
    bought: dict[str, int]
    """Live quantity by user."""
    was_halted: bool = False
    """Whether the campaign was halted when it ended."""
