"""Put products on the shelf, with their first stock in the journal."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from commerce.goods.catalogue import store
from commerce.goods.catalogue.model import NewProduct, NewVariant
from commerce.goods.inventory.store import insert_pool
from commerce.kernel.errors import CommerceError, invalid
from commerce.kernel.money import PRICE_MINOR_MAX
from commerce.kernel.ports import Database, Ids

QUANTITY_MAX = 1_000_000_000
TITLE_CHARS_MAX = 100
# A word or two behind the title: "small", "moss green".
LABEL_CHARS_MAX = 60
# What a host reads out in a minute; every page of the room would carry more than that.
NOTES_CHARS_MAX = 2_000
VARIANTS_MAX = 100
SKU_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Pictures are our own files for now: uploads come later, and never as SVG.
PICTURE_PATTERN = re.compile(r"/static/img/[a-z0-9/_-]+\.svg")


async def add_product(database: Database, ids: Ids, product: NewProduct) -> str:
    """Store a product, its variants and their stock; returns its id.

    Raises `invalid_request` for impossible values and `sku_taken` for a SKU in use.
    """
    product = msgspec.structs.replace(product, title=product.title.strip())
    _check(product)
    product_id = ids.new()
    async with database.transaction() as transaction:
        await store.insert_product(transaction, id=product_id, product=product)
        for variant in product.variants:
            if not await store.insert_variant(transaction, product_id=product_id, variant=variant):
                raise CommerceError("sku_taken", f"The SKU {variant.sku} is in use.")
            await insert_pool(
                transaction,
                pool_id=ids.new(),
                sku=variant.sku,
                sale_id=None,
                total=variant.quantity,
            )
    return product_id


def _check(product: NewProduct) -> None:
    if not product.title:
        raise invalid("A product needs a title.", field="title")
    _check_texts(product, {"title": TITLE_CHARS_MAX, "title_zh": TITLE_CHARS_MAX})
    _check_texts(product, {"notes": NOTES_CHARS_MAX, "notes_zh": NOTES_CHARS_MAX})
    if not PICTURE_PATTERN.fullmatch(product.picture):
        raise invalid("A picture is one of the shop's own files.", field="picture")
    if not 1 <= len(product.variants) <= VARIANTS_MAX:
        raise invalid(f"A product has 1 to {VARIANTS_MAX} variants.", field="variants")
    for variant in product.variants:
        _check_texts(variant, {"label": LABEL_CHARS_MAX, "label_zh": LABEL_CHARS_MAX})
        if not SKU_PATTERN.fullmatch(variant.sku):
            raise invalid("A SKU is 1 to 64 letters, digits, dots or dashes.", field="sku")
        if not 0 <= variant.price_minor <= PRICE_MINOR_MAX:
            raise invalid("The price is out of range.", field="price_minor")
        if not 0 <= variant.quantity <= QUANTITY_MAX:
            raise invalid("The quantity is out of range.", field="quantity")


def _check_texts(thing: NewProduct | NewVariant, limits: Mapping[str, int]) -> None:
    for field, chars_max in limits.items():
        if len(getattr(thing, field) or "") > chars_max:
            raise invalid(f"At most {chars_max} characters.", field=field)
