"""SQL of the catalogue."""

from __future__ import annotations

from typing import Any

from commerce.goods.catalogue.model import NewProduct, NewVariant, Variant
from commerce.kernel.ports import Connection

INSERT_PRODUCT = """
    INSERT INTO products (id, title, title_zh, notes, notes_zh, picture)
    VALUES ($1, $2, $3, $4, $5, $6)
"""
INSERT_VARIANT = """
    INSERT INTO variants (sku, product_id, label, label_zh, price_minor)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (sku) DO NOTHING RETURNING sku
"""
SELECT_VARIANTS = """
    SELECT v.sku, v.title, v.title_zh, v.picture, v.price_minor, v.notes, v.notes_zh,
        k.total - k.claimed AS available
    FROM named_variants v
    LEFT JOIN stock k ON k.sku = v.sku AND k.sale_id IS NULL
"""
SELECT_ALL = SELECT_VARIANTS + " ORDER BY v.product_id, v.sku LIMIT 500"
SELECT_ONE = SELECT_VARIANTS + " WHERE v.sku = $1"


async def insert_product(connection: Connection, *, id: str, product: NewProduct) -> None:
    """Store a product without its variants."""
    await connection.execute(
        INSERT_PRODUCT,
        id,
        product.title,
        product.title_zh,
        product.notes,
        product.notes_zh,
        product.picture,
    )


async def insert_variant(connection: Connection, *, product_id: str, variant: NewVariant) -> bool:
    """Store a variant; returns False when its SKU is taken."""
    inserted = await connection.fetchval(
        INSERT_VARIANT,
        variant.sku,
        product_id,
        variant.label,
        variant.label_zh,
        variant.price_minor,
    )
    return inserted is not None


async def select_variants(connection: Connection) -> list[tuple[Variant, int]]:
    """Return every variant with its free units outside of sales."""
    return [(_variant(row), row["available"] or 0) for row in await connection.fetch(SELECT_ALL)]


async def select_variant(connection: Connection, sku: str) -> Variant | None:
    """Return one variant."""
    row = await connection.fetchrow(SELECT_ONE, sku)
    return _variant(row) if row else None


def _variant(row: Any) -> Variant:
    return Variant(**{name: row[name] for name in Variant.__struct_fields__})
