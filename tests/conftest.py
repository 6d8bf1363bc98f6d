"""Give tests real servers: one PostgreSQL and one Valkey a session, a clone and a prefix a test."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from server.db.database import PgDatabase, open_pool
from server.ops.embedded import Embedded
from tests.support import databases
from tests.support.browser import FLAGS, MUST_COME_S, find_chromium
from tests.support.folders import make_folder
from tests.support.leftovers import stop_leftovers
from tests.support.loopback import close_the_network
from tests.support.program import Program

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.support.till import Till

pytest_plugins = ["tests.support.aftermath"]
TIERS_BY_FOLDER = {
    "integration": "integration",
    "concurrency": "race",
    "e2e": "e2e",
    "faults": "faults",
}
# Here a wrong answer may be the machine's: how many pictures came, what a page showed in time.
MEASURED_BY_THE_CLOCK = ("tests/integration/realtime/video/", "tests/e2e/", "tests/static/")


def pytest_configure(config: pytest.Config) -> None:
    """Close the network before the first test is collected."""
    close_the_network()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the tier of its folder, so that no file can forget it.

    A machine with other work may stop a program for seconds. So what ran out of time is tried
    once more, and the summary names it. A wrong answer counts at once.
    """
    tests = Path(__file__).parent
    for item in items:
        path = item.path.relative_to(tests)
        folder = path.parts[0]
        if folder in TIERS_BY_FOLDER:
            item.add_marker(TIERS_BY_FOLDER[folder])
        by_the_clock = f"tests/{path.as_posix()}".startswith(MEASURED_BY_THE_CLOCK)
        once_more = True if by_the_clock else ran_out_of_time
        item.add_marker(pytest.mark.flaky(reruns=1, condition=once_more))


def ran_out_of_time(error: BaseException) -> bool:
    """Whether a test failed because something did not come, and not because it was wrong."""
    return "Timeout" in type(error).__name__ or "Locator expected" in str(error)


@pytest.fixture(scope="session")
def embedded() -> Iterator[Embedded]:
    """PostgreSQL and Valkey for the whole session, fsync on, in a folder of their own."""
    stop_leftovers()
    data = make_folder("hubbub-test-")
    servers = Embedded(data)
    servers.start(say=lambda line: None)
    yield servers
    servers.stop()
    shutil.rmtree(data, ignore_errors=True)


@pytest.fixture(scope="session")
def database_server_url(embedded: Embedded) -> str:
    """The server's own database; tests want `database_url` instead."""
    assert embedded.database_url is not None
    return embedded.database_url


@pytest.fixture(scope="session")
def database_template(database_server_url: str) -> str:
    """The name of a database with all migrations and no rows of ours."""
    return databases.make_template(database_server_url)


@pytest.fixture
def database_url(database_server_url: str, database_template: str) -> Iterator[str]:
    """A migrated, empty database for this test alone."""
    url = databases.clone(database_server_url, database_template)
    yield url
    databases.drop(database_server_url, url)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop for all stories of a test."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[PgDatabase]:
    """The test's database behind the real transaction class."""
    database = PgDatabase(await open_pool(database_url))
    yield database
    await database.close()


@pytest.fixture
async def till(database_url: str) -> AsyncIterator[Till]:
    """Orders, payments, accounts and the sandbox provider over the test's database."""
    from tests.support.till import open_till  # Half of the server; most tests need none of it.

    async with open_till(database_url) as till:
        yield till


@pytest.fixture
def empty_database_url(database_server_url: str) -> Iterator[str]:
    """A database without any table, for tests of the migrations themselves."""
    url = databases.clone(database_server_url, "template1")
    yield url
    databases.drop(database_server_url, url)


@pytest.fixture(scope="session")
def redis_url(embedded: Embedded) -> str:
    """The session's Valkey. Keys and channels of a test start with its `redis_prefix`."""
    assert embedded.redis_url is not None
    return embedded.redis_url


@pytest.fixture
def redis_prefix() -> str:
    """A prefix that no other test uses."""
    return f"t:{uuid4().hex}:"


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """A DATA folder with a path short enough for its sockets."""
    folder = make_folder("hubbub-data-")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def serve(
    data_folder: Path, redis_prefix: str, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Program]]:
    """Return `serve(*arguments, embedded=False, environment=None, ready=True)`.

    It starts `python -m server serve --demo --port 0` and waits until it is ready. Without
    `embedded` it uses the session's servers with this test's own database and prefix; with it, it
    starts its own in `data_folder`. Every program is stopped at the end of the test, and leaving a
    process behind fails the test.
    """
    started: list[Program] = []

    def start(
        *arguments: str,
        embedded: bool = False,
        environment: dict[str, str] | None = None,
        ready: bool = True,
    ) -> Program:
        settings = {"DATA": str(data_folder), "PORT": "0", "HUBBUB_REDIS_PREFIX": redis_prefix}
        if not embedded:
            settings["HUBBUB_DATABASE_URL"] = request.getfixturevalue("database_url")
            settings["HUBBUB_REDIS_URL"] = request.getfixturevalue("redis_url")
        words = arguments or ("--demo",)
        program = Program("serve", *words, environment={**settings, **(environment or {})})
        started.append(program)
        return program.wait_until_ready() if ready else program

    yield start
    for program in reversed(started):
        program.stop()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path."""
    path = find_chromium()
    assert path, "no Chromium found: install one, or set HUBBUB_CHROMIUM to its path"
    from playwright.async_api import expect

    # Playwright's own five seconds are too few for a busy machine; only a failure takes these.
    expect.set_options(timeout=MUST_COME_S * 1000)
    return path


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """A fresh headless Chromium; make one context a person."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        instance = await playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield instance
        await instance.close()
