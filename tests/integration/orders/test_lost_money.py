"""A team's member whose money is lost: one more chance, whatever the old money does meanwhile."""

from __future__ import annotations

import pytest

from commerce.orders.payments.model import Payment, PaymentReport
from commerce.orders.payments.ports import ProviderRefusedError, ProviderUnavailableError
from tests.support.club import Club, check_books, refuse_capture
from tests.support.grouping import join, open_group_buy, read_team
from tests.support.shop import make_shop
from tests.support.till import Till


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
