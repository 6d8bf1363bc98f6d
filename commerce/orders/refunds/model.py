"""What a person asks for when money goes back, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

# The longest list is every line of the largest order.
LINES_MAX = 20
REASON_CHARS_MAX = 500


class LineWish(msgspec.Struct, frozen=True):
    """Units of one line that come back; `qty` None is all that are left of it."""

    reservation: str
    qty: int | None = None


class RefundWish(msgspec.Struct, frozen=True, kw_only=True):
    """What goes back: an amount in minor units, units of lines, both, or with neither all."""

    amount_minor: int | None = None
    lines: Sequence[LineWish] = ()
    reason: str
    restock: bool = False


class Actor(msgspec.Struct, frozen=True):
    """Who asks."""

    user_id: str
    role: str


class SoldLine(msgspec.Struct, frozen=True):
    """A line of a paid order; `left` of its units are in no refund that is pending or done.

    `total_minor` is what was paid for all `qty` of them, a discount taken off.
    """

    reservation: str
    qty: int
    left: int
    total_minor: int


class Refundable(msgspec.Struct, frozen=True):
    """The payment that paid an order, and the money in no refund that is pending or done."""

    payment_id: str
    state: str
    currency: str
    left_minor: int


class RefundPlan(msgspec.Struct, frozen=True):
    """What a refund takes: money in minor units, and (reservation, units)."""

    amount_minor: int
    lines: Sequence[tuple[str, int]]


class ReturnedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A paid line with refunds that are done.

    `done` units of it are in these refunds, `done_restock` of them in those with restock: more than
    its `qty` when a refund that had failed, and was made again, turned out to have gone. `refunded`
    units were taken back before, `restocked` of them to be sold again.
    """

    reservation: str
    pool_id: str
    sale_id: str
    qty: int
    done: int
    done_restock: int
    refunded: int
    restocked: int


class TakenBack(msgspec.Struct, frozen=True):
    """How many units of a reservation have come back by now, and how many to be sold again."""

    reservation: str
    refunded: int
    restocked: int
