"""Press buy as a viewer does, and read the answers."""

from __future__ import annotations

import uuid

from commerce.goods.inventory.model import Refused, Reserved
from commerce.goods.inventory.service import InventoryService


async def press(
    inventory: InventoryService, sale: str, *, user: str | None = None, qty: int = 1, key: str = "k"
) -> Reserved | Refused:
    """Press buy once."""
    return await inventory.reserve(
        user_id=user or str(uuid.uuid4()), sale_id=sale, qty=qty, key=key
    )


def outcomes(answers: list[Reserved | Refused]) -> list[str]:
    """Return each answer's name."""
    return [
        "reserved" if isinstance(answer, Reserved) else answer.outcome.name.lower()
        for answer in answers
    ]
