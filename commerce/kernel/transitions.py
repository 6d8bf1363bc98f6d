"""State machines as one table each: what is not in the table does not happen."""

from __future__ import annotations

from collections.abc import Mapping

from commerce.kernel.errors import CommerceError


class Transitions:
    """A table of (state, event) to next state, with the machine's name for its errors."""

    def __init__(self, name: str, table: Mapping[tuple[str, str], str]) -> None:
        self.name = name
        self.table = dict(table)

    def allows(self, state: str, event: str) -> bool:
        """Say whether `event` may happen in `state`."""
        return (state, event) in self.table

    def next(self, state: str, event: str) -> str:
        """Return the state after `event`; raises `wrong_state` when the table has no such row."""
        try:
            return self.table[state, event]
        except KeyError:
            raise CommerceError(
                "wrong_state",
                f"{self.name} is {state}; it cannot {event}.",
                detail={"state": state},
            ) from None

    @property
    def states(self) -> frozenset[str]:
        """Every state that the table names."""
        return frozenset(state for state, _ in self.table) | frozenset(self.table.values())
