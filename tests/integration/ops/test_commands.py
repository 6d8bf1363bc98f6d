"""The command line: one clear line and an exit code for whatever is not as it should be.

Invariant under test: an operational failure never shows a traceback.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.program import Program

UNREACHABLE = {
    "HUBBUB_DATABASE_URL": "postgresql://shop:s3cret-word@127.0.0.1:1/shop",
    "HUBBUB_REDIS_URL": "redis://:s3cret-word@127.0.0.1:1/0",
}


def finish(*arguments: str, environment: dict[str, str]) -> tuple[int, list[str]]:
    """Run the program to its end; return the exit code and its lines."""
    program = Program(*arguments, environment=environment)
    return program.wait(), program.lines


@pytest.mark.parametrize(
    "command", ["serve", "restart", "migrate", "seed", "check", "audit", "reconcile", "evidence"]
)
def test_every_command_explains_itself(command: str) -> None:
    code, lines = finish(command, "--help", environment={})
    assert code == 0
    assert lines[0].startswith(f"usage: hubbub {command}")
    assert any("HUBBUB_DATABASE_URL" in line for line in lines)


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"PORT": "many"}, "hubbub: PORT is 'many', but must be a number."),
        ({"HUBBUB_GATEWAYS": "0"}, "hubbub: HUBBUB_GATEWAYS is 0, but must be int >= 1."),
        (
            {"HUBBUB_GATEWAY": "2"},
            "hubbub: there is no setting HUBBUB_GATEWAY; did you mean HUBBUB_GATEWAYS?",
        ),
        (
            {"HUBBUB_TRUSTED_PROXIES": "10.0.0.0/99"},
            "hubbub: HUBBUB_TRUSTED_PROXIES is '10.0.0.0/99'; "
            "it must be addresses or networks like 10.0.0.0/8.",
        ),
    ],
)
def test_wrong_setting_is_one_line(environment: dict[str, str], line: str) -> None:
    assert finish("serve", environment=environment) == (2, [line])


@pytest.mark.parametrize("command", ["serve", "migrate", "check"])
def test_unreachable_database_is_one_line_without_the_password(command: str) -> None:
    code, lines = finish(command, environment={**UNREACHABLE, "PORT": "0"})
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith("hubbub: cannot reach PostgreSQL at postgresql://shop:***@127.0.0.1")
    assert "s3cret" not in lines[0]


def test_unreachable_redis_is_one_line_without_the_password(database_url: str) -> None:
    environment = {**UNREACHABLE, "HUBBUB_DATABASE_URL": database_url, "PORT": "0"}
    code, lines = finish("serve", environment=environment)
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith("hubbub: cannot reach Redis at redis://:***@127.0.0.1:1/0")


def test_taken_port_is_one_line_and_starts_nothing(data_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, lines = finish(
            "serve", "--port", str(port), environment={"DATA": str(data_folder / "new")}
        )
    assert code == 1
    assert lines == [
        f"hubbub: port {port} on 127.0.0.1 is taken by another program; choose another with PORT=…."
    ]
    assert not (data_folder / "new").exists()


def test_data_folder_that_cannot_be_made_is_one_line(data_folder: Path) -> None:
    (data_folder / "file").touch()
    code, lines = finish("check", environment={"DATA": str(data_folder / "file" / "below")})
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith("hubbub: cannot make the data folder")


@pytest.mark.parametrize("role", ["gateway", "worker"])
def test_split_roles_need_shared_servers(role: str) -> None:
    code, lines = finish("serve", "--role", role, environment={"PORT": "0"})
    assert code == 2
    assert lines == [
        f"hubbub: --role {role} needs HUBBUB_DATABASE_URL and HUBBUB_REDIS_URL, "
        "so that all machines share them."
    ]


def test_check_names_a_missing_migration(
    empty_database_url: str, redis_url: str, data_folder: Path
) -> None:
    servers = {
        "HUBBUB_DATABASE_URL": empty_database_url,
        "HUBBUB_REDIS_URL": redis_url,
        "DATA": str(data_folder),
    }
    code, lines = finish("check", environment=servers)
    assert code == 1
    assert "run `hubbub migrate`." in lines[-1]
    assert finish("migrate", environment=servers)[0] == 0
    code, lines = finish("check", environment=servers)
    assert code == 0
    assert lines[-1] == "the schema is up to date"


def test_demo_passwords_are_refused_without_demo(
    serve: Callable[..., Program], data_folder: Path
) -> None:
    serve("--demo").stop()
    refused = serve("--gateways", "1", ready=False)
    assert refused.wait() == 2
    assert refused.lines == [
        "hubbub: this database has the demo logins, whose passwords are published; "
        "serve it with --demo, or use another database."
    ]


def test_reconcile_compares_without_a_running_gateway(
    database_url: str, redis_url: str, data_folder: Path
) -> None:
    """An empty shop differs in nothing; a wrong time is one line."""
    environment = {
        "HUBBUB_DATABASE_URL": database_url,
        "HUBBUB_REDIS_URL": redis_url,
        "DATA": str(data_folder),
    }
    assert finish("reconcile", "--since", "2026-11-01", environment=environment) == (
        0,
        ["0 payments since 2026-11-01T00:00:00+00:00 compared: nothing differs"],
    )
    code, lines = finish("reconcile", "--json", environment=environment)
    assert code == 0
    assert '"ok": true' in "".join(lines)
    code, lines = finish("reconcile", "--since", "soon", environment=environment)
    assert (code, len(lines)) == (2, 1)
    assert lines[0].startswith("hubbub: --since is 'soon'")
