"""The host's evening: start the show, show pieces, arm the flash sale, end it, close the run.

Invariant: every wait is bounded; what does not happen in time is a trouble of the run, not a hang.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import gevent  # type: ignore[import-untyped]  # gevent ships no types.

from loadtests.canonical import PRICE_MINOR, ROOM, SKU
from loadtests.flash_run import Run
from loadtests.protocol_client import RoomClient
from loadtests.sale_lane import SaleLane
from loadtests.shop_api import DEMO_HOST, ShopApi, UnexpectedReplyError

JOIN_TIMEOUT_S = 30.0
# After T0 the show goes on at least this long, so that returning viewers meet a running sale.
AFTER_S_MIN = 6.0
QUIET_S = 1.0
GOODBYE_TIMEOUT_S = 15.0


class HostScript:
    """Plays the host once, over HTTP like the console does."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._api = ShopApi(run.base_url, watch=run.reporter("HTTP"))
        self._client: RoomClient | None = None
        self._pieces: Iterator[str] = cycle(())

    def play(self) -> None:
        """Play the whole evening; the run has its sale and its base afterwards."""
        self._api.log_in(*DEMO_HOST)
        self._command("start")
        self._client = self._run.connect("host", token=self._api.token)
        lane = self._client.view.lane
        self._wait_for_the_crowd(lane)
        state = self._api.expect(200, f"GET /api/rooms/{ROOM}", name="GET /api/rooms/{room}")
        self._pieces = cycle(item["item"] for item in state["bag"])
        if lane.epoch is None:
            raise UnexpectedReplyError("the host's own connection never got the room's state")
        self._run.base = (lane.epoch, lane.offset)
        self._show_pieces_until(time.time() + self._run.mix.warm_s)
        sale = self._arm()
        self._show_pieces_until(sale["opens_at_ms"] / 1000 + AFTER_S_MIN)
        self._show_pieces_until(sale["opens_at_ms"] / 1000 + self._run.mix.after_s, until_idle=True)
        self._run.closing.set()
        gevent.sleep(QUIET_S)
        self._finish_sale(sale["id"])
        self._say_goodbye(f"That was it for today, after sale {sale['id'][-8:]}.")

    def _wait_for_the_crowd(self, lane: SaleLane) -> None:
        run, deadline_s = self._run, time.monotonic() + JOIN_TIMEOUT_S
        while run.joined() < run.mix.users or lane.epoch is None:
            if time.monotonic() > deadline_s:
                run.troubles.append(f"{run.joined()} of {run.mix.users} joined in time")
                return
            gevent.sleep(0.2)

    def _show_pieces_until(self, end_s: float, *, until_idle: bool = False) -> None:
        while time.time() < end_s and not (until_idle and self._run.busy_buyers == 0):
            self._command("pin", {"item": next(self._pieces)})
            gevent.sleep(min(self._run.mix.pins_every_s, max(0.0, end_s - time.time())))

    def _arm(self) -> dict[str, Any]:
        mix = self._run.mix
        body = {
            "sku": SKU,
            "price_minor": PRICE_MINOR,
            "quantity": mix.units,
            "per_buyer": mix.per_buyer,
            "countdown_s": mix.countdown_s,
            "duration_s": mix.duration_s,
            "hold_s": mix.hold_s,
        }
        route = f"POST /api/rooms/{ROOM}/flash-sales"
        sale: dict[str, Any] = self._api.expect(
            201, route, body, key=str(uuid.uuid4()), name="arm flash sale"
        )["sale"]
        self._run.sale_id = sale["id"]
        return sale

    def _say_goodbye(self, text: str) -> None:
        """Write the run's last sale event and wait for it: before it, nothing counts as lost.

        A gateway that dies after its commit leaves the publishing to the worker.
        """
        assert self._client is not None, "the host joined first"
        view = self._client.view
        self._command("announce", {"text": text})
        if not self._client.wait_until(lambda: view.announcement == text, GOODBYE_TIMEOUT_S):
            self._run.troubles.append("the host never saw the own last announcement")

    def _finish_sale(self, sale: str) -> None:
        route = f"POST /api/sales/{sale}/close"
        self._api.expect(200, route, key=str(uuid.uuid4()), name="close flash sale")

    def _command(self, act: str, body: dict[str, Any] | None = None) -> None:
        self._api.expect(200, f"POST /api/rooms/{ROOM}/{act}", body, name=f"host {act}")
