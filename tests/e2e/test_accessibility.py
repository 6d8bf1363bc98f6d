"""No serious fault of accessibility on any page, at phone and desk width, in both languages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.async_api import Page

from tests.e2e.conftest import OpenPage
from tests.support.api import log_in, start_flash_sale
from tests.support.program import Program

AXE = Path(__file__).parents[2] / ".venv/js/node_modules/axe-core/axe.min.js"
SIZES = ((390, 844), (1440, 900))
# Each with what its scripts, or its server, have put there once it can be read.
PAGES = {
    "/": ".lobby-go",
    "/r/demo": "#card article.card[data-state=open]",
    "/login": "#login-go",
    "/orders": "#orders a, #orders button",
}
IS_DRAWN = "() => document.readyState === 'complete' && document.fonts.status === 'loaded'"
CONSOLE = "main.console[data-role=host] live-now-panel [data-ref]"
FIND_FAULTS = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ['violations'] });
  return violations.filter((one) => ['serious', 'critical'].includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(' ')).slice(0, 3)}`);
}"""


async def find_faults(page: Page, shown: str) -> list[str]:
    """Return the serious faults that axe sees; it is evaluated, as the policy lets no script in.

    What fades in has the contrast of no moment that people read it in; so nothing fades here.
    """
    await page.emulate_media(reduced_motion="reduce")
    await page.wait_for_selector(shown)
    await page.wait_for_function(IS_DRAWN)
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    faults: list[str] = await page.evaluate(FIND_FAULTS)
    return faults


async def test_pages_have_no_serious_fault(
    serve: Callable[..., Program], open_page: OpenPage
) -> None:
    url = serve().url
    host = await log_in(url, "host")
    await start_flash_sale(host, countdown_s=0)
    found = []
    for width, height in SIZES:
        for path, shown in PAGES.items():
            language = "zh" if width > 1000 else "en"
            page = await open_page(f"{url}{path}?lang={language}", width, height)
            found += [f"{path} at {width}: {fault}" for fault in await find_faults(page, shown)]
        console = await open_page(f"{url}/login?next=/console/demo", width, height)
        await console.fill("#login-name", "host")
        await console.fill("#login-password", "demo-host")
        await console.click("#login-go")
        found += [f"console at {width}: {fault}" for fault in await find_faults(console, CONSOLE)]
    await host.close()
    assert not found, "\n".join(found)
