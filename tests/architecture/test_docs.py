"""Fail when something that people outside rely on is not in `docs/`.

Invariant: every setting, route, wire message, error code, close code and metric is documented, in
backticks or as a word of its own.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

from realtime.protocol.close_codes import CloseCode
from realtime.protocol.errors import ERROR_CODES
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


def missing(names: Iterable[str], text: str) -> list[str]:
    """Return the names that are no word of the text."""
    return sorted(n for n in names if not re.search(rf"(?<![\w./]){re.escape(n)}(?![\w/])", text))


def test_every_setting_is_documented(docs: str) -> None:
    assert not missing(map(variable, Settings.__struct_fields__), docs)


def test_every_route_is_documented(docs: str) -> None:
    plain = public_names.without_parameter_names(docs)
    paths = {public_names.without_parameter_names(p) for p in public_names.route_paths()} - {"/"}
    assert paths
    assert not missing(paths, plain)


def test_every_sale_lane_type_is_documented(docs: str) -> None:
    types = public_names.sale_lane_types()
    assert "flash.opened" in types
    assert not missing(types, docs)


def test_every_direct_lane_type_is_documented(docs: str) -> None:
    types = public_names.direct_lane_types()
    assert "order.paid" in types
    assert not missing(types, docs)


def test_every_frame_is_documented(docs: str) -> None:
    frames = [f'["{name}"' for name in (*FRAMES_TO_CLIENT, *FRAMES_TO_SERVER)]
    assert not [frame for frame in frames if frame not in docs]


def test_every_error_code_is_documented(docs: str) -> None:
    codes = {*HTTP_STATUS, *ERROR_CODES, *public_names.raised_codes()}
    assert not missing(codes, docs)


def test_every_close_code_is_documented(docs: str) -> None:
    assert not missing((str(int(code)) for code in CloseCode), docs)


def test_every_metric_is_documented(docs: str) -> None:
    names = public_names.metric_names()
    assert "hubbub_sale_events" in names
    assert not missing(names, docs)


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
