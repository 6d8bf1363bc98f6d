"""Run the pages' pure logic tests in Chromium, the engine that the pages run in.

The tests import Node's names; an import map gives them the few of those that they use.
"""

from __future__ import annotations

import json
import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.page_server import answer_page

if TYPE_CHECKING:
    from playwright.async_api import Browser, Route

pytestmark = pytest.mark.pages

ROOT = Path(__file__).parents[2]
SITE = "http://hubbub.invalid"
TESTS = sorted(path.name for path in Path(__file__).parent.glob("*.test.js"))
STAND_INS = "/tests/static/in_browser"
IMPORTS = {
    "node:test": f"{STAND_INS}/node_test.js",
    "node:assert/strict": f"{STAND_INS}/node_assert.js",
    "node:fs": f"{STAND_INS}/node_fs.js",
}
PAGE = f'<!doctype html><script type="importmap">{json.dumps({"imports": IMPORTS})}</script>'


async def hand_out(route: Route) -> None:
    """Answer with a file of the tree, or the names in a folder of it."""
    address, _, query = route.request.url.removeprefix(SITE).partition("?")
    path = ROOT / address.lstrip("/")
    if address == "/":
        await route.fulfill(body=PAGE, content_type="text/html")
    elif query in ("list", "tree"):
        found = path.rglob("*") if query == "tree" else path.glob("*")
        names = [item.relative_to(path).as_posix() for item in found]
        await route.fulfill(body=json.dumps(sorted(names)), content_type="application/json")
    elif path.is_file():
        kind = "text/javascript" if path.suffix == ".js" else mimetypes.guess_type(path.name)[0]
        await route.fulfill(body=path.read_bytes(), content_type=kind or "text/plain")
    else:
        await route.fulfill(status=404, body="")


async def test_logic_holds_in_chromium(browser: Browser) -> None:
    failures = []
    count = 0
    for name in TESTS:
        page = await browser.new_page()
        await answer_page(page, hand_out)
        await page.goto(f"{SITE}/")
        results = await page.evaluate(
            """async ([file, runner]) => {
                 await import(file);
                 return (await import(runner)).runAll();
               }""",
            [f"/tests/static/{name}", IMPORTS["node:test"]],
        )
        await page.close()
        assert results, f"{name} has no test"
        count += len(results)
        failures += [
            f"{name}: {one['name']}: {one['failure']}" for one in results if one["failure"]
        ]
    assert failures == []
    assert count >= len(TESTS)


async def test_a_failing_test_is_seen(browser: Browser) -> None:
    page = await browser.new_page()
    await answer_page(page, hand_out)
    await page.goto(f"{SITE}/")
    results = await page.evaluate(
        """async ([runner, assertions]) => {
             const { default: test, runAll } = await import(runner);
             const { default: assert } = await import(assertions);
             test('differs', () => assert.deepEqual({ a: [1, { b: 2 }] }, { a: [1, { b: 3 }] }));
             test('same', () => assert.deepEqual([1, new Set([2])], [1, new Set([2])]));
             test('silent', () => assert.throws(() => 1));
             return runAll();
           }""",
        [IMPORTS["node:test"], IMPORTS["node:assert/strict"]],
    )
    await page.close()
    assert [one["failure"] is not None for one in results] == [True, False, True]
