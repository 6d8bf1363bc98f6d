"""What axe-core finds wrong with a page for people who do not see, hear or point well."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Page

from tests.support.browser import wait_until

AXE = Path(__file__).parents[2] / ".venv/js/node_modules/axe-core/axe.min.js"
IS_DRAWN = "() => document.readyState === 'complete' && document.fonts.status === 'loaded'"
FIND_FAULTS = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ['violations'] });
  return violations.filter((one) => ['serious', 'critical'].includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(' ')).slice(0, 3)}`);
}"""


async def find_faults(page: Page) -> list[str]:
    """Return the serious faults that axe sees; it is evaluated, as the policy lets no script in.

    What fades in has the contrast of no moment that people read it in; so nothing fades here.
    """
    await page.emulate_media(reduced_motion="reduce")
    await wait_until(page, IS_DRAWN)
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    faults: list[str] = await page.evaluate(FIND_FAULTS)
    return faults
