"""Clone a migrated template database for each test.

Invariant: a test owns its database alone; it is dropped when the test ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

TEMPLATE_NAME = "hubbub_template"
T = TypeVar("T")


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a thread with its own loop, so that no test's loop is touched."""
    with ThreadPoolExecutor(max_workers=1) as executor:
        return executor.submit(asyncio.run, work).result()


def with_database(url: str, name: str) -> str:
    """Return the same server's address with another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def execute(url: str, statement: str) -> None:
    """Run one statement outside a transaction."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def make_template(server_url: str) -> str:
    """Make the template with today's migrations and return its name."""
    # Imported here so that tests without a database do not need the whole server to import.
    from server.db.migrate import migrate

    run_apart(execute(server_url, f"CREATE DATABASE {TEMPLATE_NAME}"))
    run_apart(migrate(with_database(server_url, TEMPLATE_NAME)))
    return TEMPLATE_NAME


def clone(server_url: str, template: str) -> str:
    """Make a database from the template and return its address."""
    name = f"test_{uuid4().hex}"
    run_apart(execute(server_url, f"CREATE DATABASE {name} TEMPLATE {template}"))
    return with_database(server_url, name)


def drop(server_url: str, database_url: str) -> None:
    """Drop a test's database, ending connections a failed test may have left."""
    name = urlsplit(database_url).path.strip("/")
    run_apart(execute(server_url, f"DROP DATABASE {name} WITH (FORCE)"))
