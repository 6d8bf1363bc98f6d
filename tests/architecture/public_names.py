"""Collect every name that people outside rely on, from the source itself.

Invariant: a name counts as public as soon as it is written where it takes effect; nobody keeps a
second list.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from realtime.protocol.counters import Counters
from server.metrics import collect_metrics

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("server", "realtime", "commerce")
ROUTE_CALLS = {"Route", "WebSocketRoute"}
SALE_LANE_CALLS = {"announce"}
DIRECT_LANE_CALLS = {"tell", "direct"}
ERROR_CALLS = {"CommerceError", "CommandError"}


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield every call in our packages with the last part of what is called."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    if isinstance(node.func, ast.Attribute):
                        yield node.func.attr, node
                    elif isinstance(node.func, ast.Name):
                        yield node.func.id, node


def route_paths() -> set[str]:
    """Return the path of every HTTP route, as Starlette reads it."""
    return _first_texts(ROUTE_CALLS, position=0)


def sale_lane_types() -> set[str]:
    """Return every type that is announced to a room."""
    return _first_texts(SALE_LANE_CALLS, position=1)


def direct_lane_types() -> set[str]:
    """Return every type that is told to one user; computed ones are not seen."""
    return _first_texts(DIRECT_LANE_CALLS, position=2)


def raised_codes() -> set[str]:
    """Return every error code that is raised by name."""
    return _first_texts(ERROR_CALLS, position=0)


def metric_names() -> set[str]:
    """Return every metric that a gateway exports, without the suffixes of the text format."""
    counters = Counters(closes={4000: 1})
    return {metric.name for metric in collect_metrics("g1", counters, is_link_up=True)}


def without_parameter_names(path: str) -> str:
    """Return a path whose parameters are `{}`, so that `{room}` equals `{slug}`."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def _first_texts(names: set[str], *, position: int) -> set[str]:
    found = set()
    for name, node in calls():
        if name in names and len(node.args) > position:
            argument = node.args[position]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                found.add(argument.value)
    return found
