"""`python -m loadtests.conformance URL`: check an address against `docs/protocol.md`.

Invariant: the exit code is 0 when every check that applies passed, 1 when one failed, and 2 for a
wrong call or an address out of reach.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from loadtests.conformance.families import EVERY
from loadtests.conformance.model import Check, UsageError
from loadtests.conformance.render import render_json, render_list, render_text
from loadtests.conformance.runner import Report, prepare, run
from loadtests.conformance.stage import Target

EXIT_FAILED = 1
EXIT_USAGE = 2
PASSWORD_VARIABLE = "HUBBUB_CONFORMANCE_PASSWORD"  # noqa: S105 - the variable's name.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks that were asked for and return the exit code."""
    given = build_parser().parse_args(arguments)
    try:
        checks = choose(EVERY, given.only)
        if given.list:
            print(render_list(checks))
            return 0
        report = asyncio.run(_run(read_target(given), checks))
    except UsageError as error:
        print(f"conformance: {error}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        print("conformance: interrupted", file=sys.stderr)
        return EXIT_FAILED
    print(render_json(report) if given.json else render_text(report))
    return EXIT_FAILED if report.count("fail") or report.problems else 0


async def _run(target: Target, checks: Sequence[Check]) -> Report:
    return await run(await prepare(target), checks)


def choose(checks: Sequence[Check], only: Sequence[str] | None) -> Sequence[Check]:
    """Return the checks whose name, or family, was asked for; raises UsageError for others."""
    if not only:
        return checks
    known = {word for check in checks for word in (check.name, check.family)}
    unknown = sorted(set(only) - known)
    if unknown:
        raise UsageError(f"there is no check or family {', '.join(unknown)}; see --list")
    return [check for check in checks if {check.name, check.family} & set(only)]


def read_target(given: argparse.Namespace) -> Target:
    """Return where to check; raises UsageError for an address that is none."""
    if given.url is None:
        raise UsageError("say which address to check, such as http://127.0.0.1:8000")
    parts = urlsplit(given.url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"}:
        raise UsageError(f"{given.url!r} is no address like http://127.0.0.1:8000")
    password = given.host_password or os.environ.get(PASSWORD_VARIABLE)
    if given.host_login is not None and not password:
        raise UsageError(f"--host-login needs --host-password, or {PASSWORD_VARIABLE}")
    return Target(
        base_url=f"{parts.scheme}://{parts.netloc}",
        room=given.room,
        host_login=given.host_login,
        host_password=password,
    )


def build_parser() -> argparse.ArgumentParser:
    """Describe the flags."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.conformance",
        description="Check an address against the wire contract, docs/protocol.md.",
        epilog="Exit code: 0 passed, 1 failed, 2 wrong call or address out of reach.",
    )
    parser.add_argument("url", nargs="?", help="where to check, http://127.0.0.1:8000")
    parser.add_argument("--room", default="demo", help="which room [demo]")
    parser.add_argument("--host-login", help="login of the room's host; none: fewer checks apply")
    parser.add_argument("--host-password", help=f"its password; also {PASSWORD_VARIABLE}")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="a check or family; may be repeated"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--list", action="store_true", help="print the checks and run none")
    return parser


if __name__ == "__main__":
    sys.exit(main())
