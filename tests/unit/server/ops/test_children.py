"""Deaths of children: back-off grows, and the fifth in a minute is the end."""

from __future__ import annotations

import pytest

from server.ops.children import DeathCount
from server.ops.errors import OperationalError
from server.ops.supervisor import plan


def test_back_off_doubles_while_deaths_are_close() -> None:
    deaths = DeathCount()
    assert [deaths.add("g1", now_s) for now_s in (0, 1, 2, 3)] == [0.2, 0.4, 0.8, 1.6]


def test_fifth_death_within_a_minute_is_the_end() -> None:
    deaths = DeathCount()
    for now_s in (0, 10, 20, 30):
        deaths.add("g1", now_s)
    with pytest.raises(OperationalError, match="5 processes died within a minute"):
        deaths.add("w1 (exit code 1)", 59)


def test_old_deaths_are_forgiven() -> None:
    deaths = DeathCount()
    assert {deaths.add("g1", now_s) for now_s in range(0, 6000, 61)} == {0.2}


@pytest.mark.parametrize(
    ("role", "kinds"),
    [
        ("all", ["gateway", "gateway", "worker"]),
        ("gateway", ["gateway", "gateway"]),
        ("worker", ["worker"]),
    ],
)
def test_roles_split_the_plan(role: str, kinds: list[str]) -> None:
    planned = plan(role, 2)
    assert [child.kind for child in planned] == kinds
    assert len({child.name for child in planned}) == len(planned)


@pytest.mark.parametrize(("role", "others"), [("all", 3), ("media", 0)])
def test_one_media_process_is_planned_where_it_is_ours(role: str, others: int) -> None:
    kinds = [child.kind for child in plan(role, 2, has_media=True)]
    assert kinds[others:] == ["media"]
    assert "media" not in [child.kind for child in plan(role, 2)]


def test_two_machines_never_share_a_process_name() -> None:
    names = {child.name for _ in range(20) for child in plan("worker", 2)}
    assert len(names) > 15
