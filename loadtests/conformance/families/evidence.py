"""The evidence of an order, and the digest by which its file is known again."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import uuid4

from loadtests.conformance.http import Person, expect_error, expect_shape
from loadtests.conformance.model import check, require
from loadtests.conformance.shapes import EVIDENCE
from loadtests.conformance.stage import Stage


@check(
    "evidence.press",
    "Evidence",
    "The buyer and the host read what was so at the press; the digest is that of the text.",
    needs_host=True,
)
async def press(stage: Stage) -> None:
    buyer, other = await stage.guest(), await stage.guest()
    async with stage.flash_sale(quantity=1) as sale:
        path = f"POST /api/sales/{sale['id']}/reservations"
        held = (await buyer.do(path, {"qty": 1}, key=str(uuid4()), status=201))["reservation"]
        body = {"reservations": [held["id"]]}
        order = (await buyer.do("POST /api/orders", body, key=str(uuid4()), status=201))["order"]
        stage.left["cancelled orders"] += 1
        await buyer.do(f"POST /api/orders/{order['id']}/cancel", {}, key=str(uuid4()))
    path = f"/api/orders/{order['id']}/evidence"
    expect_error(await other.call(f"GET {path}"), 404, "not_found")
    for view, reader in (("buyer", buyer), ("staff", stage.host)):
        bundle = await _read(reader, path)
        require(bundle["view"] == view, f"view {view}", bundle["view"])
        [line] = bundle["lines"]
        came = [line["press"]["reservation"], line["press"]["sale"], line["press"]["qty"]]
        require(came == [held["id"], sale["id"], 1], "the press", line["press"])
        came = [line["price"]["unit_price_minor"], line["card"]["sale"]["price_minor"]]
        require(came == [sale["price_minor"]] * 2, "the price of hold and card", came)
        is_removed_told = any("removed" in one for chat in bundle["chat"] for one in chat["lines"])
        require(view == "staff" or not is_removed_told, "nothing removed for the buyer", bundle)


async def _read(reader: Person, path: str) -> dict[str, Any]:
    """Return a bundle of the documented shape whose digest is right."""
    bundle: dict[str, Any] = expect_shape(await reader.get(path), EVIDENCE, f"GET {path}")
    facts = {name: value for name, value in bundle.items() if name != "digest"}
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    require(bundle["digest"] == digest, digest, bundle["digest"])
    return bundle


CHECKS = (press,)
