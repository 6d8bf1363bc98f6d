"""Check what no linter checks: sizes, names, calls that have a better place, files nobody needs.

Invariant: a finding names the file, the line and what to do instead.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("server", "realtime", "commerce")
PYTHON_FOLDERS = (*PACKAGES, "tests", "loadtests")
LINES_MAX = 400
FUNCTION_LINES_MAX = 60
BANNED_STEMS = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
BANNED_CLASS_WORDS = re.compile(r"(Manager|Helper|Util|Utils|Misc)$")
LEFTOVERS = re.compile(
    r"\b(FIX" + r"ME|TO" + r"DO|XX" + r"X|HA" + r"CK)\b"
)  # Split: not found here.

# A call, where it is banned, and what to use instead. The longest matching exemption wins.
BANNED_CALLS: dict[str, tuple[tuple[str, ...], str]] = {
    "datetime.utcnow": (PACKAGES, "an aware time given as an argument"),
    "datetime.now": (("commerce", "realtime"), "a `now` argument; the wiring owns the clock"),
    "time.time": (("commerce", "realtime"), "a `now` argument or the clock that wiring passes"),
    "time.sleep": (("commerce", "realtime", "server/routes", "server/jobs"), "asyncio.sleep"),
    "uuid4": (PACKAGES, "the id source that wiring passes"),
    "print": (PACKAGES, "logging, or the one line of `server/__main__.py`"),
    "os.getenv": (PACKAGES, "a field of server.settings.Settings"),
    "input": (PACKAGES, "a setting or a flag"),
}
EXEMPT_CALLS = {
    ("server/__main__.py", "print"): "The command line talks to a person.",
    ("server/ops/supervisor.py", "uuid4"): "Process names need a random part before any wiring.",
}
# Statements whose effect outlives a transaction: pooled connections are not reset.
OF_A_SESSION = re.compile(
    r"(\A|;)\s*(SET (?!LOCAL |TRANSACTION |CONSTRAINTS )|LISTEN |PREPARE |CREATE TEMP)"
    r"|\bpg_(try_)?advisory_lock|\bset_config\([^()]*, false\)|\bWITH HOLD\b"
)
# With connections of their own.
EXEMPT_SESSIONS = {"server/db/migrate.py"}
STATIC_ENTRY_SUFFIXES = {".html"}  # Pages are named by routes, which build the name.


def python_files(root: Path = ROOT) -> Iterator[Path]:
    """Yield every Python file of the project, tests too."""
    for folder in PYTHON_FOLDERS:
        yield from sorted((root / folder).rglob("*.py"))


def text_files(root: Path = ROOT) -> Iterator[Path]:
    """Yield every file whose text a person maintains."""
    yield from python_files(root)
    for folder, suffixes in (
        ("static", {".js", ".css", ".html"}),
        ("server", {".sql", ".lua"}),
        ("tests", {".js", ".sh"}),
        ("docs", {".md"}),
        ("docker", {""}),
    ):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.suffix in suffixes and "node_modules" not in path.parts:
                yield path


def find_long_files(paths: Iterable[Path]) -> list[str]:
    """Find Python, JavaScript and CSS files over the limit."""
    found = []
    for path in paths:
        if path.suffix in {".py", ".js", ".css"}:
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > LINES_MAX:
                found.append(f"{path}: {lines} lines; split it at its ideas (at most {LINES_MAX})")
    return found


def find_in_module(path: Path, text: str, *, name: str) -> list[str]:
    """Find long functions, missing module docstrings, banned names, calls and statements.

    `name` is the path from the project's root; it decides which bans hold.
    """
    tree = ast.parse(text)
    found = []
    if tree.body and ast.get_docstring(tree) is None:
        found.append(f"{name}:1: no module docstring; say its purpose and the invariant it keeps")
    if path.stem in BANNED_STEMS or BANNED_STEMS & set(Path(name).parent.parts):
        found.append(f"{name}: `{path.stem}` says nothing; name it after what it does")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                found.append(
                    f"{name}:{node.lineno}: {node.name} has {lines} lines; "
                    f"let leaf functions compute (at most {FUNCTION_LINES_MAX})"
                )
        elif isinstance(node, ast.ClassDef) and BANNED_CLASS_WORDS.search(node.name):
            found.append(f"{name}:{node.lineno}: {node.name}; name it after what it does")
        elif isinstance(node, ast.Call):
            found += _check_call(node, name)
        elif isinstance(node, ast.Constant):
            found += _check_session(node, name)
    return found


def find_leftovers(path: Path, text: str) -> list[str]:
    """Find notes to oneself that belong into an issue."""
    return [
        f"{path}:{number}: leftover `{match[0]}`; do it, or make it an issue"
        for number, line in enumerate(text.splitlines(), 1)
        if (match := LEFTOVERS.search(line))
    ]


def find_untested_rules(root: Path = ROOT) -> list[str]:
    """Find `rules.py` files without their own unit tests at the mirrored place."""
    found = []
    for package in PACKAGES:
        for rules in sorted((root / package).rglob("rules.py")):
            folder = rules.relative_to(root).parent
            mirror = Path("tests/unit") / folder / "test_rules.py"
            if not (root / mirror).exists():
                found.append(f"{folder}/rules.py: no unit tests; write them in {mirror}")
    return found


def find_shared_numbers(root: Path = ROOT) -> list[str]:
    """Find migrations that have a number together; which comes first would be their names' word."""
    found = []
    named: dict[str, str] = {}
    for path in sorted((root / "server" / "db" / "migrations").glob("*.sql")):
        first = named.setdefault(path.name.partition("_")[0], path.name)
        if first != path.name:
            found.append(f"{path.name}: {first} has its number; take the next free one")
    return found


def find_unreferenced_static(root: Path = ROOT) -> list[str]:
    """Find static files whose name no other file mentions.

    A picture may be named by its stem, as the seed builds such paths, and a component's style sheet
    by the component's quoted name, as the templates do in a loop.
    """
    static = root / "static"
    readers = [
        path
        for folder in ("static", "server", "commerce")
        for path in sorted((root / folder).rglob("*"))
        if path.suffix in {".html", ".js", ".css", ".py", ".sql", ".json"}
    ]
    texts = {path: path.read_text(encoding="utf-8") for path in readers}
    found = []
    for path in sorted(static.rglob("*")):
        if not path.is_file() or path.suffix in STATIC_ENTRY_SUFFIXES or path.suffix == ".json":
            continue
        pattern = re.compile(_mention_of(path))
        # A component's own script names it too; only a page can load its style sheet.
        suffixes = {".html"} if _is_component_style(path) else {other.suffix for other in texts}
        if not any(
            pattern.search(text)
            for other, text in texts.items()
            if other != path and other.suffix in suffixes
        ):
            found.append(f"{path.relative_to(root)}: nothing refers to it; use it or remove it")
    return found


def _mention_of(path: Path) -> str:
    """Return the pattern that counts as a reference to a static file."""
    if _is_component_style(path):
        return rf"[\"'](live-)?{re.escape(path.stem.removeprefix('live-'))}[\"']"
    word = path.stem if path.suffix in {".svg", ".png", ".webp"} else path.name
    return rf"(?<![\w-]){re.escape(word)}(?![\w-])"


def _is_component_style(path: Path) -> bool:
    return path.suffix == ".css" and path.parent.name == path.stem


def _check_call(node: ast.Call, name: str) -> list[str]:
    called = _dotted(node.func)
    for banned, (places, instead) in BANNED_CALLS.items():
        is_it = called == banned or called.endswith(f".{banned}")
        is_there = any(name.startswith(f"{place}/") for place in places)
        if is_it and is_there and (name, banned) not in EXEMPT_CALLS:
            return [f"{name}:{node.lineno}: {banned}() is banned here; use {instead}"]
    return []


def _check_session(node: ast.Constant, name: str) -> list[str]:
    is_ours = name.startswith(("commerce/", "server/")) and name not in EXEMPT_SESSIONS
    if is_ours and isinstance(node.value, str) and OF_A_SESSION.search(node.value):
        return [f"{name}:{node.lineno}: it outlives its transaction, the next one would meet it"]
    return []


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
