"""Mutate the rules and run their unit tests: `python -m tests.mutants [FOLDER …]`.

Everything happens in a folder that is removed again. Exits 1 for a survivor that
`explained.toml` does not explain, for an explanation that nothing needs, and when mutmut cannot
run at all. FOLDERs, such as `goods/inventory`, limit the run to some of the rules.
"""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]
EXPLAINED = Path(__file__).with_name("explained.toml")
MUTMUT = [sys.executable, "-m", "mutmut"]
# The rules that sell what is scarce, follow the money, say what happened, and who may do what, and
# how often.
RULES = [
    "goods/inventory",
    "goods/press_rules",
    "goods/waiting_list",
    "goods/adjustments",
    "insight/evidence",
    "members/accounts",
    "orders/checkout",
    "orders/payments",
    "orders/reconciliation",
    "orders/refunds",
    "records/room_log",
    "sales/campaign_prices",
    "sales/coupons",
    "sales/draws",
    "sales/flash_sales",
    "sales/group_buys",
    "sales/pricing",
    "sales/unlocks",
    "shows/schedule",
]
COPIED = ["commerce", "server", "realtime", "loadtests", "tests", "pyproject.toml"]
CONFIG = """
[tool.mutmut]
source_paths = ["commerce"]
only_mutate = {rules}
also_copy = ["server", "realtime", "loadtests"]
use_git_change_detection = false
pytest_add_cli_args = ["-p", "no:randomly", "-p", "no:cacheprovider", "--hypothesis-profile=ci"]
pytest_add_cli_args_test_selection = {tests}
"""
# `commerce.goods.inventory.rules.x_decide_batch__mutmut_7: survived`, and of a method
# `commerce.sales.group_buys.rules.xǁ_Seatsǁtake__mutmut_5: survived`; timeouts and crashes kill.
RESULT = re.compile(r"\s*((\S+)\.x(?:_|ǁ)(\w+)__mutmut_\d+): (?:survived|no tests)")


class Survivor(msgspec.Struct, frozen=True):
    """A mutant that every test let live; `added` is its changed line."""

    id: str
    function: str
    added: str


class Explanation(msgspec.Struct, frozen=True):
    """Why some mutants may live."""

    functions: list[str]
    added: str
    reason: str

    def covers(self, survivor: Survivor) -> bool:
        """Say whether this is the reason of a survivor."""
        is_named = any(fnmatch.fnmatchcase(survivor.function, name) for name in self.functions)
        return is_named and re.fullmatch(self.added, survivor.added) is not None


def read_explained(text: str) -> list[Explanation]:
    """Return the explanations of a file."""
    return msgspec.convert(tomllib.loads(text)["explained"], list[Explanation])


def judge(survivors: Iterable[Survivor], explained: Iterable[Explanation]) -> list[str]:
    """Return what is wrong: survivors without a reason, and reasons without a survivor."""
    explained, used, wrong = list(explained), set(), []
    for survivor in survivors:
        reasons = [n for n, one in enumerate(explained) if one.covers(survivor)]
        used.update(reasons)
        if not reasons:
            wrong.append(f"no test kills {survivor.id}\n    {survivor.added}")
    for n, one in enumerate(explained):
        if n not in used:
            wrong.append(
                f"nothing needs the explanation of {', '.join(one.functions)}: {one.added}"
            )
    return wrong


def prepare(folder: Path, rules: list[str]) -> None:
    """Copy the source, with mutmut's settings in its pyproject.toml."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    config = CONFIG.format(
        rules=[f"commerce/{name}/rules.py" for name in rules],
        tests=[f"tests/unit/commerce/{name}" for name in rules],
    )
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(config.replace("'", '"'))


def find_survivors(folder: Path) -> Iterator[Survivor]:
    """Read mutmut's results."""
    for line in ask(folder, "results").splitlines():
        found = read_survivor(line)
        if found is not None:
            yield Survivor(*found, changed_line(ask(folder, "show", found[0])))


def read_survivor(line: str) -> tuple[str, str] | None:
    """Return the id and the function of a mutant that a line of results says has lived."""
    found = RESULT.match(line)
    if found is None:
        return None
    id, module, name = found.groups()
    return id, f"{module}.{name.replace('ǁ', '.')}"


def changed_line(diff: str) -> str:
    """Return the line that a mutant has instead; of one that only takes lines away, `- ` and it.

    Raises ValueError for a diff that changes nothing.
    """
    lines = diff.splitlines()
    added = [one[1:] for one in lines if one.startswith("+") and not one.startswith("+++")]
    gone = [one[1:] for one in lines if one.startswith("-") and not one.startswith("---")]
    if not added and not gone:
        raise ValueError(f"a mutant without a change: {diff}")
    return added[0].strip() if added else f"- {gone[0].strip()}"


def ask(folder: Path, *words: str) -> str:
    """Return what a command of mutmut prints."""
    asked = [*MUTMUT, *words]
    return subprocess.run(asked, cwd=folder, check=True, capture_output=True, text=True).stdout


def main(arguments: list[str]) -> int:
    """Run mutmut on a copy and judge what lives."""
    rules = arguments or RULES
    explained = read_explained(EXPLAINED.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="hubbub-mutants-") as name:
        folder = Path(name)
        prepare(folder, rules)
        done = subprocess.run([*MUTMUT, "run"], cwd=folder, check=False)
        if done.returncode != 0:
            print("mutmut could not run", file=sys.stderr)
            return 1
        survivors = list(find_survivors(folder))
    if arguments:  # Reasons that only the rules left out may need are not missed.
        explained = [
            one for one in explained if any(one.covers(survivor) for survivor in survivors)
        ]
    wrong = judge(survivors, explained)
    print("\n".join([*wrong, f"{len(survivors)} survivors, {len(wrong)} to look at"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
