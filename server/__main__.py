"""The command line: `hubbub serve | restart | migrate | seed | check | audit | reconcile | …`.

Invariant: an operational failure is one clear line on stderr and an exit code, never a traceback.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from server.ops.embedded import Embedded
from server.ops.errors import EXIT_FAILED, EXIT_USAGE, OperationalError
from server.ops.logging import configure_logging
from server.ops.open_files import allow_open_files
from server.ops.restart import restart_running
from server.ops.supervisor import ROLES, Steps, Supervisor
from server.settings import SettingError, Settings, read_settings, variable

# The wiring is imported by the commands that need it, so that `--help`, a taken port or a wrong
# setting answer at once.
# ruff: noqa: PLC0415

EXIT_VIOLATIONS = 1

log = logging.getLogger("server")  # Not `__main__`, which says nothing in a log.


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    given = build_parser().parse_args(arguments)
    try:
        settings = read_settings(
            os.environ,
            host=given.host,
            port=given.port,
            data=given.data,
            gateways=given.gateways,
            demo=given.demo or None,
        )
        command: Callable[[argparse.Namespace, Settings], int] = given.command
        return command(given, settings)
    except SettingError as error:
        print(f"hubbub: {error}", file=sys.stderr)
        return EXIT_USAGE
    except OperationalError as error:
        print(f"hubbub: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_FAILED


def serve(given: argparse.Namespace, settings: Settings) -> int:
    """Run everything, or be one of the children that do."""
    if given.parent is not None:
        from server.wiring.child import Child, serve_as_child

        return serve_as_child(Child(given.role, given.name, given.parent, given.listener), settings)
    configure_logging(settings.log, "parent")
    allow_open_files()
    settings = msgspec.structs.replace(settings, data=settings.data.expanduser().resolve())
    steps = Steps(
        check=_require_servers,
        migrate=_migrate,
        seed=_seed,
        has_demo_logins=_has_demo_logins,
        greeting=partial(_greeting, given.role),
    )
    supervisor = Supervisor(settings, role=given.role, steps=steps, say=_say)
    asyncio.run(supervisor.run())
    return 0


def restart(given: argparse.Namespace, settings: Settings) -> int:
    """Replace the gateways and the worker of a running `serve`, one after the other."""
    restart_running(settings.data, _say)
    return 0


def migrate(given: argparse.Namespace, settings: Settings) -> int:
    """Bring the database's schema up to date."""
    return _with_servers(settings, _migrate_loudly)


def seed(given: argparse.Namespace, settings: Settings) -> int:
    """Make the demo shop once."""

    async def work(settings: Settings) -> int:
        await _require_servers(settings)
        await _migrate(settings)
        await _seed(settings)
        _say("the demo shop is there")
        return 0

    return _with_servers(settings, work)


def check(given: argparse.Namespace, settings: Settings) -> int:
    """Look at settings, servers and schema; change nothing."""
    return _with_servers(settings, _check)


def audit(given: argparse.Namespace, settings: Settings) -> int:
    """Check every promise over all rows; exit 1 when one was broken."""
    return _with_servers(settings, partial(_audit, is_json=given.json))


def reconcile(given: argparse.Namespace, settings: Settings) -> int:
    """Compare payments with what their providers list; exit 1 when something differs."""
    from server.ops.reports import as_json, describe_reconciliation
    from server.ops.since import parse_since

    now = datetime.now(UTC)
    since_ms = parse_since(given.since, now)

    async def work(settings: Settings) -> int:
        from server.wiring.reconciliation import run_reconciliation

        await _require_servers(settings)
        report = await run_reconciliation(settings, since_ms)
        _say(as_json(report) if given.json else describe_reconciliation(report))
        return 0 if report.ok else EXIT_VIOLATIONS

    return _with_servers(settings, work)


def evidence(given: argparse.Namespace, settings: Settings) -> int:
    """Export what the record holds about an order, or check such a file; exit 1 if changed."""
    if (given.order is None) == (given.verify is None):
        line = "evidence needs the id of an order, or --verify FILE."
        raise OperationalError(line, exit_code=EXIT_USAGE)
    if given.verify is not None:
        from server.wiring.evidence import verify_file

        _say(verify_file(given.verify))
        return 0

    async def work(settings: Settings) -> int:
        from server.wiring.evidence import run_export

        await _require_servers(settings)
        _say(await run_export(settings, given.order, given.out))
        return 0

    return _with_servers(settings, work)


def _with_servers(settings: Settings, work: Callable[[Settings], Coroutine[Any, Any, int]]) -> int:
    """Run one command against the given servers, or our own ones started for it.

    A `serve` that runs on the same data folder has them already; then its sockets are used.
    """
    configure_logging(settings.log, "command")
    with contextlib.ExitStack() as held:
        if settings.database_url is None or settings.redis_url is None:
            embedded = Embedded(
                settings.data,
                with_database=settings.database_url is None,
                with_redis=settings.redis_url is None,
                may_share=True,
            )
            held.callback(embedded.stop)
            embedded.start(_note)
            settings = msgspec.structs.replace(
                settings,
                database_url=settings.database_url or embedded.database_url,
                redis_url=settings.redis_url or embedded.redis_url,
            )
        return asyncio.run(work(settings))


async def _require_servers(settings: Settings) -> tuple[str, str]:
    """Return the versions of PostgreSQL and Redis; raise when one is out of reach."""
    from server.ops.reachability import require_database, require_redis

    return (
        await require_database(_url(settings.database_url)),
        await require_redis(_url(settings.redis_url)),
    )


async def _migrate(settings: Settings) -> None:
    from server.db.migrate import MigrationError
    from server.db.migrate import migrate as apply

    try:
        applied = await apply(_url(settings.database_url))
    except MigrationError as error:
        raise OperationalError(str(error)) from error
    if applied:
        log.info("migrated", extra={"files": len(applied), "newest": applied[-1]})


async def _migrate_loudly(settings: Settings) -> int:
    await _require_servers(settings)
    await _migrate(settings)
    _say("the database is up to date")
    return 0


async def _seed(settings: Settings) -> None:
    from server.wiring.seed import seed_demo

    await seed_demo(settings)


async def _has_demo_logins(settings: Settings) -> bool:
    from server.wiring.seed import has_demo_logins

    return await has_demo_logins(_url(settings.database_url))


async def _check(settings: Settings) -> int:
    database_version, redis_version = await _require_servers(settings)
    _say(f"PostgreSQL {database_version} answers")
    _say(f"Redis or Valkey {redis_version} answers")
    missing = await _missing_migrations(_url(settings.database_url))
    if missing:
        raise OperationalError(
            f"the schema lacks {len(missing)} migration(s), first {missing[0]}; "
            "run `hubbub migrate`."
        )
    _say("the schema is up to date")
    return 0


async def _missing_migrations(database_url: str) -> list[str]:
    import asyncpg

    from server.db.migrate import MigrationError, pending_migrations

    connection = await asyncpg.connect(database_url)
    try:
        return await pending_migrations(connection)
    except MigrationError as error:
        raise OperationalError(str(error)) from error
    finally:
        await connection.close()


async def _audit(settings: Settings, *, is_json: bool) -> int:
    from server.ops.reports import as_json, describe_audit
    from server.wiring.audit import run_audit

    await _require_servers(settings)
    report = await run_audit(settings)
    _say(as_json(report) if is_json else describe_audit(report))
    return 0 if report.ok else EXIT_VIOLATIONS


def _greeting(role: str, settings: Settings) -> str:
    from commerce.members.accounts.model import DEMO_STAFF
    from server.wiring.demo_shop import DEMO_ROOM

    if role in {"worker", "media"}:
        what = "media process" if role == "media" else role
        return f"Hubbub's {what} is ready. Stop it with Ctrl-C."
    lines = [
        f"Hubbub is ready, with {settings.gateways} gateways.",
        f"  room     {settings.base_url}/r/{DEMO_ROOM}",
        f"  console  {settings.base_url}/console/{DEMO_ROOM}",
    ]
    if settings.demo:
        logins = ", ".join(f"{person.login} / {person.password}" for person in DEMO_STAFF)
        lines.append(f"  logins   {logins}")
    else:
        lines[1:] = [f"  shop     {settings.base_url}/"]
    return "\n".join([*lines, "Stop it with Ctrl-C."])


def _url(url: str | None) -> str:
    assert url is not None, "the servers are started before their addresses are used"
    return url


def _say(line: str) -> None:
    print(line, flush=True)


def _note(line: str) -> None:
    """Tell a person something without touching what a program may read on stdout."""
    print(line, file=sys.stderr, flush=True)


def build_parser() -> argparse.ArgumentParser:
    """Describe every command and flag; the settings' help is made from the struct itself."""
    parser = argparse.ArgumentParser(prog="hubbub", description="A live-stream commerce server.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in (
        ("serve", serve),
        ("restart", restart),
        ("migrate", migrate),
        ("seed", seed),
        ("check", check),
        ("audit", audit),
        ("reconcile", reconcile),
        ("evidence", evidence),
    ):
        summary = (command.__doc__ or "").partition("\n")[0]
        sub = commands.add_parser(name, help=summary, description=summary, epilog=_variables())
        sub.formatter_class = argparse.RawDescriptionHelpFormatter
        sub.set_defaults(
            command=command, host=None, port=None, gateways=None, demo=False, parent=None
        )
        sub.add_argument("--data", type=Path, help="folder for keys, logs and databases (DATA)")
        if name == "serve":
            _add_serve_flags(sub)
        if name == "reconcile":
            sub.add_argument("--since", default="7", help="days back, or a time: 2026-11-01 [7]")
        if name == "evidence":
            sub.add_argument("order", nargs="?", help="the order's id")
            sub.add_argument("--out", type=Path, help="a new file to write; without it, print")
            sub.add_argument("--verify", type=Path, metavar="FILE", help="check an exported file")
        if name in ("audit", "reconcile"):
            sub.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def _add_serve_flags(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--host", help="address to listen on (HOST)")
    sub.add_argument("--port", type=int, help="port to listen on, 0 for any (PORT)")
    sub.add_argument("--gateways", type=int, help="gateway processes (HUBBUB_GATEWAYS)")
    sub.add_argument("--demo", action="store_true", help="seed and allow the demo shop")
    sub.add_argument("--role", choices=ROLES, default="all", help="what this machine runs")
    sub.add_argument("--name", default="", help=argparse.SUPPRESS)  # Given to children only.
    sub.add_argument("--parent", type=int, help=argparse.SUPPRESS)  # Their link's descriptor.
    sub.add_argument("--listener", type=int, help=argparse.SUPPRESS)  # A gateway's, the same way.


def _variables() -> str:
    """Describe every setting, from the struct itself."""
    lines = ["settings, read from the environment:"]
    for field in msgspec.structs.fields(Settings):
        description = field.type.__metadata__[0].description
        default = field.default if field.default not in {None, ()} else "none"
        lines.append(f"  {variable(field.name):<24} {description} [{default}]")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
