"""The script that visitors run finds a true draw true, and every tampering, with its reason."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from commerce.sales.draws.service import hold_due_draws
from server.wiring.gateway import GatewayProcess
from tests.integration.server.test_draws_http import host, open_draw
from tests.integration.server.test_edge import Person
from tests.support.drawing import close_entries, enter_many

SCRIPT = Path(__file__).parents[3] / "static" / "verify" / "draw.py"
Tamper = Callable[[dict[str, Any]], object]
__all__ = ["host"]


class Shop:
    """Serves one draw's public data on a port of its own, as it is or tampered with."""

    def __init__(self) -> None:
        self.page: dict[str, Any] = {}
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(shop.page).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A shop whose data can be tampered with."""
    shop = Shop()
    yield shop
    shop.server.shutdown()
    shop.server.server_close()
    shop.thread.join()


async def run(url: str, *more: str) -> tuple[int | None, str]:
    """Run the script as a child, with nothing of ours on its path."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(SCRIPT),
        url,
        "00000000-0000-4000-8000-000000000000",
        *more,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await child.communicate()
    return child.returncode, out.decode()


def swap_winner(page: dict[str, Any]) -> None:
    """Put somebody who lost in a winner's place."""
    page["winners"][0] = next(id for id, _ in page["entries"] if id not in page["winners"])


def remove_entry(page: dict[str, Any]) -> None:
    """Forget somebody who entered and lost, count and all."""
    page["entries"] = [one for one in page["entries"] if one[0] in page["winners"]]
    page["entry_count"] = len(page["entries"])


TAMPERED: list[tuple[Tamper, str]] = [
    (swap_winner, "the winners are not those of the draw"),
    (remove_entry, "their digest differs"),
    (lambda page: page.update(seed="00" * 32), "the seed is not the one that was committed to"),
    (lambda page: page["entries"].pop(), "there are not 9 different entries"),
    (lambda page: page.update(units=3), "the winners are not those of the draw"),
    (lambda page: page.update(seed=None), "the draw has not been done yet"),
    (lambda page: page.update(algorithm="x"), "this script knows hubbub-draw-1"),
    (lambda page: page.pop("commit"), "commit"),
]


async def test_the_script_draws_again(
    gateway: GatewayProcess, http: httpx.AsyncClient, host: Person, shop: Shop
) -> None:
    draws, database = gateway.app.state.services.draws, gateway.app.state.services.database
    sale = await open_draw(host, gateway, quantity=4, per_buyer=2)
    await enter_many(draws, sale, [1, 2, 1] * 3)
    await close_entries(database, sale)
    assert await hold_due_draws(database) == 1
    page = (await http.get(f"/api/sales/{sale}/draw")).json()
    shop.page = page
    code, out = await run(shop.url, "--entry", page["winners"][0])
    assert (code, out.splitlines()[-1]) == (0, "OK"), out
    assert "and won" in out
    for tamper, reason in TAMPERED:
        shop.page = json.loads(json.dumps(page))
        tamper(shop.page)
        code, out = await run(shop.url)
        assert code == 1, out
        assert reason in out.splitlines()[-1]


async def test_the_script_is_served(http: httpx.AsyncClient) -> None:
    served = await http.get("/static/verify/draw.py")
    assert served.status_code == 200
    assert served.text == SCRIPT.read_text(encoding="utf-8")
