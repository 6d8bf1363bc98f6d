"""A gateway or a worker is killed before and after each commit that promises or moves something.

Whoever was killed comes back, buyers ask again with their keys, jobs go on; then everything that
was acknowledged is there, once, the auditor is content, and the provider's own tables say what the
shop's say of every payment: nothing charged, taken or given back twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from server.ops.embedded import Embedded
from tests.support import commit_points as points
from tests.support import databases
from tests.support.api import Caller
from tests.support.kill_stage import KillStage, Scene
from tests.support.pg_proxy import AFTER, BEFORE, Point

CROWD = 6
LIVE_OF = "SELECT count(*) FROM reservations WHERE user_id = $1 AND state = 'held'"
LIVE_IN = """
    SELECT count(*) FROM reservations WHERE sale_id = $1 AND state IN ('held', 'paying', 'sold')
"""
WAITS = "SELECT state = 'awaiting_group' FROM orders WHERE id = $1"
# Of the threshold's sale: what everybody pays, and what once three have paid.
PLAIN, LOW = 19_900, 9_900
CLAIMED = """
    SELECT k.claimed FROM stock k JOIN sales s ON s.pool_id = k.pool_id WHERE s.id = $1
"""
END_HOLD = "UPDATE reservations SET release_at_ms = clock_ms() - 1 WHERE id = $1"
PASS_DEADLINE = """
    UPDATE buy_groups SET opened_at_ms = opened_at_ms - deadline_ms + clock_ms() - 1,
        deadline_ms = clock_ms() - 1
    WHERE sale_id = $1
"""
PASS_WINDOW = """
    UPDATE sales SET opens_at_ms = clock_ms() - 2, ends_at_ms = clock_ms() - 1 WHERE id = $1
"""
STATE_OF_THRESHOLD = "SELECT state || ' ' || promised FROM price_unlocks WHERE sale_id = $1"
TIMES_TOLD = """
    SELECT count(*) FROM room_events
    WHERE type = $2 AND payload::jsonb ->> 'sale' = $1
"""
# What was asked of each buyer of a sale at the provider, whatever has become of it.
SUMS = """
    SELECT array_agg(DISTINCT s.state || ' ' || s.amount_minor) FROM sandbox.payments s
    JOIN order_lines l ON l.order_id::text = s.order_reference WHERE l.sale_id = $1
"""
STATE_OF_TEAMS = "SELECT string_agg(state, ',') FROM buy_groups WHERE sale_id = $1"
# How often each member's money was asked for, or let go.
CALLS = """
    SELECT array_agg(q.calls) FROM (
        SELECT count(c.id) AS calls FROM orders o
        JOIN order_lines l ON l.order_id = o.id
        JOIN reservations r ON r.id = l.reservation_id AND r.sale_id = $1
        JOIN payments p ON p.order_id = o.id
        LEFT JOIN payment_calls c ON c.payment_id = p.id AND c.kind = $2
        GROUP BY p.id
    ) q
"""
CLOSE_ENTRIES = "UPDATE draws SET entry_closes_at_ms = clock_ms() WHERE sale_id = $1"


@pytest.fixture(scope="module")
def stage(embedded: Embedded, database_template: str) -> Iterator[KillStage]:
    """One program for all kills; `hubbub audit` ends it."""
    assert embedded.database_url is not None
    assert embedded.redis_url is not None
    url = databases.clone(embedded.database_url, database_template)
    stage = KillStage(url, embedded.redis_url)
    try:
        yield stage
    finally:
        stage.close()
        databases.drop(embedded.database_url, url)


async def press_in_a_crowd(scene: Scene) -> None:
    """Everybody presses at once, has one hold, and reads of it."""
    await scene.sell(quantity=CROWD)
    people = [await scene.guest() for _ in range(CROWD)]
    async with scene.struck():
        won = await asyncio.gather(*(scene.reserve(person) for person in people))
    for person, id in zip(people, won, strict=True):
        answer = await person.insist("GET", "/api/reservations")
        assert [hold["id"] for hold in answer["reservations"]] == [id]
    assert await scene.ask(CLAIMED, scene.sale) == CROWD


async def take_a_cart(scene: Scene) -> None:
    """All of the cart, once."""
    await scene.sell()
    state = await scene.host.insist("GET", "/api/rooms/demo")
    other = next(item["sale"] for item in state["bag"] if item["sku"] != "demo-tea-bowl")
    buyer = await scene.guest()
    items = [{"sale": scene.sale, "qty": 1}, {"sale": other, "qty": 2}]
    async with scene.struck():
        await buyer.insist("POST", "/api/reservations", {"items": items}, status=201)
    assert await scene.ask(LIVE_OF, buyer.user["id"]) == len(items)
    assert await scene.ask(CLAIMED, scene.sale) == 1


async def let_a_hold_go(scene: Scene) -> None:
    """Its unit is free, once."""
    await scene.sell()
    buyer = await scene.guest()
    held = await scene.reserve(buyer)
    async with scene.struck():
        answer = await buyer.insist("DELETE", f"/api/reservations/{held}")
    assert answer["reservation"]["state"] == "released"
    assert await scene.ask(CLAIMED, scene.sale) == 0


async def _wait_behind(scene: Scene) -> tuple[str, Caller, Caller]:
    """Hold the only unit, with one more buyer in line; return the hold, its owner, and the next."""
    await scene.sell(quantity=1)
    first, second = await scene.guest(), await scene.guest()
    held = await scene.reserve(first)
    path = f"/api/sales/{scene.sale}/waiting-list"
    await second.insist("POST", path, {"qty": 1}, status=201)
    return held, first, second


async def _assert_offered(scene: Scene, waiter: Caller) -> None:
    """The unit is the waiter's alone, as one offer."""
    await scene.comes_true(
        "SELECT state = 'offered' FROM waiting_list WHERE user_id = $1", waiter.user["id"]
    )
    assert await scene.ask(LIVE_OF, waiter.user["id"]) == 1
    assert await scene.ask(CLAIMED, scene.sale) == 1


async def let_go_before_a_line(scene: Scene) -> None:
    """What is let go is offered to whoever waits, in the same commit."""
    held, first, second = await _wait_behind(scene)
    async with scene.struck():
        await first.insist("DELETE", f"/api/reservations/{held}")
    await _assert_offered(scene, second)


async def let_a_hold_end(scene: Scene) -> None:
    """The sweeper frees it, once."""
    await scene.sell()
    buyer = await scene.guest()
    held = await scene.reserve(buyer)
    async with scene.struck():
        await scene.direct.execute(END_HOLD, held)
    await scene.comes_true("SELECT state = 'expired' FROM reservations WHERE id = $1", held)
    assert await scene.ask(CLAIMED, scene.sale) == 0


async def let_a_hold_end_before_a_line(scene: Scene) -> None:
    """What the sweeper frees is offered in the same commit."""
    held, _, second = await _wait_behind(scene)
    async with scene.struck():
        await scene.direct.execute(END_HOLD, held)
    await _assert_offered(scene, second)


async def hold_a_draw(scene: Scene) -> None:
    """It is drawn once: as many winners as units, who hold them."""
    await scene.sell(fairness="draw", entry_s=60, quantity=2)
    for person in [await scene.guest() for _ in range(3)]:
        path = f"/api/sales/{scene.sale}/entries"
        await person.insist("POST", path, {"qty": 1}, status=201)
    async with scene.struck():
        await scene.direct.execute(CLOSE_ENTRIES, scene.sale)
    await scene.comes_true(
        "SELECT drawn_at_ms IS NOT NULL FROM draws WHERE sale_id = $1", scene.sale
    )
    drawn = await scene.host.insist("GET", f"/api/sales/{scene.sale}/draw")
    assert len(drawn["winners"]) == 2
    assert await scene.ask(CLAIMED, scene.sale) == 2


async def place_an_order(scene: Scene) -> None:
    """One order with one payment, which the buyer can pay."""
    await scene.sell()
    buyer = await scene.guest()
    held = await scene.reserve(buyer)
    async with scene.struck():
        order = await scene.order(buyer, held)
    listed = await buyer.insist("GET", "/api/orders?since_ms=0")
    assert [one["id"] for one in listed["orders"]] == [order["order"]["id"]]
    await scene.press_pay(order["payment"]["url"])
    await scene.settled(order["order"]["id"], "paid")


async def pay_an_order(scene: Scene) -> None:
    """The order is paid, and its money taken, once."""
    await scene.sell()
    buyer = await scene.guest()
    order = await scene.order(buyer, await scene.reserve(buyer))
    async with scene.struck():
        await scene.press_pay(order["payment"]["url"])
    await scene.settled(order["order"]["id"], "paid")
    taken = await scene.ask(
        "SELECT state FROM sandbox.payments WHERE order_reference = $1", order["order"]["id"]
    )
    assert taken == "captured"


async def cancel_an_order(scene: Scene) -> None:
    """Its page is closed at the provider: nobody can pay it any more."""
    await scene.sell()
    buyer = await scene.guest()
    order = (await scene.order(buyer, await scene.reserve(buyer)))["order"]["id"]
    async with scene.struck():
        await buyer.insist("POST", f"/api/orders/{order}/cancel")
    await scene.settled(order, "cancelled")
    remote = await scene.ask("SELECT state FROM sandbox.payments WHERE order_reference = $1", order)
    assert remote == "voided"
    assert await scene.ask(CLAIMED, scene.sale) == 0


async def refund_an_order(scene: Scene) -> None:
    """All of the money goes back, once."""
    await scene.sell()
    order = await scene.paid_order(await scene.guest())
    async with scene.struck():
        path = f"/api/orders/{order}/refunds"
        await scene.host.insist("POST", path, {"reason": "Broken"}, status=201)
    await scene.settled(order, "refunded")
    back = await scene.ask(
        "SELECT count(*) FROM sandbox.refunds r JOIN sandbox.payments p ON p.id = r.payment_id"
        " WHERE p.order_reference = $1",
        order,
    )
    assert back == 1


async def _grant(scene: Scene) -> str:
    """Let somebody join a team and pay; return the order, whose money waits for the team."""
    order = await scene.seat(await scene.guest())
    await scene.press_pay(order["payment"]["url"])
    id = str(order["order"]["id"])
    await scene.comes_true(WAITS, id)
    return id


async def form_a_team(scene: Scene) -> None:
    """Every member is paid for, once, whoever dies between the last payment and the others'."""
    await scene.sell_to_teams(need=3)
    members = [await _grant(scene) for _ in range(2)]
    last = await scene.seat(await scene.guest())
    async with scene.struck():
        await scene.press_pay(last["payment"]["url"])
    for member in (*members, str(last["order"]["id"])):
        await scene.settled(member, "paid")
    assert await scene.ask(STATE_OF_TEAMS, scene.sale) == "formed"
    assert await scene.ask(CALLS, scene.sale, "capture") == [1, 1, 1]
    assert await scene.ask(CLAIMED, scene.sale) == 3


async def fail_a_team(scene: Scene) -> None:
    """Every member's money is let go, once, and their seats are free."""
    await scene.sell_to_teams(need=3)
    members = [await _grant(scene) for _ in range(2)]
    async with scene.struck():
        await scene.direct.execute(PASS_DEADLINE, scene.sale)
    for member in members:
        await scene.settled(member, "expired")
    assert await scene.ask(STATE_OF_TEAMS, scene.sale) == "failed"
    assert await scene.ask(CALLS, scene.sale, "void") == [1, 1]
    assert await scene.ask(CLAIMED, scene.sale) == 0


async def _promise(scene: Scene, count: int) -> list[str]:
    """Let so many press and pay; return the orders, whose money waits for the threshold."""
    orders = []
    for _ in range(count):
        buyer = await scene.guest()
        order = await scene.order(buyer, await scene.reserve(buyer))
        await scene.press_pay(order["payment"]["url"])
        orders.append(str(order["order"]["id"]))
        await scene.comes_true(WAITS, orders[-1])
    return orders


async def _sell_with_threshold(scene: Scene, otherwise: str = "charge") -> None:
    await scene.sell(unlock={"units": 3, "price_minor": LOW, "otherwise": otherwise})


async def let_a_price_fall(scene: Scene) -> None:
    """It falls once for everybody, whoever dies between the last unit and the others' money."""
    await _sell_with_threshold(scene)
    orders = await _promise(scene, 2)
    buyer = await scene.guest()
    last = await scene.order(buyer, await scene.reserve(buyer))
    async with scene.struck():
        await scene.press_pay(last["payment"]["url"])
    for order in (*orders, str(last["order"]["id"])):
        await scene.settled(order, "paid")
    assert await scene.ask(STATE_OF_THRESHOLD, scene.sale) == "unlocked 3"
    assert await scene.ask(TIMES_TOLD, scene.sale, "flash.unlocked") == 1
    assert await scene.ask(CALLS, scene.sale, "capture") == [1, 1, 1]
    assert await scene.ask(SUMS, scene.sale) == [f"captured {LOW}"]


async def _miss(scene: Scene, otherwise: str, *, state: str, call: str, sums: str) -> None:
    await _sell_with_threshold(scene, otherwise)
    orders = await _promise(scene, 2)
    async with scene.struck():
        await scene.direct.execute(PASS_WINDOW, scene.sale)
    for order in orders:
        await scene.settled(order, state)
    assert await scene.ask(STATE_OF_THRESHOLD, scene.sale) == "missed 2"
    assert await scene.ask(TIMES_TOLD, scene.sale, "flash.not_unlocked") == 1
    assert await scene.ask(CALLS, scene.sale, call) == [1, 1]
    assert await scene.ask(SUMS, scene.sale) == [sums]


async def miss_a_price(scene: Scene) -> None:
    """Everybody pays what was agreed for that, once."""
    await _miss(scene, "charge", state="paid", call="capture", sums=f"captured {PLAIN}")


async def miss_a_price_and_release(scene: Scene) -> None:
    """Everybody's money is let go, once, and their units are free."""
    await _miss(scene, "release", state="expired", call="void", sums=f"voided {PLAIN}")
    assert await scene.ask(LIVE_IN, scene.sale) == 0


KILLS: dict[str, tuple[Point, Callable[[Scene], Awaitable[None]]]] = {
    "reservation batch": (points.RESERVATION_BATCH, press_in_a_crowd),
    "cart": (points.CART, take_a_cart),
    "release": (points.RELEASE, let_a_hold_go),
    "offer at a release": (points.RELEASE, let_go_before_a_line),
    "expiry": (points.EXPIRY, let_a_hold_end),
    "offer at an expiry": (points.EXPIRY, let_a_hold_end_before_a_line),
    "news of an offer": (points.OFFER_NEWS, let_a_hold_end_before_a_line),
    "draw": (points.DRAW, hold_a_draw),
    "formation of a team": (points.FORMATION, form_a_team),
    "payment of a formed team": (points.PAY_FORMED, form_a_team),
    "failure of a team": (points.TEAM_FAILURE, fail_a_team),
    "fall of a price": (points.PRICE_FALL, let_a_price_fall),
    "payment at a fallen price": (points.PAY_DECIDED, let_a_price_fall),
    "claim of a lesser capture": (points.CAPTURE_CLAIM, let_a_price_fall),
    "lesser capture at the provider": (points.PROVIDER_CAPTURE, let_a_price_fall),
    "answer of a lesser capture": (points.CAPTURE_ANSWER, let_a_price_fall),
    "price that does not fall": (points.PRICE_MISSED, miss_a_price),
    "payment at the plain price": (points.PAY_DECIDED, miss_a_price),
    "price that does not fall, released": (points.PRICE_MISSED, miss_a_price_and_release),
    "release of what was promised": (points.PROMISE_LET_GO, miss_a_price_and_release),
    "hold to paying": (points.ORDER, place_an_order),
    "payment confirmation": (points.CONFIRMATION, pay_an_order),
    "claim of the capture": (points.CAPTURE_CLAIM, pay_an_order),
    "capture at the provider": (points.PROVIDER_CAPTURE, pay_an_order),
    "answer of the capture": (points.CAPTURE_ANSWER, pay_an_order),
    "answer of the void": (points.VOID_ANSWER, cancel_an_order),
    "refund at the provider": (points.PROVIDER_REFUND, refund_an_order),
    "answer of the refund": (points.REFUND_ANSWER, refund_an_order),
}


@pytest.mark.slow
@pytest.mark.parametrize("moment", [BEFORE, AFTER])
@pytest.mark.parametrize("name", list(KILLS))
async def test_sigkill_at_a_commit_loses_and_doubles_nothing(
    stage: KillStage, name: str, moment: str
) -> None:
    point, play = KILLS[name]
    scene = await Scene(stage, point, moment).open()
    try:
        await play(scene)
        await scene.check_whole()
    finally:  # Whatever failed here must not fail the next, which sells the same goods.
        await scene.close()
