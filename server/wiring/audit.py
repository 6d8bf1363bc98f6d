"""Run the auditor from the command line."""

from __future__ import annotations

from typing import Any

import msgspec

from commerce.insight.audit.service import audit
from server.db.database import PgDatabase, open_pool
from server.settings import Settings


async def run_audit(settings: Settings) -> dict[str, Any]:
    """Audit the database once and return the report."""
    assert settings.database_url is not None
    database = PgDatabase(await open_pool(settings.database_url))
    try:
        report: dict[str, Any] = msgspec.to_builtins(await audit(database))
        return report
    finally:
        await database.close()
