"""A successor has the place of the one before, under a name that no living process has."""

from __future__ import annotations

from server.ops.children import Role, successor_of


def test_a_successor_has_the_next_name_in_the_same_place() -> None:
    role = Role("gateway", "g1-ab12")
    names = [role.name]
    for _ in range(11):
        role = successor_of(role)
        assert role.kind == "gateway"
        names.append(role.name)
    assert names[:3] == ["g1-ab12", "g1-ab12.2", "g1-ab12.3"]
    assert len(set(names)) == len(names)
