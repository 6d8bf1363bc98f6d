"""Money as whole minor units beside a currency, so that no float ever touches a price."""

from __future__ import annotations

import msgspec

# A bigger price than this is a typing error; it also keeps sums inside 64 bits.
PRICE_MINOR_MAX = 100_000_000_000


class Money(msgspec.Struct, frozen=True):
    """An amount in minor units (cents, fen) of one currency (ISO 4217 code)."""

    minor: int
    currency: str

    def __add__(self, other: Money) -> Money:
        """Add two amounts of one currency; raises ValueError for two currencies."""
        if other.currency != self.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")
        return Money(self.minor + other.minor, self.currency)

    def times(self, qty: int) -> Money:
        """Return the amount for `qty` units."""
        return Money(self.minor * qty, self.currency)
