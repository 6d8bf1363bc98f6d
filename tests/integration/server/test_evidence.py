"""The evidence of an order: it says what was so at the press, whatever happened since."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from commerce.insight.evidence.digest import verify
from commerce.insight.evidence.model import CHAT_LINES_MAX
from commerce.sales.draws.service import hold_due_draws
from server.wiring.gateway import GatewayProcess
from tests.support.drawing import close_entries
from tests.support.evidence import Stage


@pytest.fixture
async def stage(gateway: GatewayProcess, http: httpx.AsyncClient) -> Stage:
    """A live show with its people."""
    return await Stage(gateway, http).open()


def facts_of(bundle: dict[str, Any]) -> dict[str, Any]:
    """Return what must stay as it is: the lines, the show's name and the order's promise."""
    lines = [dict(line) for line in bundle["lines"]]
    return {"lines": lines, "buyer": bundle["order"]["buyer"], "show": bundle["show"]["id"]}


async def test_the_bundle_says_what_was_so_at_the_press(stage: Stage) -> None:
    """The pin, the card, the price, the rules, the stock and the place in the show."""
    await stage.pin(1)
    bowl = await stage.pin(0)
    sale = await stage.arm(guard={"floor_minor": 1_000, "max_cut_percent": 60})
    head = (
        await stage.row("SELECT log_offset FROM room_log_heads WHERE room_id = $1", stage.room_id)
    )[0]
    order, reservation = await stage.order("buyer", sale, 2)
    bundle = await stage.evidence("host", order)
    hold = await stage.row("SELECT * FROM reservations WHERE id = $1", reservation)
    show = await stage.row(
        "SELECT * FROM shows WHERE status = 'live' AND room_id = $1", stage.room_id
    )
    assert (bundle["format"], bundle["view"]) == ("hubbub-evidence/3", "staff")
    [line] = bundle["lines"]
    press = line["press"]
    assert (press["reservation"], press["at_ms"]) == (reservation, hold["decided_at_ms"])
    assert (press["qty"], press["pool_version"]) == (2, hold["version"])
    assert press["log_offset"] == head
    assert press["stock"] == {"total": 5, "claimed": 0, "free": 5}
    pin = line["pin"]
    assert (pin["item"], pin["is_this_item"]) == (bowl, True)
    event = await stage.row(
        "SELECT type, at_ms FROM room_events WHERE room_id = $1 AND log_offset = $2",
        stage.room_id,
        pin["offset"],
    )
    assert tuple(event) == ("show.pinned", pin["since_ms"])
    card = line["card"]
    assert (card["title"], card["sale"]["price_minor"]) == (line["title"], 19_900)
    assert card["sale"]["stock"] == [5, 0, 0]
    assert line["price"]["unit_price_minor"] == 19_900
    assert line["price"]["list_price_minor"] == stage.bag[0]["price_minor"]
    terms = line["terms"]["fields"]
    assert (terms["per_buyer"], terms["quantity"], terms["fairness"]) == (2, 5, "first_come")
    assert terms["guard"] == {"floor_minor": 1_000, "max_cut_percent": 60, "is_confirmed": False}
    assert terms["ends_at_ms"] > press["at_ms"] >= terms["opens_at_ms"]
    assert line["clip_at"] == {
        "show": str(show["id"]),
        "offset_ms": hold["decided_at_ms"] - show["started_at_ms"],
    }
    assert [one["type"] for one in line["events"]][-1] == "flash.armed"
    assert verify(bundle) is None


async def test_the_terms_say_that_a_sale_was_drawn_and_who_might_press(stage: Stage) -> None:
    """Also to the buyer, who could see both beforehand."""
    sale = await stage.arm(fairness="draw", entry_s=30, rules={"presses_per_user_s": 9})
    async with stage.database.transaction() as transaction:
        await transaction.execute("UPDATE sales SET state = 'open' WHERE id = $1", sale)
    await close_entries(stage.database, sale)
    assert await hold_due_draws(stage.database) == 1
    order, _ = await stage.order("buyer", sale, 1)  # What nobody entered for is sold as ever.
    for reader in ("host", "buyer"):
        [line] = (await stage.evidence(reader, order))["lines"]
        fields = line["terms"]["fields"]
        assert fields["fairness"] == "draw"
        assert fields["rules"] == {"version": 1, "presses_per_user_s": 9}


async def test_a_drawn_unit_says_when_its_buyer_entered_and_what_was_said_then(
    stage: Stage,
) -> None:
    """The press of a draw is the entry: the winner's, and that of the loser who was offered."""
    sale = await stage.arm(fairness="draw", entry_s=30, quantity=1)
    await stage.change("UPDATE sales SET state = 'open' WHERE id = $1", sale)
    for who in ("buyer", "viewer"):
        await stage.post(who, f"/api/sales/{sale}/entries", {"qty": 1})
    ago_ms = 200_000
    await stage.change("UPDATE draw_entries SET entered_at_ms = entered_at_ms - $1::bigint", ago_ms)
    await close_entries(stage.database, sale)
    assert await hold_due_draws(stage.database) == 1
    entries = {who: await stage.entry(who, sale) for who in ("buyer", "viewer")}
    first, second = sorted(entries, key=lambda who: int(entries[who]["rank"]))
    said = await stage.say("host", "The blue one, 199", entries[first]["entered_at_ms"] + 5)
    lines = {}
    for who in (first, second):
        mine = (await stage.get(who, "/api/reservations")).json()["reservations"]
        ordered = await stage.post(who, "/api/orders", {"reservations": [mine[0]["id"]]})
        bundle = await stage.evidence(who, ordered["order"]["id"])
        [lines[who]] = bundle["lines"]
        assert said in [line["id"] for window in bundle["chat"] for line in window["lines"]]
        assert bundle["chat_windows_left_out"] == 0
        await stage.post(who, f"/api/orders/{ordered['order']['id']}/cancel")
    drawn_at_ms = lines[first]["press"]["at_ms"]
    assert [lines[who]["press"]["origin"] for who in (first, second)] == ["draw", "waiting_list"]
    for rank, who in enumerate((first, second), 1):
        assert lines[who]["press"]["draw"] == {
            "entry": str(entries[who]["id"]),
            "entered_at_ms": entries[who]["entered_at_ms"],
            "drawn_at_ms": drawn_at_ms,
            "rank": rank,
            "of": 2,
        }
    assert lines[first]["press"]["asked_at_ms"] == entries[first]["entered_at_ms"]
    assert lines[second]["press"]["asked_at_ms"] >= drawn_at_ms


async def test_what_happens_later_changes_no_fact(stage: Stage) -> None:
    """Another pin, another price, other units, a halt, an end: the press was before them."""
    await stage.pin(0)
    sale = await stage.arm()
    await stage.change("UPDATE sales SET state = 'open' WHERE id = $1", sale)
    order, _ = await stage.order("buyer", sale)
    before = facts_of(await stage.evidence("host", order))
    await stage.pin(2)
    await stage.change("UPDATE sales SET price_minor = 100, per_buyer = 9 WHERE id = $1", sale)
    await stage.change("UPDATE sales SET price_minor = 5 WHERE sku = 'demo-tea-bowl'")
    await stage.post("host", f"/api/sales/{sale}/halt", {"reason": "a wrong price"})
    await stage.change("UPDATE products SET title = 'Something else'")
    after = facts_of(await stage.evidence("host", order))
    assert after == before
    assert after["lines"][0]["terms"]["fields"]["price_minor"] == 19_900


async def test_a_press_after_the_change_has_the_new_facts(stage: Stage) -> None:
    """The negative of the test above: the same sale, pressed once before and once after."""
    await stage.pin(0)
    sale = await stage.arm()
    await stage.change("UPDATE sales SET state = 'open' WHERE id = $1", sale)
    first, _ = await stage.order("buyer", sale)
    other = await stage.pin(2)
    await stage.change("UPDATE sales SET price_minor = 100 WHERE id = $1", sale)
    second, _ = await stage.order("viewer", sale)
    lines = [(await stage.evidence("host", order))["lines"][0] for order in (first, second)]
    assert [line["pin"]["item"] for line in lines] == [stage.bag[0]["item"], other]
    assert [line["pin"]["is_this_item"] for line in lines] == [True, False]
    assert [line["price"]["unit_price_minor"] for line in lines] == [19_900, 100]
    own = [[e["price_minor"] for e in line["price"]["log"] if e["is_own"]] for line in lines]
    assert own == [[19_900], [100]]
    versions = [line["terms"]["version"] for line in lines]
    assert versions[0] < versions[1]
    assert [line["press"]["stock"]["claimed"] for line in lines] == [0, 1]


async def test_an_older_press_is_told_without_what_was_not_recorded(stage: Stage) -> None:
    """Reservations from before this record have no offset and no terms, and none are made up."""
    await stage.pin(0)
    sale = await stage.arm()
    order, _ = await stage.order("buyer", sale)
    before = (await stage.evidence("host", order))["lines"][0]
    await stage.pin(2)
    for table in ("press_offsets", "sale_terms"):
        await stage.change(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        await stage.change(f"DELETE FROM {table}")
    line = (await stage.evidence("host", order))["lines"][0]
    assert (line["press"]["log_offset"], line["terms"]) == (None, None)
    assert line["pin"] == before["pin"], "then the time decides"
    assert line["card"] == before["card"]


async def test_chat_around_the_press_with_what_was_removed(stage: Stage) -> None:
    """From 60 s before to 30 s after; only staff read a removed line, and strangers' lines."""
    sale = await stage.arm()
    order, reservation = await stage.order("buyer", sale)
    at = (await stage.row("SELECT decided_at_ms FROM reservations WHERE id = $1", reservation))[0]
    await stage.say("viewer", "too early", at - 60_001)
    own = await stage.say("buyer", "is it the blue one?", at - 60_000)
    told = await stage.say("host", "yes, the blue one", at - 1_000, flags=("host",))
    await stage.say("viewer", "a stranger's", at)
    bad = await stage.say("host", "a slip", at + 30_000)
    await stage.say("viewer", "too late", at + 30_001)
    await stage.remove(bad)
    [staff] = (await stage.evidence("operator", order))["chat"]
    texts = [line["text"] for line in staff["lines"]]
    assert texts == ["is it the blue one?", "yes, the blue one", "a stranger's", "a slip"]
    assert [line["removed"] is not None for line in staff["lines"]] == [False, False, False, True]
    assert staff["lines"][3]["removed"]["by"] == stage.ids["moderator"]
    assert (staff["is_cut"], staff["is_complete"]) == (False, False)
    bundle = await stage.evidence("buyer", order)
    assert bundle["view"] == "buyer"
    assert verify(bundle) is None
    [buyer] = bundle["chat"]
    assert [line["id"] for line in buyer["lines"]] == [own, told]
    assert "stranger" not in json.dumps(bundle)


async def test_chat_of_a_busy_room_is_cut_and_says_so(stage: Stage) -> None:
    sale = await stage.arm()
    order, reservation = await stage.order("buyer", sale)
    at = (await stage.row("SELECT decided_at_ms FROM reservations WHERE id = $1", reservation))[0]
    own = await stage.say("buyer", "long ago", at - 59_000)
    for number in range(CHAT_LINES_MAX + 3):
        await stage.say("viewer", f"{number}", at - number)
    [chat] = (await stage.evidence("host", order))["chat"]
    assert (chat["is_cut"], len(chat["lines"])) == (True, CHAT_LINES_MAX)
    assert chat["lines"][0]["id"] == own
    assert chat["lines"][-1]["text"] == "0"


async def test_money_is_told_without_the_provider_s_own_words(stage: Stage) -> None:
    """References, states and times; what a webhook carried is not in the file."""
    sale = await stage.arm()
    order, _ = await stage.order("buyer", sale)
    await stage.change("UPDATE payments SET provider_ref = 'sp_1' WHERE order_id = $1", order)
    payment = await stage.row("SELECT * FROM payments WHERE order_id = $1", order)
    await stage.change(
        "INSERT INTO payment_events (provider, event_id, payment_id, type, body)"
        " VALUES ('sandbox', 'we_1', $1, 'payment.authorised', '{\"card\":\"4242\"}')",
        payment["id"],
    )
    bundle = await stage.evidence("host", order)
    [told] = bundle["money"]["payments"]
    assert (told["id"], told["provider_ref"]) == (str(payment["id"]), "sp_1")
    [event] = bundle["money"]["events"]
    assert (event["event"], event["type"]) == ("we_1", "payment.authorised")
    assert "4242" not in json.dumps(bundle)


async def test_who_may_read_it(stage: Stage) -> None:
    sale = await stage.arm()
    order, _ = await stage.order("buyer", sale)
    path = f"/api/orders/{order}/evidence"
    answers = {
        who: (await stage.get(who, path)).status_code
        for who in ("host", "operator", "buyer", "viewer", "stranger", "moderator")
    }
    assert answers == {
        "host": 200, "operator": 200, "buyer": 200,
        "viewer": 404, "stranger": 403, "moderator": 403,
    }  # fmt: skip
    assert (await stage.http.get(path)).status_code == 401
    unknown = f"/api/orders/{stage.room_id}/evidence"
    for who in ("operator", "buyer", "host"):
        assert (await stage.get(who, unknown)).status_code == 404


async def test_the_download_is_the_same_bundle_as_a_file(stage: Stage) -> None:
    sale = await stage.arm()
    order, _ = await stage.order("buyer", sale)
    response = await stage.get("host", f"/api/orders/{order}/evidence?download=1")
    name = f"evidence-{order}.json"
    assert response.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert response.headers["cache-control"] == "no-store"
    assert verify(response.json()) is None
    changed = json.loads(response.content.replace(b'"qty":1', b'"qty":2', 1))
    assert "changed" in (verify(changed) or "")
    shown = await stage.get("host", f"/api/orders/{order}/evidence")
    assert "content-disposition" not in shown.headers


async def test_an_offer_of_the_waiting_list_tells_when_it_was_asked_for(stage: Stage) -> None:
    """Nobody pressed: the offer was decided when a unit came free."""
    sale = await stage.arm(quantity=1)
    held = await stage.post("viewer", f"/api/sales/{sale}/reservations", {"qty": 1})
    await stage.post("buyer", f"/api/sales/{sale}/waiting-list", {"qty": 1})
    await asyncio.sleep(0.01)
    released = await stage.http.delete(
        f"/api/reservations/{held['reservation']['id']}",
        headers={**stage.headers["viewer"], "Idempotency-Key": "release"},
    )
    assert released.is_success, released.text
    mine = (await stage.get("buyer", "/api/reservations")).json()["reservations"]
    ordered = await stage.post("buyer", "/api/orders", {"reservations": [mine[0]["id"]]})
    [line] = (await stage.evidence("buyer", ordered["order"]["id"]))["lines"]
    assert line["press"]["origin"] == "waiting_list"
    assert line["press"]["asked_at_ms"] < line["press"]["at_ms"]
    assert line["press"]["log_offset"] is not None
