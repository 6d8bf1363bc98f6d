"""Fail when something that people outside rely on is not in `docs/`.

Invariant: every setting, call, query field, wire message, state key, command, error code, close
code, metric and flag is documented, and where a table names them, it names no other.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from realtime.protocol.close_codes import CloseCode
from realtime.protocol.errors import ERROR_CODES
from server.metrics import GAUGES
from server.routes.errors import HTTP_STATUS
from server.settings import Settings, variable
from tests.architecture import public_names

ROOT = Path(__file__).resolve().parents[2]
FRAMES_TO_CLIENT = ("h", "Z", "S", "K", "L", "D", "r", "e", "p", "b", "a")
FRAMES_TO_SERVER = ("c", "k", "q", "sync", "p", "a", "v")


@pytest.fixture(scope="module")
def docs() -> str:
    files = sorted((ROOT / "docs").rglob("*.md"))
    assert files, "there is no docs/*.md"
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


@pytest.fixture(scope="module")
def contract() -> str:
    return (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """Return what stands under a heading, up to the next of its rank."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert found is not None, f"there is no section {heading}"
    return found[1]


def table_codes(text: str) -> set[str]:
    """Return the code that each row of a table begins with."""
    return set(re.findall(r"^\| `([^`]+)` \|", text, re.M))


def missing(names: Iterable[str], text: str) -> list[str]:
    """Return the names that are no word of the text."""
    return sorted(n for n in names if not re.search(rf"(?<![\w./]){re.escape(n)}(?![\w/])", text))


def test_every_setting_is_documented(docs: str) -> None:
    assert not missing(map(variable, Settings.__struct_fields__), docs)


def test_every_route_is_documented_with_its_method(contract: str) -> None:
    plain = public_names.without_parameter_names(contract)
    found = {(m, public_names.without_parameter_names(p)) for m, p in public_names.routes()}
    assert ("DELETE", "/api/reservations/{}") in found
    pages = {(m, p) for m, p in found if m == "GET" and is_page(p, section(plain, "Pages"))}
    assert ("GET", "/") in pages
    assert [f"{m} {p}" for m, p in found - pages if not has_call(m, p, plain)] == []


def is_page(path: str, pages: str) -> bool:
    """Tell whether a path is listed among the pages, which are read without saying so."""
    return f"`{path}`" in pages


def has_call(method: str, path: str, plain: str) -> bool:
    """Tell whether a call stands in the text as code: `METHOD /path`, perhaps with its query."""
    return re.search(rf"`{method} {re.escape(path)}(`|\?)", plain) is not None


def test_no_call_is_documented_that_does_not_exist(contract: str) -> None:
    written = re.findall(r"`(GET|POST|PUT|DELETE|PATCH) (/api/[^`?]*|/p/[^`?]*)", contract)
    named = {(m, public_names.without_parameter_names(p)) for m, p in written}
    found = {(m, public_names.without_parameter_names(p)) for m, p in public_names.routes()}
    assert len(named) > 20
    assert named - found == set()


def test_every_query_field_is_documented(contract: str) -> None:
    fields = public_names.query_fields()
    assert {"since_ms", "v", "t", "e", "o"} <= fields
    assert [name for name in fields if not re.search(rf"[?&]{name}=", contract)] == []


def test_every_sale_lane_type_is_documented(docs: str) -> None:
    types = public_names.sale_lane_types()
    assert "flash.opened" in types
    assert not missing(types, docs)


def test_every_direct_lane_type_is_documented(contract: str) -> None:
    types = public_names.direct_lane_types()
    assert {"order.paid", "order.cancelled", "muted"} <= types
    text = section(contract, "Direct lane")
    written = re.findall(r"`(\w+(?:\.\w+)?)`", "\n".join(re.findall(r"^\| (.*?) \|", text, re.M)))
    assert set(written) == types


def test_every_frame_is_documented(contract: str) -> None:
    server, client = section(contract, "Frames").split("Client → server:")
    told, taken = public_names.frames_to_client(), public_names.frames_to_server()
    assert {"h", "Z", "S", "K", "L", "D", "r", "e", "p", "b"} <= told
    assert {"c", "k", "q", "sync", "p"} <= taken
    assert first_words(server) == told
    assert first_words(client) == taken


def first_words(text: str) -> set[str]:
    """Return the types of the frames that a table's rows begin with."""
    return set(re.findall(r'^\| `\["(\w+)"', text, re.M))


def test_every_field_of_the_hello_is_documented(contract: str) -> None:
    fields, limits = public_names.hello_fields()
    hello = re.search(r'`\["h",\{([^}]*)\}\]`', contract)
    assert hello is not None
    assert set(re.findall(r'"(\w+)"', hello[1])) == fields
    assert set(re.findall(r"`limits\.(\w+)`", section(contract, "Limits"))) == limits


def test_every_field_of_the_room_state_is_documented(contract: str) -> None:
    text = section(contract, "Room state")
    found = re.search(r"```json\n(.*?)```", text, re.S)
    assert found is not None
    example = json.loads(found[1])
    fields = public_names.room_state_fields()
    assert set(example) == fields["state"]
    assert set(example["show"]) == fields["show"]
    assert set(example["bag"][0]) == fields["bag"]
    assert set(example["sales"][0]) == fields["sales"] - public_names.sometimes_fields()
    for field in public_names.sometimes_fields():
        assert f"`{field}`" in text, field


def test_every_key_of_the_state_lane_is_documented(contract: str) -> None:
    keys = public_names.state_keys()
    assert {"viewers", "likes", "degraded", "stock:{sale}"} <= keys
    assert table_codes(section(contract, "State lane")) == keys


def test_every_command_is_documented(contract: str) -> None:
    names = public_names.commands()
    assert {"time", "reserve", "release"} <= names
    assert table_codes(section(contract, "Commands")) == names


def test_every_error_code_is_documented_as_it_is_answered(contract: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d*) ?\| (✓?) ?\|", section(contract, "Error codes"), re.M)
    written = {code: (int(status) if status else None) for code, status, _ in rows}
    assert len(written) == len(rows), "a code stands there twice"
    known = {*HTTP_STATUS, *ERROR_CODES, *public_names.raised_codes()}
    assert set(written) == known
    assert {code: HTTP_STATUS.get(code) for code in known} == written
    over_socket = {code for code, _, mark in rows if mark}
    assert set(ERROR_CODES) - over_socket == set()


def test_every_close_code_has_its_row(contract: str) -> None:
    rows = re.findall(r"^\| (4\d\d\d) \|", section(contract, "Close codes"), re.M)
    assert sorted(map(int, rows)) == sorted(map(int, CloseCode))


def test_every_default_is_documented_as_it_is(docs: str) -> None:
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| `?([^|`]*?)`? \|", docs, re.M))
    wrong = {}
    for field in msgspec.structs.fields(Settings):
        default = "none" if field.default in (None, ()) else str(field.default)
        default = str(int(field.default)) if isinstance(field.default, bool) else default
        if rows.get(variable(field.name)) != default:
            wrong[variable(field.name)] = (rows.get(variable(field.name)), default)
    assert wrong == {}


def test_every_command_and_flag_of_the_program_is_documented(docs: str) -> None:
    names, flags = public_names.command_line()
    assert {"serve", "audit"} <= names
    assert {"--role", "--data"} <= flags
    assert [name for name in names if f"`hubbub {name}" not in docs] == []
    assert not missing(flags, docs)


def test_a_gauge_is_documented_as_one(docs: str) -> None:
    for name in GAUGES:
        assert f"`hubbub_{name}` (gauge" in docs, name


def test_every_close_code_is_documented(docs: str) -> None:
    assert not missing((str(int(code)) for code in CloseCode), docs)


def test_every_metric_is_documented(docs: str) -> None:
    names = public_names.metric_names()
    assert "hubbub_sale_events" in names
    assert not missing(names, docs)


def test_every_decision_is_in_the_list_of_decisions(docs: str) -> None:
    records = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert records
    assert [one.name for one in records if f"(decisions/{one.name})" not in docs] == []


def test_changelog_and_program_have_one_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.M)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert newest is not None
    assert newest[1] == project["version"]


def test_checker_knows_a_word_from_its_part() -> None:
    assert missing(["sold_out", "/readyz"], "it is `sold_out`, see /readyz.") == []
    assert missing(["sold_out"], "flash.sold_out and sold_outs") == ["sold_out"]
    assert missing(["/api/orders"], "`GET /api/orders/{id}`") == ["/api/orders"]
