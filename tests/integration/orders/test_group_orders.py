"""Money of teams: granted as one joins, taken when the team has formed, let go once otherwise."""

from __future__ import annotations

import asyncio
import uuid

import httpx
import pytest

from commerce.kernel.errors import CommerceError
from commerce.orders.checkout import seats
from commerce.records.rounds.service import REST_ROUNDS
from commerce.sales.group_buys.campaigns import complete, fail_due_teams, finish_campaign
from commerce.sales.group_buys.store import select_team
from server.wiring.sources import FreshIds
from tests.support.club import Club, check_books, refuse_capture
from tests.support.grouping import end_seats, join, open_group_buy, pass_deadline, read_team
from tests.support.shop import make_shop
from tests.support.till import Till, told_by


@pytest.fixture
async def club(till: Till) -> Club:
    """Teams of 3 out of 30."""
    return Club(till, await open_group_buy(till.database, await make_shop(till.database)))


async def test_nothing_is_taken_before_the_team_forms_and_then_everybody_once(club: Club) -> None:
    team, members = await club.team_of(paid=2, unpaid=1)
    await club.run_jobs()
    assert await club.states() == {"awaiting_group": 2, "awaiting_payment": 1}
    assert await club.money() == {"authorised": 2, "created": 1}
    assert (await read_team(club.till.database, team)).paid == 2
    last, order_id = members[2]
    order = await last.read(order_id)
    await last.press(order["payment"]["url"], "pay")
    assert (await read_team(club.till.database, team)).state == "formed"
    # Whoever fills the team is paid at once; killed here, the others' orders wait for the job.
    assert await club.states() == {"awaiting_group": 2, "paid": 1}
    await check_books(club)
    await club.run_jobs()
    assert await club.states() == {"paid": 3}
    assert await club.money() == {"captured": 3}
    assert len(club.till.news("group.formed")) == 3
    assert len(club.till.news("order.paid")) == 3
    assert ("3/3" in [text for _, text in club.till.lines()]) is True
    order = await last.read(order_id)
    assert order["lines"][0]["origin"] == "group"
    assert order["lines"][0]["group"]["state"] == "formed"
    await check_books(club)


BREAK = """
    CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'broken';
    END
    $$;
    CREATE TRIGGER break_off BEFORE UPDATE ON orders FOR EACH ROW
        WHEN (OLD.id = '{order}' AND NEW.state = 'paid') EXECUTE FUNCTION break_off();
"""


async def test_what_breaks_in_one_order_costs_no_other_its_money(club: Club) -> None:
    """The oldest order breaks: the others of its team, and other teams', are paid all the same."""
    _, [(_, broken), *_] = await club.team_of(paid=3)
    await club.team_of(paid=3)
    await club.till.change(BREAK.format(order=broken))
    assert await club.till.settlement.pay_formed() == 3
    assert await club.states() == {"awaiting_group": 1, "paid": 5}
    await club.till.change("DROP TRIGGER break_off ON orders")
    paid = [await club.till.settlement.pay_formed() for _ in range(REST_ROUNDS)]
    # It rests meanwhile: a log that tells of it four times a second is read by nobody.
    assert paid == [0] * (REST_ROUNDS - 1) + [1]
    await club.run_jobs()
    assert await club.states() == {"paid": 6}
    assert await club.money() == {"captured": 6}
    await check_books(club)


async def test_a_lost_connection_is_the_round_s_end(
    club: Club, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other order would wait for the same server."""
    await club.team_of(paid=3)
    tried: list[str] = []

    async def lose(database: object, ids: object, order_id: str) -> bool:
        tried.append(order_id)
        raise ConnectionResetError

    monkeypatch.setattr(seats, "_pay", lose)
    with pytest.raises(ConnectionResetError):
        await club.till.settlement.pay_formed()
    assert len(tried) == 1
    monkeypatch.undo()
    assert await club.till.settlement.pay_formed() == 2


async def test_a_team_that_misses_its_deadline_lets_each_members_money_go_once(club: Club) -> None:
    team, members = await club.team_of(paid=2)
    await pass_deadline(club.till.database, team)
    await club.run_jobs()
    await club.run_jobs()
    assert await club.states() == {"expired": 2}
    assert await club.money() == {"voided": 2}
    assert len(club.till.news("group.failed")) == 2
    assert [n["reason"] for n in club.till.news("group.failed")] == ["deadline"] * 2
    await check_books(club)
    order = await members[0][0].read(members[0][1])
    assert order["payment"]["state"] == "voided"


async def test_money_that_comes_after_the_deadline_is_let_go(club: Club) -> None:
    """The job has not come by: the deadline alone decides."""
    team, members = await club.team_of(paid=2, unpaid=1)
    await pass_deadline(club.till.database, team)
    last, order_id = members[2]
    url = (await last.read(order_id))["payment"]["url"]
    await last.press(url, "pay")
    assert (await read_team(club.till.database, team)).state == "forming"
    assert club.till.news("payment.voided") == [{"order": order_id, "reason": "group_failed"}]
    await club.run_jobs()
    assert await club.money() == {"voided": 3}
    await check_books(club)


async def test_checkout_keeps_a_seat_no_longer_than_its_team(till: Till) -> None:
    """A countdown that runs on beyond the deadline promises a seat which is gone by then."""
    shop = await make_shop(till.database)
    club = Club(till, await open_group_buy(till.database, shop, lasts_s=120))
    await club.member()
    seat = await till.row(
        "SELECT r.state, r.shown_until_ms - g.deadline_ms AS shown_ms,"
        " r.release_at_ms - g.deadline_ms AS kept_ms"
        " FROM reservations r JOIN buy_groups g ON g.id = r.group_id"
    )
    # Behind the countdown is the grace, as of any hold.
    assert dict(seat) == {"state": "paying", "shown_ms": 0, "kept_ms": 60_000}


async def test_leaving_lets_money_go_once_and_the_next_one_leads(club: Club) -> None:
    team, [(leader, order_id), (second, _)] = await club.team_of(paid=2)
    for _ in range(2):
        seat = await club.leaving.leave(user_id=leader.id, group_id=team)
        assert (seat.state, seat.is_leader) == ("released", False)
    row = await read_team(club.till.database, team)
    assert (row.joined, row.paid, row.leader_id) == (1, 1, second.id)
    await club.run_jobs()
    assert (await leader.read(order_id))["state"] == "cancelled"
    assert await club.money() == {"voided": 1, "authorised": 1}
    await check_books(club)
    await club.leaving.leave(user_id=second.id, group_id=team)
    assert (await read_team(club.till.database, team)).reason == "empty"
    with pytest.raises(CommerceError, match="not_found"):
        await club.leaving.leave(user_id=str(uuid.uuid4()), group_id=team)


async def test_nobody_leaves_a_team_that_has_formed(club: Club) -> None:
    """Also in the moment before the job has paid the other orders."""
    team, members = await club.team_of(paid=3)
    for buyer, _ in members:
        with pytest.raises(CommerceError, match="wrong_state"):
            await club.leaving.leave(user_id=buyer.id, group_id=team)
    await club.run_jobs()
    assert await club.states() == {"paid": 3}


async def test_a_seat_that_nobody_pays_for_falls_free_and_the_team_is_open_again(
    club: Club,
) -> None:
    team, _ = await club.team_of(paid=2, unpaid=1)
    await end_seats(club.till.database, club.sale)
    await club.run_jobs()
    row = await read_team(club.till.database, team)
    assert (row.joined, row.paid, row.state) == (2, 2, "forming")
    buyer, _, _, url = await club.member(team)
    await buyer.press(url, "pay")
    await club.run_jobs()
    assert await club.states() == {"paid": 3, "expired": 1}
    assert await club.money() == {"captured": 3, "voided": 1}
    await check_books(club)


async def test_the_shop_completes_a_team_and_says_so(club: Club) -> None:
    team, members = await club.team_of(paid=1, unpaid=1)
    host = await club.till.row("SELECT host_id FROM rooms")
    for _ in range(2):
        async with club.till.database.transaction() as transaction:
            row = await select_team(transaction, team)
            done = await complete(transaction, FreshIds(), row, host_id=str(host["host_id"]))
    assert (done.state, done.paid, done.joined) == ("formed", 1, 2)
    assert [text for _, text in club.till.lines()].count("1/3") == 1
    await club.run_jobs()
    buyer, order_id = members[0]
    order = await buyer.read(order_id)
    assert order["state"] == "paid"
    assert order["lines"][0]["group"]["is_completed"] is True
    late, late_order = members[1]
    await late.press((await late.read(late_order))["payment"]["url"], "pay")
    await club.run_jobs()
    assert await club.states() == {"paid": 2}
    assert await club.money() == {"captured": 2}
    assert (await read_team(club.till.database, team)).paid == 2
    await check_books(club)


async def test_a_cancelled_campaign_lets_all_money_go(club: Club) -> None:
    await club.team_of(paid=2)
    async with club.till.database.transaction() as transaction:
        await finish_campaign(transaction, club.sale, "cancel", "A wrong price.")
    await club.run_jobs()
    assert await club.money() == {"voided": 2}
    await check_books(club)


async def test_a_refund_of_one_member_leaves_the_team_whole(club: Club) -> None:
    """CRMEB asks what becomes of the others: nothing."""
    team, members = await club.team_of(paid=3)
    await club.run_jobs()
    host = await club.till.row("SELECT host_id FROM rooms")
    staff = club.till.sign_in(str(host["host_id"]), name="Host", role="host")
    answer = await staff.client.post(
        f"/api/orders/{members[0][1]}/refunds",
        json={"reason": "Broken.", "restock": False},
        headers={"Idempotency-Key": "r"},
    )
    assert answer.status_code == 201, answer.text
    await club.run_jobs()
    assert await club.money() == {"captured": 2, "refunded": 1}
    row = await read_team(club.till.database, team)
    assert (row.state, row.paid, row.joined) == ("formed", 3, 3)
    await check_books(club)


async def test_a_capture_that_fails_gives_one_more_chance_and_then_the_seat_back(
    club: Club,
) -> None:
    team, members = await club.team_of(paid=3)
    await refuse_capture(club, members[0][1])
    buyer, order_id = members[0]
    await club.run_jobs()
    order = await buyer.read(order_id)
    assert (order["state"], order["payment"]["attempt"]) == ("awaiting_payment", 2)
    [told] = club.till.news("order.capture_failed")
    assert told["order"]["id"] == order_id
    await check_books(club)
    assert (await read_team(club.till.database, team)).state == "formed"
    await buyer.press(order["payment"]["url"], "pay")
    await club.run_jobs()
    assert (await buyer.read(order_id))["state"] == "paid"
    assert (await club.money())["captured"] == 3
    assert (await read_team(club.till.database, team)).paid == 3
    await check_books(club)


async def test_a_second_failure_ends_the_seat_and_no_other(club: Club) -> None:
    team, members = await club.team_of(paid=3)
    buyer, order_id = members[0]
    await refuse_capture(club, order_id)
    await club.run_jobs()
    order = await buyer.read(order_id)
    await buyer.press(order["payment"]["url"], "pay")
    await refuse_capture(club, order_id)
    await club.run_jobs()
    assert (await buyer.read(order_id))["state"] == "expired"
    assert await club.states() == {"paid": 2, "expired": 1}
    assert (await read_team(club.till.database, team)).state == "formed"
    await check_books(club)


async def test_a_chance_that_is_not_taken_ends_too(club: Club) -> None:
    _, members = await club.team_of(paid=3)
    await refuse_capture(club, members[0][1])
    await club.run_jobs()
    await club.till.change(
        "UPDATE reservations SET release_at_ms = clock_ms() - 1 WHERE state = 'paying'"
    )
    await club.run_jobs()
    assert await club.states() == {"paid": 2, "expired": 1}
    await check_books(club)


async def test_an_authorisation_that_ends_while_the_team_forms_frees_its_seat(club: Club) -> None:
    team, members = await club.team_of(paid=2)
    remote = await club.till.remote(members[0][1])
    answer = await club.till.webhook(told_by(remote, "voided"))
    assert answer.status_code == 200
    row = await read_team(club.till.database, team)
    assert (row.joined, row.paid, row.leader_id) == (1, 1, members[1][0].id)
    await club.till.change(
        "UPDATE sandbox.payments SET state = 'voided' WHERE state = 'authorised'"
    )
    assert (await members[0][0].read(members[0][1]))["state"] == "expired"


async def test_money_that_a_provider_took_at_once_is_given_back(club: Club) -> None:
    team, members = await club.team_of(paid=1)
    remote = await club.till.remote(members[0][1])
    await club.till.change("UPDATE sandbox.payments SET state = 'captured'")
    await club.till.webhook(told_by(remote, "captured"))
    await pass_deadline(club.till.database, team)
    await club.run_jobs()
    assert await club.money() == {"refunded": 1}
    assert await club.states() == {"expired": 1}
    await check_books(club)


async def test_money_that_was_taken_at_once_goes_back_to_who_leaves_and_says_why(
    club: Club,
) -> None:
    team, [(buyer, order_id)] = await club.team_of(paid=1)
    remote = await club.till.remote(order_id)
    await club.till.change("UPDATE sandbox.payments SET state = 'captured'")
    await club.till.webhook(told_by(remote, "captured"))
    await club.leaving.leave(user_id=buyer.id, group_id=team)
    await club.run_jobs()
    assert await club.money() == {"refunded": 1}
    assert [one["reason"] for one in (await buyer.read(order_id))["refunds"]] == ["order_cancelled"]
    await check_books(club)


async def test_a_seat_is_ordered_by_itself(club: Club) -> None:
    buyer = await club.till.buyer()
    seat = await join(club.groups, club.sale, user=buyer.id)
    _, flash = await club.till.sale()
    other = await club.till.reserve(flash, buyer.id)
    answer: httpx.Response = await buyer.order([seat.reservation.id, other])
    assert answer.status_code == 400


async def test_paying_and_the_deadline_race_and_one_of_them_wins(club: Club) -> None:
    """Every member is either bought or let go, whoever comes first."""
    for turn in range(4):
        team, members = await club.team_of(paid=2, unpaid=1)
        last, order_id = members[2]
        url = (await last.read(order_id))["payment"]["url"]

        async def late(team: str = team, turn: int = turn) -> None:
            await asyncio.sleep(0.002 * turn)
            await pass_deadline(club.till.database, team)
            await fail_due_teams(club.till.database)

        await asyncio.gather(late(), last.press(url, "pay"), return_exceptions=True)
        await club.run_jobs()
    states = await club.states()
    assert set(states) <= {"paid", "expired"}
    assert states["paid"] % 3 == 0
    assert set(await club.money()) <= {"captured", "voided"}
    await check_books(club)
