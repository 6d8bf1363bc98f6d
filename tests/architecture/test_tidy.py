"""Keep the house tidy, and the checker honest.

Invariant: every kind of finding has a test that makes one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture import tidy


def test_files_are_short() -> None:
    found = tidy.find_long_files(tidy.text_files())
    assert not found, "\n".join(found)


def test_modules_are_tidy() -> None:
    found = []
    for path in tidy.python_files():
        name = path.relative_to(tidy.ROOT).as_posix()
        found += tidy.find_in_module(path, path.read_text(encoding="utf-8"), name=name)
    assert not found, "\n".join(found)


def test_nothing_is_left_over() -> None:
    found = []
    for path in tidy.text_files():
        found += tidy.find_leftovers(path.relative_to(tidy.ROOT), path.read_text(encoding="utf-8"))
    assert not found, "\n".join(found)


def test_every_rules_module_has_its_own_unit_tests() -> None:
    found = tidy.find_untested_rules()
    assert not found, "\n".join(found)


def test_every_migration_has_its_own_number() -> None:
    found = tidy.find_shared_numbers()
    assert not found, "\n".join(found)


def test_every_static_file_is_used() -> None:
    found = tidy.find_unreferenced_static()
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("name", "text", "finding"),
    [
        ("commerce/x.py", "x = 1\n", "no module docstring"),
        ("commerce/utils.py", '"""Do."""\n', "says nothing"),
        ("server/misc/x.py", '"""Do."""\n', "says nothing"),
        ("realtime/x.py", '"""Do."""\nclass RoomManager: ...\n', "name it after what it does"),
        ("commerce/x.py", '"""Do."""\nprint(1)\n', "use logging"),
        ("commerce/x.py", '"""Do."""\nnow = datetime.datetime.now()\n', "`now` argument"),
        ("realtime/x.py", '"""Do."""\ntime.sleep(1)\n', "asyncio.sleep"),
        ("server/x.py", '"""Do."""\nos.getenv("A")\n', "server.settings"),
        ("server/x.py", '"""Do."""\ndef f():\n' + "    x = 1\n" * 60, "61 lines"),
        ("server/x.py", '"""Do."""\nx = "SET jit = off"\n', "outlives"),
        ("commerce/x.py", '"""Do."""\nx = "SELECT pg_advisory_lock(1)"\n', "outlives"),
        ("commerce/x.py", '"""Do."""\nx = "SELECT set_config(\'jit\', $1, false)"\n', "outlives"),
    ],
)
def test_checker_finds_it(name: str, text: str, finding: str) -> None:
    found = tidy.find_in_module(Path(name), text, name=name)
    assert len(found) == 1
    assert finding in found[0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("server/__main__.py", '"""Do."""\nprint(1)\n'),
        ("server/routes/x.py", '"""Do."""\nnow = datetime.now(UTC)\n'),
        ("tests/x.py", '"""Do."""\nprint(1)\n'),
        ("commerce/x/__init__.py", ""),
        ("commerce/x.py", '"""Do."""\nx = "SET LOCAL jit = off"\n'),
        ("commerce/x.py", '"""Do."""\nx = "SELECT pg_advisory_xact_lock(1)"\n'),
        ("server/db/migrate.py", '"""Do."""\nx = "SELECT pg_advisory_lock(1)"\n'),
        ("commerce/x.py", '"""Do."""\ndef f():\n' + "    x = 1\n" * 59),
    ],
)
def test_checker_lets_pass(name: str, text: str) -> None:
    assert tidy.find_in_module(Path(name), text, name=name) == []


def test_checker_finds_long_files(tmp_path: Path) -> None:
    long_file, fine_file = tmp_path / "a.js", tmp_path / "b.js"
    long_file.write_text("x\n" * 401, encoding="utf-8")
    fine_file.write_text("x\n" * 400, encoding="utf-8")
    assert len(tidy.find_long_files([long_file, fine_file])) == 1


def test_checker_finds_leftovers() -> None:
    assert len(tidy.find_leftovers(Path("a"), "fine\n# FIX" + "ME later\n")) == 1
    assert tidy.find_leftovers(Path("a"), "a PREFIX" + "MEANT otherwise\n") == []


def test_checker_finds_rules_without_tests(tmp_path: Path) -> None:
    rules = tmp_path / "commerce" / "goods" / "rules.py"
    rules.parent.mkdir(parents=True)
    rules.touch()
    assert len(tidy.find_untested_rules(tmp_path)) == 1
    tests = tmp_path / "tests" / "unit" / "commerce" / "goods" / "test_rules.py"
    tests.parent.mkdir(parents=True)
    tests.touch()
    found = tidy.find_untested_rules(tmp_path)
    assert not found, "\n".join(found)


def test_checker_finds_shared_numbers(tmp_path: Path) -> None:
    migrations = tmp_path / "server" / "db" / "migrations"
    migrations.mkdir(parents=True)
    for name in ("0001_first.sql", "0002_one.sql", "0002_other.sql"):
        (migrations / name).touch()
    [found] = tidy.find_shared_numbers(tmp_path)
    assert found.startswith("0002_other.sql: 0002_one.sql")


def test_checker_finds_unreferenced_static_files(tmp_path: Path) -> None:
    (tmp_path / "static" / "img").mkdir(parents=True)
    (tmp_path / "static" / "page.html").write_text('<img src="img/used.svg">', encoding="utf-8")
    for name in ("used", "unused"):
        (tmp_path / "static" / "img" / f"{name}.svg").touch()
    [found] = tidy.find_unreferenced_static(tmp_path)
    assert found.startswith("static/img/unused.svg")
