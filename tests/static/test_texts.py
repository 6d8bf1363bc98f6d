"""Keep both languages whole: same keys, same places, every key used, no text outside the files.

Invariant: what a person reads on a page comes from `static/i18n`, in both languages.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from commerce.insight.audit.checks import CHECKS

STATIC = Path(__file__).parents[2] / "static"
LANGUAGES = ("en", "zh")
# Pressure and blame have no place in our copy.
BANNED_WORDS = re.compile(r"!|！|hurry|last chance|赶紧|最后机会", re.IGNORECASE)
PLACE = re.compile(r"\{(\w+)\}")
LETTERS = re.compile(r"[A-Za-z]{2,}|[\u4e00-\u9fff]")
LITERAL_KEY = re.compile(r"""["'`]([a-z_]+\.[a-z0-9_.-]+)["'`]""")
KEY_START = re.compile(r"""["'`]([a-z_]+\.[a-z0-9_.-]*)(?:\$\{|["'] ~)""")
# `t(`${key}_title`)` and the like: the start is elsewhere, the end is here.
KEY_END = re.compile(r"""\}(_[a-z_]+)`""")
SPOKEN_ATTRIBUTE = re.compile(r"""\s(?:aria-label|alt|title|placeholder|label)=(["'])(.*?)\1""")
# Names of keys are printed as they stand on the keyboard, in every language.
KEY_CAPS = {"Enter", "Esc", "Del"}
ENTITY = re.compile(r"&\w+;")


def read_texts(language: str) -> dict[str, str]:
    texts: dict[str, str] = json.loads((STATIC / "i18n" / f"{language}.json").read_text("utf-8"))
    return texts


def page_files() -> list[Path]:
    scripts = [*STATIC.glob("js/components/**/*.js"), *STATIC.glob("js/pages/**/*.js")]
    return sorted([*scripts, *STATIC.glob("html/*.html")])


def strip_jinja(text: str) -> str:
    text = re.sub(r"\{%-?\s*macro.*?endmacro\s*-?%\}", "", text, flags=re.DOTALL)
    text = re.sub(r"\{% block html_attributes %\}.*?\{% endblock %\}", "", text)
    return re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "", text, flags=re.DOTALL)


def strip_holes(template: str) -> str:
    """Remove `${…}`, nested braces included, from the inside of a template literal."""
    kept, depth, index = [], 0, 0
    while index < len(template):
        if template.startswith("${", index):
            depth += 1
            index += 2
            continue
        if depth:
            depth += {"{": 1, "}": -1}.get(template[index], 0)
        else:
            kept.append(template[index])
        index += 1
    return "".join(kept)


def html_templates(script: str) -> list[str]:
    """Return the outermost html`…` literals, without what is filled in."""
    found, index = [], 0
    while (start := script.find("html`", index)) >= 0:
        index, depth = start + 5, 0
        while index < len(script) and (script[index] != "`" or depth):
            if script.startswith("${", index):
                depth += 1
            elif script[index] == "}" and depth:
                depth -= 1
            index += 1
        found.append(strip_holes(script[start + 5 : index]))
    return found


def find_literals(markup: str) -> list[str]:
    """Return texts and spoken attributes that a person would read or hear."""
    bare = re.sub(r"<(script|style)\b.*?</\1>", "", markup, flags=re.DOTALL)
    spoken = [match[1] for match in SPOKEN_ATTRIBUTE.findall(bare)]
    between = re.sub(r"<!--.*?-->|<[^>]*>", "\n", bare, flags=re.DOTALL).splitlines()
    parts = [ENTITY.sub("", part).strip() for part in [*spoken, *between]]
    return [part for part in parts if LETTERS.search(part) and part not in KEY_CAPS]


def test_languages_have_the_same_keys() -> None:
    assert list(read_texts("en")) == list(read_texts("zh"))


def test_no_key_is_written_twice() -> None:
    for language in LANGUAGES:
        text = (STATIC / "i18n" / f"{language}.json").read_text("utf-8")
        keys = re.findall(r'^\s*"([^"]+)":', text, flags=re.MULTILINE)
        assert sorted(keys) == sorted(set(keys))


def test_texts_have_the_same_places() -> None:
    english, chinese = read_texts("en"), read_texts("zh")
    differing = {
        key
        for key in english
        if set(PLACE.findall(english[key])) != set(PLACE.findall(chinese[key]))
    }
    # A singular form may drop its count, a language may not need every part.
    assert not {key for key in differing if not key.endswith(".one")}


@pytest.mark.parametrize("language", LANGUAGES)
def test_copy_does_not_press(language: str) -> None:
    loud = [text for text in read_texts(language).values() if BANNED_WORDS.search(text)]
    assert not loud


def test_chinese_is_chinese_and_english_is_not() -> None:
    chinese = re.compile(r"[\u4e00-\u9fff]")
    # Each page names the other language in that language.
    named = {"site.language", "site.language_name"}
    english = [key for key, text in read_texts("en").items() if chinese.search(text)]
    assert set(english) <= named


def test_every_key_used_exists() -> None:
    known = set(read_texts("en"))
    groups = {key.split(".")[0] for key in known}
    missing = set()
    for path in page_files():
        text = path.read_text("utf-8")
        for pattern in (
            r"""\bt\(\s*["'`]([\w.-]+)["'`]""",
            r"""\bt\[["']([\w.-]+)["']\]""",
        ):
            missing |= {(path.name, key) for key in re.findall(pattern, text) if key not in known}
    assert groups
    assert not missing


def test_every_check_of_the_audit_has_words() -> None:
    """The console shows a check that it has no words for by its name in the code."""
    known = set(read_texts("en"))
    assert not [check.name for check in CHECKS if f"console.audit_check.{check.name}" not in known]


def test_every_key_is_used() -> None:
    literal: set[str] = set()
    starts: set[str] = set()
    ends: set[str] = set()
    for path in [*page_files(), *sorted((STATIC / "js").rglob("*.js"))]:
        text = path.read_text("utf-8")
        literal |= set(LITERAL_KEY.findall(text))
        starts |= set(KEY_START.findall(text))
        ends |= set(KEY_END.findall(text))
    unused = [
        key
        for key in read_texts("en")
        if key not in literal
        and key.removesuffix(".one") not in literal
        and not any(key.startswith(start) for start in starts)
        and not any(key.endswith(end) and key.removesuffix(end) in literal for end in ends)
    ]
    assert not unused, "\n".join(unused)


@pytest.mark.parametrize("path", page_files(), ids=lambda path: path.name)
def test_pages_have_no_text_of_their_own(path: Path) -> None:
    text = path.read_text("utf-8")
    markups = [strip_jinja(text)] if path.suffix == ".html" else html_templates(text)
    found = [literal for markup in markups for literal in find_literals(markup)]
    if path.suffix == ".js":
        found += re.findall(
            r"""(?:textContent|placeholder|ariaLabel) = ["']([^"']*[a-z][^"']*)["']""", text
        )
        found += re.findall(r"""setText\([^,]+, ["']([^"']*[a-z]{2}[^"']*)["']\)""", text)
    assert not found


@pytest.mark.parametrize(
    "markup",
    ['<p class="x">Buy now</p>', '<button aria-label="Close"></button>', "<b>购买</b>"],
)
def test_checker_finds_a_literal(markup: str) -> None:
    assert find_literals(markup)


def test_checker_looks_into_templates_only() -> None:
    script = "const a = 'no text'; html`<p>${t('x', {n: `${1}`})} and</p>`"
    assert [find_literals(markup) for markup in html_templates(script)] == [["and"]]
