"""A buyer's evening: wait for T0 by the synchronised clock, press, order, pay or give back.

Invariant: one key for one press, however often it is sent; every promise heard is noted before
anything else happens.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import gevent  # type: ignore[import-untyped]  # gevent ships no types.

from loadtests.canonical import Mix
from loadtests.evidence import RESERVED, BuyerSeen, Press
from loadtests.flash_run import Run
from loadtests.protocol_client import NoAnswerError, RefusedError, RoomClient
from loadtests.shop_api import ShopApi

SALE_TIMEOUT_S = 120.0
# From the first glance at a stopwatch to the thumb on the glass.
REACTION_S_MAX = 0.05
# A loser tries this often when a unit comes back.
SECOND_CHANCES_MAX = 5
# Figures travel at the pace of a tick.
FIGURES_TIMEOUT_S = 2.0
PUSH_TIMEOUT_S = 3.0
PAID_TIMEOUT_S = 10.0
REFUSALS = {"sold_out", "held_out", "limit_reached", "not_enough_left", "ended"}


class BuyerScript:
    """Plays one buyer once."""

    def __init__(self, run: Run, client: RoomClient, api: ShopApi, name: str) -> None:
        self._run = run
        self._mix: Mix = run.mix
        self._client = client
        self._api = api
        self._random = run.random_for(f"{name} decides")
        self._report = run.reporter("WS")
        self._by_http = self._random.random() < self._mix.http_share
        self.seen = BuyerSeen(api.user_id)

    def play(self) -> None:
        """Play until the sale is over for this buyer."""
        self._client.synchronise_clock()
        if not self._client.wait_until(lambda: self._sale() is not None, SALE_TIMEOUT_S):
            return
        sale = self._sale()
        assert sale is not None, "it was waited for"
        reaction_s = self._random.random() * REACTION_S_MAX
        gevent.sleep(max(0.0, (sale["opens_at_ms"] - self._client.now_ms()) / 1000) + reaction_s)
        reservation = self._press_until_decided(sale["id"])
        if reservation is not None:
            self._go_on(reservation)

    def _sale(self) -> dict[str, Any] | None:
        """Return this run's sale, once this buyer's own client has heard of it."""
        return self._client.view.sales.get(self._run.sale_id or "")

    def _press_until_decided(self, sale: str) -> str | None:
        for _ in range(1 + SECOND_CHANCES_MAX):
            press = Press(str(uuid.uuid4()), "HTTP" if self._by_http else "WS")
            twin = None
            if self._random.random() < self._mix.double_press_share:
                twin = Press(press.key, press.via)
                gevent.spawn(self._press, sale, twin)
            self._press(sale, press)
            if press.reservation is not None:
                return press.reservation
            if press.outcome != "held_out" or not self._wait_for_a_unit(sale):
                return None
        return None

    def _wait_for_a_unit(self, sale: str) -> bool:
        """Watch the figures like a person: first they show none, then perhaps one comes back."""

        def shows(is_free: bool) -> bool:
            free = self._client.view.stock.get(sale, [0])[0]
            return (free > 0) is is_free

        def is_closing() -> bool:
            return bool(self._run.closing.is_set())

        self._client.wait_until(lambda: is_closing() or shows(False), FIGURES_TIMEOUT_S)
        self._client.wait_until(lambda: is_closing() or shows(True), self._mix.after_s)
        return shows(True) and not is_closing()

    def _press(self, sale: str, press: Press) -> None:
        self.seen.presses.append(press)
        press.pressed_ms = time.time() * 1000
        if press.via == "HTTP":
            self._press_by_http(sale, press)
        else:
            self._press_by_socket(sale, press)
        press.answered_ms = time.time() * 1000

    def _press_by_socket(self, sale: str, press: Press) -> None:
        started_s = time.perf_counter()
        failure: Exception | None = None
        try:
            result = self._until_open(
                lambda: self._client.ask("reserve", {"sale": sale, "qty": 1}, key=press.key)
            )
            _note_reserved(press, result["reservation"])
        except RefusedError as refused:
            press.outcome, press.version = refused.code, refused.detail.get("version")
            failure = None if refused.code in REFUSALS else refused
        except NoAnswerError as silence:
            failure = silence
        self._report("reserve", (time.perf_counter() - started_s) * 1000, failure)

    def _press_by_http(self, sale: str, press: Press) -> None:
        route = f"POST /api/sales/{sale}/reservations"
        reply = self._api.call(route, {"qty": 1}, key=press.key, name="reserve", expected={409})
        if reply.status == 201:
            _note_reserved(press, reply.body["reservation"])
        elif reply.code is not None and reply.status not in {0, 503}:
            press.outcome = reply.code
            press.version = (reply.body["error"].get("detail") or {}).get("version")

    def _until_open(self, ask: Callable[[], Any]) -> Any:
        """Ask again when the server's clock says that it is a moment too early."""
        try:
            return ask()
        except RefusedError as refused:
            if refused.code != "not_open":
                raise
            gevent.sleep((refused.retry_ms or 100) / 1000)
            return ask()

    def _go_on(self, reservation: str) -> None:
        gevent.sleep(self._random.uniform(0.3, 1.5))
        if self._random.random() < self._mix.release_share:
            self._release(reservation)
        elif self._random.random() < self._mix.order_share:
            self._order(reservation)

    def _release(self, reservation: str) -> None:
        started_s = time.perf_counter()
        failure: Exception | None = None
        # Noted first: an answer that gets lost must not turn the hold into a lost promise.
        self.seen.released.append(reservation)
        try:
            self._client.ask("release", {"reservation": reservation}, key=str(uuid.uuid4()))
        except (RefusedError, NoAnswerError) as error:
            failure = error
        self._report("release", (time.perf_counter() - started_s) * 1000, failure)

    def _order(self, reservation: str) -> None:
        placed = self._api.call(
            "POST /api/orders",
            {"reservations": [reservation]},
            key=str(uuid.uuid4()),
            name="place order",
        )
        if placed.status != 201 or self._random.random() >= self._mix.pay_share:
            return
        order, url = placed.body["order"]["id"], placed.body["payment"]["url"]
        gevent.sleep(self._random.uniform(0.3, 1.0))
        started_s = time.perf_counter()
        if self._api.send_form(url, {"act": "pay"}, name="pay on the sandbox page").status != 303:
            return
        self.seen.paid.append(order)
        is_told = self._client.wait_until(lambda: self._is_told_paid(order), PUSH_TIMEOUT_S)
        # The push is a courtesy: who was away when it came reads the order, as the page does.
        failure = None if is_told or self._reads_paid(order) else NoAnswerError("it is not paid")
        name = "pay→order.paid" if is_told else "pay→paid, read without a push"
        self._report(name, (time.perf_counter() - started_s) * 1000, failure)

    def _reads_paid(self, order: str) -> bool:
        deadline_s = time.monotonic() + PAID_TIMEOUT_S
        while time.monotonic() < deadline_s:
            reply = self._api.call(f"GET /api/orders/{order}", name="GET /api/orders/{order}")
            if reply.status == 200 and reply.body["order"]["state"] == "paid":
                return True
            gevent.sleep(0.5)
        return False

    def _is_told_paid(self, order: str) -> bool:
        return any(
            message.type == "order.paid" and message.payload["order"]["id"] == order
            for message in self._client.direct
        )


def _note_reserved(press: Press, reservation: dict[str, Any]) -> None:
    press.outcome, press.reservation = RESERVED, reservation["id"]
    press.version = reservation["version"]
