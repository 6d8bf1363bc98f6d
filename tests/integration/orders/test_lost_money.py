"""A team's member whose money is lost: one more chance, whatever the old money does meanwhile."""

from __future__ import annotations

import pytest

from commerce.goods.press_rules.model import PressRules
from commerce.insight.audit.service import audit
from commerce.orders.payments.model import Payment, PaymentReport
from commerce.orders.payments.ports import ProviderRefusedError, ProviderUnavailableError
from tests.support.club import Club, check_books, refuse_capture
from tests.support.coupons import Stand
from tests.support.grouping import join, open_group_buy, read_team
from tests.support.shop import make_shop
from tests.support.till import Buyer, Till


@pytest.fixture
async def club(till: Till) -> Club:
    """Teams of 3 out of 30, two seats a buyer."""
    return Club(till, await open_group_buy(till.database, await make_shop(till.database)))


async def refuse(payment: Payment) -> PaymentReport:
    """Refuse to capture, as for a card that was closed; the authorisation stays."""
    raise ProviderRefusedError(f"{payment.id} cannot be captured")


async def be_away(payment: Payment) -> PaymentReport:
    """Answer nothing."""
    raise ProviderUnavailableError(f"no answer for {payment.id}")


async def test_old_money_that_is_let_go_late_does_not_take_the_seat_from_the_new(
    club: Club, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The void of what could not be captured is done when the buyer has paid another way."""
    team, members = await club.team_of(paid=3)
    buyer, order_id = members[2]  # Whoever fills the team is paid, and owed the capture, at once.
    with monkeypatch.context() as patch:
        patch.setattr(club.till.provider, "capture", refuse)
        patch.setattr(club.till.provider, "void", be_away)
        await club.till.payments.run_payment_calls()
    order = await buyer.read(order_id)
    assert (order["state"], order["payment"]["attempt"]) == ("awaiting_payment", 2)
    await buyer.press(order["payment"]["url"], "pay")
    assert (await buyer.read(order_id))["state"] == "paid"
    await club.till.change("UPDATE payment_calls SET next_at_ms = 0 WHERE state = 'pending'")
    await club.run_jobs()
    assert (await buyer.read(order_id))["state"] == "paid"
    assert await club.states() == {"paid": 3}
    assert await club.money() == {"captured": 3, "voided": 1}
    assert (await read_team(club.till.database, team)).paid == 3
    await check_books(club)


async def test_a_buyer_who_is_in_the_next_team_keeps_the_chance_in_the_first(club: Club) -> None:
    """Two seats of one buyer are live at once then, and only one of them can be joined."""
    _, members = await club.team_of(paid=3)
    buyer, order_id = members[2]
    await refuse_capture(club, order_id)
    second = await join(club.groups, club.sale, user=buyer.id, is_new=True)
    await club.run_jobs()
    order = await buyer.read(order_id)
    assert order["state"] == "awaiting_payment"
    await check_books(club)
    await buyer.press(order["payment"]["url"], "pay")
    await club.run_jobs()
    assert await club.states() == {"paid": 3}
    assert (await read_team(club.till.database, second.group_id)).joined == 1
    await check_books(club)


async def pay_by(buyer: Buyer, url: str, card: str) -> None:
    """Pay with one of the test cards."""
    pressed = await buyer.client.post(url, data={"act": "pay", "card": card})
    assert pressed.status_code == 303, pressed.text


async def lose(club: Club, monkeypatch: pytest.MonkeyPatch, order: str) -> str:
    """Let an order's money be refused, and stay there; return the page for other money."""
    with monkeypatch.context() as patch:
        patch.setattr(club.till.provider, "capture", refuse)
        patch.setattr(club.till.provider, "void", be_away)
        await club.till.payments.run_payment_calls()
    rows = await club.till.values(
        "SELECT url FROM payments WHERE order_id = $1 AND let_go_reason IS NULL", order
    )
    return str(rows[0])


async def fill(
    club: Club, card: str, *, buyer: Buyer | None = None, **more: str
) -> tuple[Buyer, str]:
    """Let a team form whose last member pays by a card; return that member and the order."""
    team, _ = await club.team_of(paid=2)
    buyer, _, order, url = await club.member(team, buyer=buyer, **more)
    await pay_by(buyer, url, card)
    assert (await buyer.read(order))["state"] == "paid"
    return buyer, order


@pytest.mark.parametrize("card", ["test-1", "test-2"])
async def test_a_card_that_is_limited_pays_for_the_seat_that_lost_its_money(
    till: Till, monkeypatch: pytest.MonkeyPatch, card: str
) -> None:
    """What was let go and is not back yet counts no more, nor does the seat count beside itself."""
    shop = await make_shop(till.database)
    club = Club(till, await open_group_buy(till.database, shop, rules=PressRules(per_card=1)))
    buyer, order = await fill(club, "test-1")
    await pay_by(buyer, await lose(club, monkeypatch, order), card)
    assert (await buyer.read(order))["state"] == "paid"
    other, _, other_order, url = await club.member()
    await pay_by(other, url, "test-2" if card == "test-1" else "test-1")
    assert (await other.read(other_order))["state"] == "awaiting_group"
    third, _, third_order, url = await club.member()
    await pay_by(third, url, card)
    assert (await third.read(third_order))["state"] == "cancelled"
    assert [news["reason"] for news in till.news("payment.voided")] == ["card_limit"]
    for _ in range(2):
        fourth, _, _, url = await club.member()
        await fourth.press(url, "pay")
    await till.settlement.pay_formed()
    assert await club.states() == {"paid": 6, "cancelled": 1}
    assert (await audit(till.database)).violations == []


async def test_a_coupon_knows_the_card_that_paid_and_not_the_one_that_could_not(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await make_shop(till.database)
    club = Club(till, await open_group_buy(till.database, shop))
    stand = Stand(till, shop, club.sale)
    dropped = await stand.drop(await stand.coupon(per_card=1))
    buyers = [await till.buyer(f"Buyer {n}") for n in range(3)]
    claims = [(await stand.claim(dropped.id, buyer.id)).id for buyer in buyers]
    buyer, order = await fill(club, "test-1", buyer=buyers[0], coupon=claims[0])
    await pay_by(buyer, await lose(club, monkeypatch, order), "test-2")
    assert (await buyer.read(order))["state"] == "paid"
    states = []
    for other, claim, card in zip(buyers[1:], claims[1:], ("test-1", "test-2"), strict=True):
        _, _, other_order, url = await club.member(buyer=other, coupon=claim)
        await pay_by(other, url, card)
        states.append((await other.read(other_order))["state"])
    assert states == ["awaiting_group", "cancelled"]
