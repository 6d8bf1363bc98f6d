"""A stranger's offer has this machine send nothing into the operator's own network."""

from __future__ import annotations

import pytest

from realtime.video.reach import Reach, reach_from

INNER = [
    "10.1.2.3", "172.17.0.1", "192.168.1.9", "100.64.0.1", "169.254.169.254", "127.0.0.1",
    "127.0.0.53", "::1", "fe80::1", "fe80::1%eth0", "fd00::1", "::ffff:10.1.2.3",
]  # fmt: skip
NEVER = [
    "0.0.0.0", "0.1.2.3", "224.0.0.251", "239.255.255.250", "255.255.255.255", "240.0.0.1", "::",
    "ff02::fb", "::ffff:224.0.0.1", "::127.0.0.1", "2002:7f00:1::", "2001:0:1::", "64:ff9b::7f00:1",
    "localhost", "printer.local", "1", "0x7f000001", "127.1", "",
]  # fmt: skip


@pytest.mark.parametrize("host", INNER)
def test_a_server_on_the_internet_checks_nothing_inside(host: str) -> None:
    assert not reach_from(["203.0.113.7", "2001:db8::7"]).may_check(host, 5_000)


@pytest.mark.parametrize("host", NEVER)
def test_nobodys_and_everybodys_addresses_are_never_checked(host: str) -> None:
    everywhere = reach_from([*INNER, *NEVER])
    assert not everywhere.may_check(host, 5_000)


@pytest.mark.parametrize("host", INNER)
def test_a_server_within_a_network_checks_its_neighbours(host: str) -> None:
    assert reach_from([host]).may_check(host, 5_000)


def test_one_inner_network_opens_no_other() -> None:
    reach = reach_from(["192.168.1.2"])
    assert reach.may_check("192.168.77.1", 5_000)
    assert not any(reach.may_check(host, 5_000) for host in INNER if not host.startswith("192"))


@pytest.mark.parametrize(("port", "may"), [(53, False), (1023, False), (1024, True), (0, False),
                                           (65535, True), (65536, False)])  # fmt: skip
def test_services_ports_are_left_alone(port: int, may: bool) -> None:
    assert Reach().may_check("198.51.100.7", port) is may
    assert Reach().may_check("2600::7", port) is may
