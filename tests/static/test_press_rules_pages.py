"""Who may press, on the pages: said beforehand, refused by name in both languages, armed by hand.

Invariant: no server runs; every frame of the page is remembered.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.static.test_console_page import open_console, wait_told
from tests.static.test_room_page import (
    CARD,
    FLASH_ID,
    MAIN,
    NOW_MS,
    STILL,
    Server,
    make_state,
    open_room,
    pass_time,
    wait_for_state,
)
from tests.support.axe import find_faults
from tests.support.browser import wait_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page, WebSocketRoute

pytestmark = pytest.mark.pages

RULES = {"version": 1, "present_s": 20, "per_card": 2}
PRESENT = {
    "code": "not_present_long_enough",
    "message": "",
    "retryable": True,
    "detail": {"rule": "present_s", "needed_s": 20, "present_s": 8},
    "retry_ms": 12_000,
}


class Gate:
    """A room's stand-in server whose sale has rules, and gives permits."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.refusal: dict[str, Any] | None = None
        self.permits: list[dict[str, Any]] = []
        self.offset = 7
        self._take = server.take
        server.take = self.take  # type: ignore[method-assign]

    def take(self, socket: WebSocketRoute, frame: list[Any]) -> None:
        """Give a permit, or refuse it; everything else is the room's."""
        if frame[0] != "q" or frame[2] != "permit":
            self._take(socket, frame)
            return
        self.permits.append(frame[3])
        if self.refusal:
            socket.send(json.dumps(["e", frame[1], self.refusal]))
        else:
            answer = {"permit": f"permit-{len(self.permits)}", "expires_in_ms": 45_000}
            socket.send(json.dumps(["r", frame[1], answer]))

    def set_rules(self, rules: dict[str, Any], **change: Any) -> None:
        """Arm the sale anew, with rules."""
        sale = make_state()["sales"][-1] | {"rules": rules} | change
        self.offset += 1
        self.server.send(["S", self.offset, [["flash.armed", {"sale": sale}, NOW_MS]]])

    def presses(self) -> list[dict[str, Any]]:
        """Return the arguments of every press over the socket."""
        return [f[3] for f in self.server.frames if f[0] == "q" and f[2] == "reserve"]


@asynccontextmanager
async def open_ruled(
    browser: Browser, rules: dict[str, Any], *, refusal: dict[str, Any] | None = None, **more: Any
) -> AsyncIterator[tuple[Page, Gate]]:
    """Yield a room whose sale has rules."""
    async with open_room(browser, **more) as (page, server):
        gate = Gate(server)
        gate.refusal = refusal
        gate.set_rules(rules)
        await page.locator(f"{CARD} [data-ref=terms]").wait_for()
        yield page, gate


async def until(page: Page, claim: Any) -> None:
    """Wait until a claim about what the page sent is true."""
    await wait_for(page, claim)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "after 20 s in this room · 2 a card"),
        ("zh", "需在房间停留 20 秒 · 每张卡限 2 件"),
    ],
)
async def test_the_rules_are_said_before_anybody_presses(
    browser: Browser, language: str, said: str
) -> None:
    async with open_ruled(browser, RULES, language=language) as (page, gate):
        assert await page.inner_text(f"{CARD} [data-ref=terms]") == said
        gate.set_rules(RULES, state="armed", opens_at_ms=NOW_MS + 60_000)
        await wait_for_state(page, "armed")
        assert said in await page.inner_text(f"{CARD} [data-ref=terms]")


@pytest.mark.parametrize(
    ("language", "title"),
    [("en", "Stay in the room for 12 s more"), ("zh", "再停留 12 秒就能抢")],
)
async def test_who_has_just_come_is_told_how_long_to_stay_and_may_then_press(
    browser: Browser, language: str, title: str
) -> None:
    async with open_ruled(browser, RULES, refusal=PRESENT, language=language, script=STILL) as (
        page,
        gate,
    ):
        gate.server.decide = lambda: PRESENT | {"retry_ms": 12_000}
        await page.click(MAIN)
        await wait_for_state(page, "refused-other")
        assert await page.inner_text(f"{CARD} [data-ref=message-title]") == title
        assert "20" in await page.inner_text(f"{CARD} [data-ref=message-note]")
        assert await page.get_attribute(MAIN, "data-act") == "none"
        assert await find_faults(page) == []


async def test_the_card_is_a_card_again_when_the_wait_is_over(browser: Browser) -> None:
    async with open_ruled(browser, RULES, refusal=PRESENT, script=STILL) as (page, gate):
        gate.server.decide = lambda: PRESENT | {"retry_ms": 3_500}
        await page.click(MAIN)
        await wait_for_state(page, "refused-other")
        gate.server.decide = lambda: None
        await pass_time(page, 3_500)
        await wait_for_state(page, "open")
        await page.click(MAIN)
        await wait_for_state(page, "held")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("code", "detail", "numbers"),
    [
        ("slow_down", {"rule": "presses_per_user", "limit_per_s": 4}, ["4"]),
        ("slow_down", {"rule": "presses_per_address", "limit_per_s": 7}, ["7"]),
        ("slow_down", {"rule": "dropped_holds", "dropped": 3, "limit": 2}, ["3", "0:30"]),
        ("permit_required", {"rule": "present_s", "needed_s": 20}, []),
        ("permit_invalid", {"rule": "present_s", "needed_s": 20, "reason": "expired"}, []),
    ],
)
async def test_each_refusal_says_its_rule(
    browser: Browser, language: str, code: str, detail: dict[str, Any], numbers: list[str]
) -> None:
    refusal = {"code": code, "message": "", "retryable": True, "detail": detail}
    if code == "slow_down":
        refusal["retry_ms"] = 30_000
    rules = {"version": 1, "drop_limit": 2}
    async with open_ruled(browser, rules, language=language, script=STILL) as (page, gate):
        gate.server.decide = lambda: refusal
        await page.click(MAIN)
        await wait_for_state(page, "refused-other")
        said = await page.inner_text(f"{CARD} [data-ref=message]")
        assert code not in said
        assert [number for number in numbers if number not in said] == []
        assert await page.get_attribute(MAIN, "data-act") == ("none" if numbers else "buy")


async def test_a_press_shows_its_permit_and_a_new_line_shows_the_last_one(
    browser: Browser,
) -> None:
    async with open_ruled(browser, RULES) as (page, gate):
        await until(page, lambda: gate.permits == [{"sale": FLASH_ID}])
        await page.wait_for_timeout(300)
        assert len(gate.permits) == 1
        gate.server.decide = lambda: PRESENT
        await page.click(MAIN)
        await until(page, lambda: len(gate.presses()) == 1)
    assert gate.presses() == [{"sale": FLASH_ID, "qty": 1, "permit": "permit-1"}]


async def test_who_is_refused_a_permit_asks_at_the_named_moment(browser: Browser) -> None:
    refusal = PRESENT | {"retry_ms": 3_000}
    async with open_ruled(browser, RULES, refusal=refusal, script=STILL) as (page, gate):
        await until(page, lambda: len(gate.permits) == 1)
        await pass_time(page, 2_900)
        await page.wait_for_timeout(1_200)  # The page looks at its clock every second.
        assert len(gate.permits) == 1
        gate.refusal = None
        await pass_time(page, 200)
        await until(page, lambda: len(gate.permits) == 2)


async def test_a_sale_without_rules_asks_for_nothing(browser: Browser) -> None:
    async with open_room(browser) as (page, server):
        gate = Gate(server)
        server.decide = lambda: PRESENT
        await page.click(MAIN)
        await until(page, lambda: len(gate.presses()) == 1)
        assert await page.locator(f"{CARD} [data-ref=terms]").is_hidden()
    assert gate.presses() == [{"sale": FLASH_ID, "qty": 1}]
    assert gate.permits == []


@pytest.mark.parametrize(
    ("language", "reason", "said"),
    [
        ("en", "card_limit", "This card has its 2 of this sale already. Nothing was charged."),
        ("zh", "card_limit", "这张卡在这场已经买满 2 件，没有扣款"),
        ("en", "card_unknown", "your payment showed none. Nothing was charged."),
        ("en", "capture_failed", "so the order is off. Nothing was charged."),
        ("zh", "capture_failed", "款项没有收到，订单已取消，没有扣款"),
        ("en", "hold_expired", "Your payment came after the hold. ¥199 goes back today."),
    ],
)
async def test_whose_money_is_let_go_is_told_why(
    browser: Browser, language: str, reason: str, said: str
) -> None:
    async with open_ruled(browser, RULES, language=language) as (page, gate):
        order: dict[str, Any] = {
            "id": "o1",
            "state": "cancelled",
            "total_minor": 19_900,
            "currency": "CNY",
        }
        order["lines"] = [{"sale": FLASH_ID}]
        order["payment"] = {"id": "p1", "state": "voided", "url": None, "reason": reason}
        await page.route("**/api/orders/o1", lambda route: route.fulfill(json={"order": order}))
        gate.server.send(["D", "payment.voided", {"order": "o1", "reason": reason}])
        await page.locator("#own-news", has_text=said).wait_for(state="attached")


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_console_arms_with_extra_rules_which_are_off_by_default(
    browser: Browser, language: str
) -> None:
    async with open_console(browser, language=language) as (page, server):
        await page.locator(".run-row").nth(2).click()
        await page.keyboard.press("f")
        form = page.locator("live-arm-form")
        fold = form.locator("[data-ref=rules]")
        assert await fold.get_attribute("open") is None
        await form.locator("input[name=price]").fill("250")
        await fold.locator("summary").click()
        await form.locator("input[name=present_s]").fill("20")
        await form.locator("input[name=per_card]").fill("0")
        await form.locator("[data-ref=now]").click()
        assert await form.locator("[data-error=per_card]").inner_text() != ""
        assert await find_faults(page) == []
        await form.locator("input[name=per_card]").fill("2")
        await form.locator("[data-ref=now]").click()
        await wait_told(page, server, 1)
        await page.keyboard.press("f")
        assert await fold.get_attribute("open") is None
        await form.locator("input[name=price]").fill("250")
        await page.keyboard.press("Enter")
        await wait_told(page, server, 2)
    ruled, plain = (body for _, _, body in server.told)
    assert ruled["rules"] == {"present_s": 20, "per_card": 2}
    assert "rules" not in plain
