"""`hubbub evidence`: a file of an order, and what is said of one that was changed."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from server.ops.errors import OperationalError
from server.settings import Settings
from server.wiring.evidence import FILE_BYTES_MAX, run_export, verify_file
from tests.integration.ops.test_commands import finish
from tests.support.refunding import pay_order
from tests.support.till import Till


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Settings of the test's own database."""
    return Settings(database_url=database_url)


async def test_an_export_is_a_new_private_file_that_verifies(
    till: Till, settings: Settings, tmp_path: Path
) -> None:
    order = await pay_order(till)
    path = tmp_path / "evidence.json"
    line = await run_export(settings, order.id, path)
    bundle = json.loads(path.read_text("utf-8"))
    assert (bundle["order"]["id"], bundle["view"]) == (order.id, "staff")
    assert bundle["money"]["payments"][0]["state"] == "captured"
    assert line == f"wrote {path}, {bundle['digest']}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert verify_file(path) == f"{path} is as it was exported: staff, {bundle['digest']}"
    before = path.read_bytes()
    with pytest.raises(OperationalError, match="there already"):
        await run_export(settings, order.id, path)
    assert path.read_bytes() == before
    with pytest.raises(OperationalError, match="cannot write"):
        await run_export(settings, order.id, tmp_path / "nowhere" / "evidence.json")
    assert json.loads(await run_export(settings, order.id, None))["order"] == bundle["order"]


async def test_every_changed_byte_of_a_value_is_seen(
    till: Till, settings: Settings, tmp_path: Path
) -> None:
    """Each line of the file with another last sign but one: none passes for what was exported."""
    order = await pay_order(till)
    path = tmp_path / "evidence.json"
    await run_export(settings, order.id, path)
    lines = path.read_text("utf-8").splitlines()
    changed = 0
    for index, line in enumerate(lines):
        body = line.rstrip(",")
        if not body or not (body[-1].isdigit() or body.endswith('"')):
            continue
        place = len(body) - (1 if body[-1].isdigit() else 2)
        other = body[:place] + ("1" if body[place] != "1" else "2") + line[place + 1 :]
        path.write_text("\n".join([*lines[:index], other, *lines[index + 1 :]]), "utf-8")
        with pytest.raises(OperationalError):
            verify_file(path)
        changed += 1
    assert changed > 50


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no evidence"),
        ("[1]", "no evidence"),
        ('{"format":1,"format":"hubbub-evidence/1"}', "no evidence"),
        ("[" * 100_000, "no evidence"),
        ('{"format":"hubbub-evidence/9","digest":"x"}', "the format is not"),
    ],
)
def test_another_file_is_no_evidence(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(text, "utf-8")
    with pytest.raises(OperationalError, match=reason):
        verify_file(path)


def test_a_file_that_is_not_there_or_too_large_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OperationalError, match="cannot read"):
        verify_file(tmp_path / "none")
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    with pytest.raises(OperationalError, match="too large"):
        verify_file(large)


async def test_an_unknown_order_is_one_line(till: Till, settings: Settings) -> None:
    shop, _ = await till.sale()
    with pytest.raises(OperationalError, match="no such order"):
        await run_export(settings, shop.room.id, None)
    with pytest.raises(OperationalError, match="no order's id") as raised:
        await run_export(settings, "o1", None)
    assert raised.value.exit_code == 2


async def test_the_command_exports_and_verifies(
    till: Till, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """The program itself, to its exit codes."""
    order = await pay_order(till)
    environment = {
        "HUBBUB_DATABASE_URL": database_url,
        "HUBBUB_REDIS_URL": redis_url,
        "DATA": str(tmp_path),
    }
    path = tmp_path / "evidence.json"
    code, lines = finish("evidence", order.id, "--out", str(path), environment=environment)
    assert (code, len(lines)) == (0, 1), lines
    assert finish("evidence", "--verify", str(path), environment={})[0] == 0
    path.write_text(path.read_text("utf-8").replace('"qty": 1', '"qty": 2', 1), "utf-8")
    code, lines = finish("evidence", "--verify", str(path), environment={})
    assert code == 1
    assert lines == [
        f"hubbub: {path}: the digest is another: it was changed after it was exported."
    ]
    for wrong in ((), (order.id, "--verify", str(path))):
        code, lines = finish("evidence", *wrong, environment={})
        line = "hubbub: evidence needs the id of an order, or --verify FILE."
        assert (code, lines) == (2, [line])
