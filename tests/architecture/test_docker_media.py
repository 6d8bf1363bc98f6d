"""Check the files for MediaMTX and coturn against the program that they stand beside."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from server.settings import read_settings
from tests.architecture.public_names import route_paths
from tests.architecture.test_docker import substitute

ROOT = Path(__file__).resolve().parents[2]


def load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker" / name).read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize("service", ["gateway", "worker"])
def test_environment_makes_valid_settings(service: str) -> None:
    environment = load("media.yaml")["services"][service]["environment"]
    settings = read_settings({name: substitute(value) for name, value in environment.items()})
    assert settings.media_backend == "whip"
    assert "{token}" in str(settings.whip_publish_url)
    # UDP alone would not help a network that lets no UDP through.
    ways = {one.partition("?transport=")[2] for one in settings.ice_servers}
    assert ways == {"udp", "tcp"}
    assert all(one.startswith("turn:") for one in settings.ice_servers)


def test_the_services_are_those_of_the_shop() -> None:
    assert {"gateway", "worker"} <= set(load("compose.yaml")["services"])


def test_the_engine_asks_an_address_that_there_is() -> None:
    address = urlsplit(load("mediamtx.yml")["authHTTPAddress"])
    assert address.path in route_paths()
    assert address.hostname in load("media.yaml")["services"]


def test_the_engine_takes_slugs_and_nothing_else() -> None:
    (name,) = load("mediamtx.yml")["paths"]
    pattern = re.compile(name.removeprefix("~"))
    assert pattern.search("demo")
    assert not pattern.search("../demo")
    assert not pattern.search("a/b")


def test_a_host_who_comes_back_to_the_engine_is_let_in() -> None:
    (path,) = load("mediamtx.yml")["paths"].values()
    assert path["overridePublisher"] is True


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.31.0.9"),
        *("192.168.0.1", "::1", "fd12::1", "fe80::1"),
    ],
)
def test_nobody_is_relayed_into_our_own_networks(address: str) -> None:
    command = load("media.yaml")["services"]["coturn"]["command"]
    flag = "--denied-peer-ip="
    ranges = [one.removeprefix(flag).split("-") for one in command if one.startswith(flag)]
    peer = ip_address(address)
    assert any(
        int(ip_address(found[0])) <= int(peer) <= int(ip_address(found[-1]))
        for found in ranges
        if ip_address(found[0]).version == peer.version
    )
    assert "--no-tcp-relay" in command


def test_turn_credentials_come_from_the_shared_secret() -> None:
    services = load("media.yaml")["services"]
    secret = services["gateway"]["environment"]["HUBBUB_TURN_SECRET"]
    assert f"--static-auth-secret={secret}" in services["coturn"]["command"]
    assert "--use-auth-secret" in services["coturn"]["command"]
