"""A product as the host knows it; a variant is what is sold, priced and counted."""

from __future__ import annotations

import msgspec


class Variant(msgspec.Struct, frozen=True):
    """One thing on sale: prices in minor units, `picture` a URL path of our own."""

    sku: str
    title: str
    title_zh: str | None
    picture: str
    price_minor: int
    notes: str
    notes_zh: str | None


class NewVariant(msgspec.Struct, frozen=True):
    """One variant of a new product, with the stock it starts with."""

    sku: str
    price_minor: int
    quantity: int
    label: str | None = None
    label_zh: str | None = None


class NewProduct(msgspec.Struct, frozen=True):
    """A product with at least one variant; the titles of its variants append their labels."""

    title: str
    picture: str
    variants: list[NewVariant]
    title_zh: str | None = None
    notes: str = ""
    notes_zh: str | None = None
