"""Reconcile from the command line."""

from __future__ import annotations

from typing import Any

import msgspec

from commerce.kernel.errors import CommerceError
from server.db.database import PgDatabase, open_pool
from server.ops.errors import OperationalError
from server.settings import Settings
from server.wiring.commerce import build_till


async def run_reconciliation(settings: Settings, since_ms: int) -> dict[str, Any]:
    """Compare once and return the report; raises OperationalError when a provider is away."""
    assert settings.database_url is not None
    database = PgDatabase(await open_pool(settings.database_url))
    till = build_till(settings, database, is_served=False)
    try:
        report: dict[str, Any] = msgspec.to_builtins(await till.reconciliation.reconcile(since_ms))
        return report
    except CommerceError as error:
        raise OperationalError(error.message) from error
    finally:
        await till.close()
        await database.close()
