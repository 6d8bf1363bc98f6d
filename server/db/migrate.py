"""Forward-only migrations: numbered SQL files, each applied once, all under one lock.

Two processes that start together are safe: the second waits for the lock and finds nothing
left to do. A changed file that was already applied is refused.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import NamedTuple

import asyncpg

# Any constant does, as long as it never changes: it names the migration lock.
MIGRATION_LOCK = 0x4875_6262_7562

CREATE_LEDGER = """
    CREATE TABLE IF NOT EXISTS schema_migrations (
        name text PRIMARY KEY, digest text NOT NULL, at timestamptz NOT NULL DEFAULT now()
    )
"""


class MigrationError(Exception):
    """The database was migrated with a file that has changed, or by a newer program."""


class Migration(NamedTuple):
    """One file of the migrations folder."""

    name: str
    sql: str

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the file's text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def list_migrations() -> list[Migration]:
    """Return every migration in the order of its number."""
    folder = resources.files("server.db").joinpath("migrations")
    files = sorted(
        (item for item in folder.iterdir() if item.name.endswith(".sql")),
        key=lambda item: item.name,
    )
    return [Migration(item.name, item.read_text(encoding="utf-8")) for item in files]


async def migrate(database_url: str) -> list[str]:
    """Apply what is missing and return the names of the files applied.

    Raises MigrationError when an applied file has changed or is unknown to this program.
    """
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        await connection.execute(CREATE_LEDGER)
        applied = await _read_ledger(connection)
        done = []
        for migration in list_migrations():
            if migration.name in applied:
                if applied[migration.name] != migration.digest:
                    raise MigrationError(
                        f"{migration.name} was changed after it was applied: this database belongs"
                        " to another version of the program. Use that version, or a fresh DATA."
                    )
                continue
            async with connection.transaction():
                await connection.execute(migration.sql)
                await connection.execute(
                    "INSERT INTO schema_migrations (name, digest) VALUES ($1, $2)",
                    migration.name,
                    migration.digest,
                )
            done.append(migration.name)
        return done
    finally:
        await connection.close()


async def pending_migrations(connection: asyncpg.Connection) -> list[str]:
    """Return the names of the files that this database still lacks; change nothing."""
    has_ledger = await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL")
    applied = await _read_ledger(connection) if has_ledger else {}
    return [migration.name for migration in list_migrations() if migration.name not in applied]


async def _read_ledger(connection: asyncpg.Connection) -> dict[str, str]:
    rows = await connection.fetch("SELECT name, digest FROM schema_migrations")
    applied = {row["name"]: row["digest"] for row in rows}
    unknown = sorted(set(applied) - {migration.name for migration in list_migrations()})
    if unknown:
        raise MigrationError(f"The database is newer than this program: it has {unknown[0]}.")
    return applied
