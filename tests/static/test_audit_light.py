"""The console's audit light says how old it is, names what is broken, and opens the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.static.test_console_page import NOW_MS, open_console

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.pages

BROKEN = {
    "check": "claimed_is_live",
    "count": 2,
    "says": "What is claimed of a pool is the sum of its live reservations.",
    "since_ms": NOW_MS - 9_000,
    "rows": [{"pool": "p1", "claimed": 3, "live": 4}, {"pool": "p2", "claimed": 1, "live": 0}],
    "sale": {"id": "f1", "no": 3, "title": "Tea bowl", "title_zh": "茶盏"},
}
NEWER = {**BROKEN, "check": "check_of_tomorrow", "sale": None}

WARNING = {"check": "payment_call_failed", "count": 1, "since_ms": NOW_MS - 9_000}

# What a host is told: no row, and of no sale.
TOLD_TO_A_HOST = {name: BROKEN[name] for name in ("check", "count", "since_ms")}


def make_audit(*violations: dict[str, Any], age_ms: int = 4_000, **more: Any) -> dict[str, Any]:
    """Return the console's audit, of `age_ms` ago."""
    return {
        "ok": not violations,
        "oversold": 0,
        "at_ms": NOW_MS - age_ms,
        "violations": list(violations),
        "warnings": [],
        "turn": {"last_ended_at_ms": None},
        **more,
    }


@pytest.mark.parametrize(
    ("audit", "state", "words"),
    [
        (make_audit(), "fine", "0 oversold"),
        (make_audit(age_ms=40_000), "late", "0 oversold"),
        (make_audit(BROKEN), "bad", "No. 3 Tea bowl: claimed is not what is reserved"),
        (make_audit(NEWER), "bad", "No sale: check_of_tomorrow"),
        (make_audit(warnings=[WARNING]), "warned", "a payment call failed"),
        (make_audit(warnings=[WARNING], age_ms=40_000), "late", "a payment call failed"),
        (make_audit(BROKEN, warnings=[WARNING]), "bad", "claimed is not what is reserved"),
    ],
)
async def test_the_light_names_what_is_broken(
    browser: Browser, audit: dict[str, Any], state: str, words: str
) -> None:
    async with open_console(browser, audit=audit) as (page, _):
        light = page.locator(f"live-audit-light .light[data-state={state}]", has_text=words)
        await light.wait_for()
        text = await light.inner_text()
    assert "s ago" in text


async def test_a_press_lists_the_rows_and_how_far_everything_was_looked_at(
    browser: Browser,
) -> None:
    warning = {**BROKEN, "check": "sweeper_behind", "count": 1}
    audit = make_audit(BROKEN, warnings=[warning], turn={"last_ended_at_ms": NOW_MS - 120_000})
    async with open_console(browser, audit=audit) as (page, _):
        await page.locator("live-audit-light .light[data-state=bad]").press("Enter")
        sheet = page.locator("live-audit-light dialog")
        await sheet.wait_for(state="visible")
        text = await sheet.inner_text()
        await page.keyboard.press("Escape")
        assert await page.evaluate("document.activeElement.classList.contains('light')")
    for words in ("2 rows", "pool=p1 claimed=3 live=4", "holds outlive their time", "2:0"):
        assert words in text


async def test_a_host_reads_what_is_broken_without_its_rows(browser: Browser) -> None:
    async with open_console(browser, audit=make_audit(TOLD_TO_A_HOST)) as (page, _):
        await page.locator("live-audit-light .light[data-state=bad]").press("Enter")
        sheet = page.locator("live-audit-light dialog")
        await sheet.wait_for(state="visible")
        text = await sheet.inner_text()
    assert "laimed is not what is reserved" in text
    assert "2 rows" in text
    assert "No sale" not in text


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_longest_words_fit(browser: Browser, language: str) -> None:
    sale = {**BROKEN["sale"], "title": "A tea bowl " * 10, "title_zh": "一只很大的茶盏" * 12}  # type: ignore[dict-item]
    audit = make_audit({**BROKEN, "check": "sold_is_on_one_paid_order", "sale": sale})
    for size in ((1440, 860), (1180, 860), (820, 1100), (360, 740)):
        async with open_console(browser, size=size, language=language, audit=audit) as (page, _):
            await page.locator("live-audit-light .light[data-state=bad]").wait_for()
            assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]
            await page.locator("live-audit-light .light").press("Enter")
            sheet = page.locator("live-audit-light .sheet-body")
            await sheet.wait_for(state="visible")
            assert await sheet.evaluate("one => one.scrollWidth <= one.clientWidth")
