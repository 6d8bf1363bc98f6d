"""The kill switch of a coupon: on the console, in the room that hears of it, in one's own list."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.static import test_room_page as room
from tests.static.test_console_page import NOW_MS, open_console, wait_told
from tests.static.test_orders_page import open_orders
from tests.static.test_sale_safety_pages import shoot
from tests.support.axe import find_faults

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route

    from tests.static.test_console_page import Server

pytestmark = pytest.mark.pages

REASON = "Ten <times> too much off"
COUPON = {
    "id": "c1",
    "room": "demo",
    "title": "−¥500",
    "amount_minor": 50_000,
    "sources": ["list", "flash"],
    "currency": "CNY",
    "valid_s": 86_400,
    "per_person": 1,
    "scope": "shop",
}
DROP = {
    "id": "d1",
    "coupon": COUPON,
    "state": "open",
    "quantity": 100,
    "left": 80,
    "opens_at_ms": NOW_MS - 1_000,
    "ends_at_ms": NOW_MS + 300_000,
    "min_age_s": 0,
}
HALTED = ["coupon.halted", {"coupon": "c1", "reason": REASON}, 1]
UNHALTED = ["coupon.unhalted", {"coupon": "c1"}, 2]
DESK = "live-drop-desk"
LIST = "live-coupon-list"
COUPONS = "/api/rooms/demo/coupons"


def figures(**coupon: Any) -> dict[str, Any]:
    """Return a coupon as its host reads it."""
    counts = {"quantity": 100, "granted": 100, "claimed": 20, "locked": 2, "used": 3}
    return {"coupon": COUPON | coupon, **counts, "budget_minor": None, "spent_minor": 250_000}


def tell(server: Server, offset: int, event: list[Any]) -> None:
    """Let the console's line bring an event."""
    server.socket.send(json.dumps(["S", offset, [event]]))


@pytest.mark.parametrize(
    ("language", "stop", "promise"),
    [
        ("en", "Stop coupon", "Orders that have it keep their price"),
        ("zh", "停用优惠券", "已用券下的订单价格不变"),
    ],
)
async def test_the_coupon_of_a_drop_is_stopped_with_a_reason_and_the_stop_taken_back(
    browser: Browser, language: str, stop: str, promise: str
) -> None:
    """It says what stands before it asks for the reason; nothing is sent without one."""
    async with open_console(browser, language=language) as (page, server):
        tell(server, 2, ["coupon.armed", {"drop": DROP}, NOW_MS])
        await page.locator(DESK).get_by_role("button", name=stop).click()
        dialog = page.locator("live-ask dialog")
        await expect(dialog).to_contain_text(promise)
        assert "¥500" in await dialog.inner_text()
        await page.keyboard.press("Enter")
        await expect(dialog.locator("textarea")).to_have_attribute("aria-invalid", "true")
        assert server.told == []
        await page.keyboard.type(REASON)
        await shoot(page, f"coupon-halt-{language}")
        await page.keyboard.press("Enter")
        await wait_told(page, server, 1)
        await page.wait_for_selector(".undo:visible")
        await page.keyboard.press("u")
        await wait_told(page, server, 2)
    assert server.told == [
        ("POST", "/api/coupons/c1/halt", {"reason": REASON}),
        ("POST", "/api/coupons/c1/resume", {}),
    ]
    assert all(server.keys)


async def test_leaving_the_question_stops_nothing(browser: Browser) -> None:
    async with open_console(browser) as (page, server):
        tell(server, 2, ["coupon.armed", {"drop": DROP}, NOW_MS])
        await page.locator(f"{DESK} [data-ref=halt]").click()
        dialog = page.locator("live-ask dialog")
        await expect(dialog).to_be_visible()
        await page.keyboard.type("A reason")
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await page.locator(f"{DESK} [data-ref=close]").click()  # Whatever is sent comes in order.
        await wait_told(page, server, 1)
    assert [path for _, path, _ in server.told] == ["/api/drops/d1/close"]


@pytest.mark.parametrize(
    ("language", "said", "resume"),
    [("en", f"Stopped: {REASON}", "Resume coupon"), ("zh", f"已停用：{REASON}", "恢复优惠券")],
)
async def test_a_stopped_coupon_says_so_on_the_desk_until_it_goes_on(
    browser: Browser, language: str, said: str, resume: str
) -> None:
    async with open_console(browser, language=language) as (page, server):
        tell(server, 2, ["coupon.armed", {"drop": DROP}, NOW_MS])
        tell(server, 3, HALTED)
        line = page.locator(f"{DESK} [data-ref=line]")
        await expect(line).to_contain_text(said)
        await page.locator(DESK).get_by_role("button", name=resume).click()
        await wait_told(page, server, 1)
        tell(server, 4, UNHALTED)
        await expect(line).not_to_contain_text(REASON)
    assert server.told == [("POST", "/api/coupons/c1/resume", {})]


async def test_a_coupon_whose_drop_is_over_is_stopped_from_the_list(browser: Browser) -> None:
    """The list is read anew after the act, and says it on the coupon itself."""
    stopped = figures(halt_reason=REASON)
    other = figures(id="c0", percent=10, amount_minor=0, halt_reason="An old one")
    reads = {COUPONS: [{"coupons": [figures(), other]}, {"coupons": [stopped, other]}]}
    async with open_console(browser, reads=reads) as (page, server):
        await page.locator(DESK).get_by_role("button", name="Coupons", exact=True).click()
        first, second = page.locator(f"{LIST} li").nth(0), page.locator(f"{LIST} li").nth(1)
        await expect(first).to_contain_text(
            "20 claimed · 2 on open orders · 3 used · ¥2,500 off so far"
        )
        await expect(second).to_contain_text("Stopped: An old one")
        await expect(second.get_by_role("button")).to_have_text("Resume coupon")
        await first.get_by_role("button").click()
        await expect(page.locator("live-ask dialog")).to_be_visible()
        await page.keyboard.type(REASON)
        await page.keyboard.press("Enter")
        await expect(first).to_contain_text(f"Stopped: {REASON}")
        await expect(first.get_by_role("button")).to_have_text("Resume coupon")
        await expect(page.locator(f"{LIST} [data-ref=note]")).to_have_text("The coupon is stopped")
        assert server.told == [("POST", "/api/coupons/c1/halt", {"reason": REASON})]


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_desk_and_list_fit_and_have_no_serious_fault(browser: Browser, language: str) -> None:
    reads: dict[str, list[Any]] = {COUPONS: [{"coupons": [figures(), figures(id="c0")]}]}
    async with open_console(browser, language=language, reads=reads) as (page, server):
        tell(server, 2, ["coupon.armed", {"drop": DROP}, NOW_MS])
        tell(server, 3, HALTED)
        await expect(page.locator(f"{DESK} [data-ref=line]")).to_contain_text(REASON)
        sizes = ((1440, 860), (1180, 860), (820, 1100), (360, 740))
        await check_sizes(page, sizes)
        faults = await find_faults(page)
        await page.locator(f"{DESK} [data-ref=all]").click()
        await page.locator(f"{LIST} li").nth(1).wait_for()
        await check_sizes(page, sizes)
        await page.wait_for_timeout(400)  # The sheet's own movement; axe reads colours.
        await shoot(page, f"coupon-list-{language}")
        faults += await find_faults(page)
        assert faults == []


async def check_sizes(page: Page, sizes: tuple[tuple[int, int], ...]) -> None:
    """See that nothing scrolls sideways; the last size comes first, so that it ends wide."""
    for width, height in reversed(sizes):
        await page.set_viewport_size({"width": width, "height": height})
        assert await page.evaluate("document.documentElement.scrollWidth") <= width


class CouponRoom(room.Server):
    """A room with a drop, in which the viewer has a coupon and a hold to pay for."""

    def __init__(self, language: str) -> None:
        super().__init__(user=room.USER, language=language)
        self.more = {"drops": [DROP]}
        self.is_halted = False
        self.asked: list[Any] = []

    async def answer_call(self, route: Route, method: str, path: str) -> None:
        if path == "/api/coupons":
            await route.fulfill(json={"claims": [{"drop": "d1"}]})
        elif path == "/api/quotes":
            coupon = route.request.post_data_json.get("coupon")
            self.asked.append(coupon)
            if coupon and self.is_halted:
                error = {"code": "coupon_halted", "message": "", "retryable": False}
                await route.fulfill(status=409, json={"error": error})
            else:
                await route.fulfill(json=self.quote(coupon))
        else:
            await super().answer_call(route, method, path)

    def quote(self, coupon: str | None) -> dict[str, Any]:
        """Return what the hold costs, and the viewer's one coupon for it."""
        off_minor = 5_000 if coupon else 0
        discounts = [{"source": "coupon", "amount_minor": off_minor, "title": "−¥50"}]
        option: dict[str, Any] = {"id": "k1", "title": "−¥50", "expires_at_ms": NOW_MS}
        option |= {"why": "halted"} if self.is_halted else {"off_minor": 5_000}
        parts = {"subtotal_minor": 19_900, "discounts": discounts if coupon else []}
        parts |= {"shipping_minor": 0, "tax_minor": 0, "tax_included": True}
        quote = {"lines": [], "parts": parts, "total_minor": 19_900 - off_minor}
        return {"quote": quote | {"currency": "CNY"}, "coupons": [option]}


@pytest.mark.parametrize(
    ("language", "label", "note", "news"),
    [
        ("en", "Stopped by the host", "The host stopped this coupon", "stopped a coupon"),
        ("zh", "主播已停用", "主播停用了这张券", "主播停用了一张优惠券"),
    ],
)
async def test_the_room_reads_why_a_coupon_was_stopped_and_sees_it_go_on(
    browser: Browser, language: str, label: str, note: str, news: str
) -> None:
    server = CouponRoom(language)
    async with room.open_room(browser, language=language, server=server) as (page, _):
        drop = page.locator("live-drop")
        await expect(drop.locator("[data-tone=good]")).to_be_visible()
        server.send(["S", 8, [HALTED]])
        await expect(drop.locator("[data-ref=left]")).to_have_text(label)
        await expect(drop.locator(".drop-note")).to_contain_text(note)
        await expect(drop.locator(".drop-note")).to_contain_text(REASON)
        await expect(drop.locator("[data-tone=good]")).to_have_count(0)
        await expect(drop.locator("[data-ref=claim]")).to_be_hidden()
        await expect(page.locator("#news")).to_contain_text(news)
        await shoot(page, f"room-coupon-halted-{language}")
        for width in (320, 360, 820, 1440):
            await page.set_viewport_size({"width": width, "height": 780})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
        assert await find_faults(page) == []
        server.send(["S", 9, [UNHALTED]])
        await expect(drop.locator("[data-tone=good]")).to_be_visible()


@pytest.mark.parametrize(
    ("language", "changed", "why"),
    [
        ("en", "This coupon cannot be used any more", "stopped by the host"),
        ("zh", "这张优惠券已不能使用", "主播已停用"),
    ],
)
async def test_an_open_check_out_is_priced_anew_when_its_coupon_is_stopped(
    browser: Browser, language: str, changed: str, why: str
) -> None:
    """Before anybody pays: what is shown is what will be ordered."""
    server = CouponRoom(language)
    async with room.open_room(browser, language=language, server=server) as (page, _):
        await page.click(room.MAIN)
        await room.wait_for_state(page, "held")
        sheet = page.locator("#checkout-sheet")
        await expect(page.locator(room.MAIN)).to_have_attribute("data-act", "pay")
        await page.wait_for_timeout(400)  # The new button ignores presses for 350 ms.
        await page.click(room.MAIN)
        pay = sheet.locator("[data-ref=pay]")
        await expect(pay).to_contain_text("149.00")
        server.is_halted = True
        server.send(["S", 8, [HALTED]])
        await expect(pay).to_contain_text("199.00")
        await expect(sheet.locator("[data-ref=problem]")).to_contain_text(changed)
        await expect(sheet.locator("[data-ref=why]")).to_contain_text(why)
        assert server.asked == [None, "k1", "k1", None]


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", f"stopped by the host: {REASON}"), ("zh", f"主播已停用：{REASON}")],
)
async def test_ones_own_coupons_say_that_one_is_stopped(
    browser: Browser, language: str, said: str
) -> None:
    claim = {"id": "k1", "drop": "d1", "state": "halted", "claimed_at_ms": 1, "expires_at_ms": 2}
    claim["coupon"] = COUPON | {"halt_reason": REASON}
    async with open_orders(browser, language, **{"GET /api/coupons": {"claims": [claim]}}) as (
        page,
        _,
    ):
        row = page.locator("[data-coupons] li")
        await expect(row).to_contain_text(said)
        await expect(row.locator("a")).to_have_count(0)
