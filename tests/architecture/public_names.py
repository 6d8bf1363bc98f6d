"""Collect every name that people outside rely on, from the source itself.

Invariant: a name counts as public as soon as it is written where it takes effect; nobody keeps a
second list.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec

from commerce.orders.checkout.model import ORDER
from commerce.sales.show_floor.model import BagItem, Floor, SaleView, ShowView
from realtime.protocol import messages
from realtime.protocol.counters import Counters
from realtime.video.config import VideoCounters
from realtime.video.recording.model import RecordingCounters
from server.__main__ import build_parser
from server.media.app import collect_carried_metrics, collect_media_metrics
from server.media.desk import DeskCounters, MediaDesk
from server.metrics import collect_metrics
from server.recording.keeper import RecordingKeeper
from server.recording.metrics import RecordingCollector

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
    """Return every type that is told to one user; `order.{state}` with every state it may be."""
    found = _first_texts(DIRECT_LANE_CALLS, position=2) | _first_texts({"direct"}, position=1)
    for name, node in calls():
        computed = node.args[2] if name in DIRECT_LANE_CALLS and len(node.args) > 2 else None
        if isinstance(computed, ast.JoinedStr):
            assert "".join(map(_part, computed.values)) == "order.{state}", ast.unparse(computed)
            ends = [to for (state, _), to in ORDER.table.items() if state == "awaiting_payment"]
            found |= {f"order.{end}" for end in ends}
    return found


def raised_codes() -> set[str]:
    """Return every error code that is raised by name."""
    return _first_texts(ERROR_CALLS, position=0)


def metric_names() -> set[str]:
    """Return every metric that a process exports, without the suffixes of the text format."""
    counters = Counters(closes={4000: 1})
    desk = SimpleNamespace(counters=DeskCounters(), rooms={})
    ours = {metric.name for metric in collect_metrics("g1", counters, is_link_up=True)}
    ours |= {metric.name for metric in collect_media_metrics(cast(MediaDesk, desk), "m1")}
    ours |= {metric.name for metric in collect_carried_metrics(VideoCounters(), "m1")}
    keeper = SimpleNamespace(counters=RecordingCounters(), begun=0, running=0, rounds_failed=0)
    recorded = RecordingCollector(cast(RecordingKeeper, keeper), "m1")
    return ours | {metric.name for metric in recorded.collect()}


def without_parameter_names(path: str) -> str:
    """Return a path whose parameters are `{}`, so that `{room}` equals `{slug}`."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def routes() -> set[tuple[str, str]]:
    """Return every HTTP route as (method, path); what names no method is read."""
    found = set()
    for name, node in calls():
        if name not in ROUTE_CALLS or not node.args or not isinstance(node.args[0], ast.Constant):
            continue
        methods = next(
            (ast.literal_eval(k.value) for k in node.keywords if k.arg == "methods"), None
        )
        found |= {(method, str(node.args[0].value)) for method in methods or ["GET"]}
    return found


def query_fields() -> set[str]:
    """Return every field of a query string that is read anywhere."""
    found = set()
    for name, node in calls():
        if name.lstrip("_").startswith("query_") and len(node.args) > 1:
            found |= {str(a.value) for a in node.args[1:2] if isinstance(a, ast.Constant)}
        source = ast.unparse(node.func)
        if name == "get" and source.endswith(("query.get", "query_params.get")):
            found |= {str(a.value) for a in node.args[:1] if isinstance(a, ast.Constant)}
    return found


def frames_to_client() -> set[str]:
    """Return the type of every frame that `messages.py` builds."""
    found = set()
    for function in _functions("realtime/protocol/messages.py"):
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "_encode":
                first = node.args[0]
                if isinstance(first, ast.Tuple) and isinstance(first.elts[0], ast.Constant):
                    found.add(str(first.elts[0].value))
            elif isinstance(node, ast.Constant) and isinstance(node.value, bytes):
                begun = re.match(rb'\["(\w+)"', node.value)
                found |= {begun[1].decode()} if begun else set()
    return found


def frames_to_server() -> set[str]:
    """Return the type of every frame that `messages.py` parses."""
    return set(messages._KINDS)


def hello_fields() -> tuple[set[str], set[str]]:
    """Return the fields of the hello, and those of its `limits`."""
    for path in sorted((ROOT / "realtime").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                fields = _fields(node)
                if {"conn", "rec", "limits"} <= set(fields):
                    limits = fields["limits"]
                    assert isinstance(limits, ast.Dict)
                    return set(fields), set(_fields(limits))
    raise AssertionError("no hello is built")


def state_keys() -> set[str]:
    """Return every key of the state lane; what is filled in becomes `{sale}`."""
    found = set()
    for name, node in calls():
        source = ast.unparse(node.func)
        position = 0 if source.endswith("state.put") else 1
        if name in ("set_state", "Figure") or source.endswith("state.put"):
            key = node.args[position]
            if isinstance(key, ast.Constant):
                found.add(str(key.value))
            elif isinstance(key, ast.JoinedStr):
                found.add("".join(_part(part) for part in key.values))
    return found


def commands() -> set[str]:
    """Return the name of every command, as it is compared where it is carried out."""
    found = set()
    for file in ("server/bridge.py", "realtime/gateway/session.py"):
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare) and ast.unparse(node.left).endswith("command"):
                found |= {str(ast.literal_eval(right)) for right in node.comparators}
    return found


def command_line() -> tuple[set[str], set[str]]:
    """Return the commands of `hubbub` and all their flags, but for those of its children."""
    names, flags = set(), set()
    for action in build_parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                names.add(name)
                shown = [one for one in sub._actions if one.help != argparse.SUPPRESS]
                flags |= {flag for one in shown for flag in one.option_strings}
    return names, {flag for flag in flags if flag.startswith("--")} - {"--help"}


def room_state_fields() -> dict[str, set[str]]:
    """Return the fields of the room state, and of what lies in it."""
    top: set[str] = set(Floor.__struct_fields__)
    for function in _functions("server/room_state.py"):
        if function.name == "read_state":
            top |= {name for node in ast.walk(function) for name in _top_fields(node)}
    return {
        "state": top,
        "show": set(ShowView.__struct_fields__),
        "bag": set(BagItem.__struct_fields__),
        "sales": set(SaleView.__struct_fields__),
    }


def sometimes_fields() -> set[str]:
    """Return the fields of a sale that are left out while they have nothing to say."""
    return {field.name for field in msgspec.structs.fields(SaleView) if not field.required}


def _top_fields(node: ast.AST) -> set[str]:
    is_answer = isinstance(node, ast.Return) and isinstance(node.value, ast.Dict)
    return set(_fields(node.value)) if is_answer else set()


def _fields(node: ast.Dict) -> dict[str, ast.expr]:
    pairs = zip(node.keys, node.values, strict=True)
    return {str(k.value): v for k, v in pairs if isinstance(k, ast.Constant)}


def _functions(file: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _part(part: ast.expr) -> str:
    """Return a piece of an f-string; what is filled in is named as the contract names it."""
    if isinstance(part, ast.FormattedValue):
        return f"{{{ast.unparse(part.value).removesuffix('_id')}}}"
    return str(part.value) if isinstance(part, ast.Constant) else ""


def _first_texts(names: set[str], *, position: int) -> set[str]:
    found = set()
    for name, node in calls():
        if name in names and len(node.args) > position:
            argument = node.args[position]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                found.add(argument.value)
    return found
