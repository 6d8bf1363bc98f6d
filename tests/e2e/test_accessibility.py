"""No serious fault of accessibility on any page, at phone and desk width, in both languages."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.conftest import OpenPage
from tests.support.api import log_in, start_flash_sale
from tests.support.axe import find_faults
from tests.support.program import Program

SIZES = ((390, 844), (1440, 900))
# Each with what its scripts, or its server, have put there once it can be read.
PAGES = {
    "/": ".lobby-go",
    "/r/demo": "#card article.card[data-state=open]",
    "/login": "#login-go",
    "/orders": "#orders a, #orders button",
}
CONSOLE = "main.console[data-role=host] live-now-panel [data-ref]"


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
            await page.wait_for_selector(shown)
            found += [f"{path} at {width}: {fault}" for fault in await find_faults(page)]
        console = await open_page(f"{url}/login?next=/console/demo", width, height)
        await console.fill("#login-name", "host")
        await console.fill("#login-password", "demo-host")
        await console.click("#login-go")
        await console.wait_for_selector(CONSOLE)
        found += [f"console at {width}: {fault}" for fault in await find_faults(console)]
    await host.close()
    assert not found, "\n".join(found)
