"""Reconcile from the command line."""

from __future__ import annotations

from commerce.kernel.errors import CommerceError
from commerce.orders.reconciliation.model import Reconciliation
from server.db.database import PgDatabase, open_pool
from server.ops.errors import OperationalError
from server.settings import Settings
from server.wiring.commerce import build_till


async def run_reconciliation(settings: Settings, since_ms: int) -> Reconciliation:
    """Compare once and return the report; raises OperationalError when a provider is away."""
    assert settings.database_url is not None
    database = PgDatabase(await open_pool(settings.database_url))
    till = build_till(settings, database, is_served=False)
    try:
        return await till.reconciliation.reconcile(since_ms)
    except CommerceError as error:
        raise OperationalError(error.message) from error
    finally:
        await till.close()
        await database.close()
