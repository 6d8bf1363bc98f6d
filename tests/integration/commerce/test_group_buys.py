"""Teams are opened, joined, left and ended as promised; nobody is in two of one campaign."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from commerce.goods.carts.service import CartService
from commerce.goods.inventory.service import InventoryService
from commerce.goods.inventory.sweeper import sweep
from commerce.goods.press_rules.model import PressRules
from commerce.goods.waiting_list.service import WaitingList
from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from commerce.kernel.ports import Connection
from commerce.sales.flash_sales.model import FlashSaleTerms
from commerce.sales.flash_sales.service import arm
from commerce.sales.group_buys import team_views
from commerce.sales.group_buys.campaigns import (
    end_campaigns,
    fail_due_teams,
    open_campaign,
    return_spare_units,
)
from commerce.sales.group_buys.model import CampaignTerms, TeamView, Wish
from commerce.sales.group_buys.service import GroupBuys
from commerce.sales.group_buys.team_views import select_team_view
from commerce.sales.pricing.model import PriceGuard
from server.db.database import PgDatabase
from server.wiring.sources import FreshIds
from tests.support.grouping import (
    end_seats,
    finish,
    join,
    open_group_buy,
    pass_deadline,
    read_team,
    refusal,
)
from tests.support.shop import Shop, read_stock


async def test_people_fill_the_team_soonest_to_end_before_another_is_opened(
    database: PgDatabase, shop: Shop, groups: GroupBuys
) -> None:
    sale = await open_group_buy(database, shop)
    first, second, third, fourth = [await join(groups, sale) for _ in range(4)]
    assert first.group_id == second.group_id == third.group_id != fourth.group_id
    team = await read_team(database, first.group_id)
    assert (team.joined, team.need, team.paid, team.state) == (3, 3, 0, "forming")
    assert team.leader_id == first.reservation.user_id
    assert first.reservation.unit_price_minor == 9_900
    assert (await read_stock(database, sale))["claimed"] == 4
    assert (await audit(database)).violations == []


async def test_a_link_leads_to_its_team_and_a_full_one_says_so(
    database: PgDatabase, shop: Shop, groups: GroupBuys
) -> None:
    sale = await open_group_buy(database, shop)
    mine = await join(groups, sale, is_new=True)
    other = await join(groups, sale, is_new=True)
    assert mine.group_id != other.group_id
    await join(groups, sale, team=other.group_id)
    await join(groups, sale, team=other.group_id)
    assert await refusal(groups, sale, team=other.group_id) == "group_full"
    assert await refusal(groups, sale, team=str(uuid.uuid4())) == "not_found"


async def test_the_same_buyer_twice_in_a_team_or_in_two_is_refused(
    database: PgDatabase, shop: Shop, groups: GroupBuys
) -> None:
    sale = await open_group_buy(database, shop)
    buyer = str(uuid.uuid4())
    seat = await join(groups, sale, user=buyer)
    assert await refusal(groups, sale, user=buyer) == "already_in_group"
    assert await refusal(groups, sale, user=buyer, team=seat.group_id) == "already_in_group"
    assert await refusal(groups, sale, user=buyer, is_new=True) == "already_in_group"


async def test_a_key_meets_its_own_seat_and_no_other_team(
    database: PgDatabase, shop: Shop, groups: GroupBuys
) -> None:
    sale = await open_group_buy(database, shop)
    buyer = str(uuid.uuid4())
    seats = await asyncio.gather(
        *(groups.join(user_id=buyer, sale_id=sale, key="k") for _ in range(5))
    )
    again = await groups.join(user_id=buyer, sale_id=sale, key="k")
    assert {seat.reservation.id for seat in seats} == {again.reservation.id}
    assert (await read_team(database, again.group_id)).joined == 1
    other = await join(groups, sale, is_new=True)
    with pytest.raises(CommerceError, match="idempotency_conflict"):
        await groups.join(
            user_id=buyer, sale_id=sale, key="k", wish=Wish.NAMED, group_id=other.group_id
        )


async def test_a_team_is_opened_only_when_all_its_seats_can_be_had(
    database: PgDatabase, shop: Shop, groups: GroupBuys
) -> None:
    """One unit short, the last team could never form: it is not opened."""
    sale = await open_group_buy(database, shop, quantity=6)
    first = await join(groups, sale, is_new=True)
    await join(groups, sale, is_new=True)
    assert await refusal(groups, sale, is_new=True) == "held_out"
    for _ in range(2):
        await join(groups, sale, team=first.group_id)
    for _ in range(2):
        await join(groups, sale)
    assert await refusal(groups, sale) == "held_out"
    assert (await read_stock(database, sale))["claimed"] == 6


async def test_a_hold_that_ends_frees_its_seat_and_the_next_leads(
    database: PgDatabase, shop: Shop, groups: GroupBuys, inventory: InventoryService
) -> None:
    sale = await open_group_buy(database, shop)
    first, second, third = [await join(groups, sale) for _ in range(3)]
    assert await refusal(groups, sale, team=first.group_id) == "group_full"
    await inventory.release(user_id=first.reservation.user_id, reservation_id=first.reservation.id)
    team = await read_team(database, first.group_id)
    assert (team.joined, team.leader_id) == (2, second.reservation.user_id)
    late = await join(groups, sale, team=first.group_id)
    await inventory.release(
        user_id=second.reservation.user_id, reservation_id=second.reservation.id
    )
    assert (await read_team(database, late.group_id)).leader_id == third.reservation.user_id
    await end_seats(database, sale)
    assert await sweep(database) == 2
    team = await read_team(database, first.group_id)
    assert (team.joined, team.state, team.reason) == (0, "failed", "empty")
    assert await refusal(groups, sale, team=first.group_id) == "group_over"
    assert (await audit(database)).violations == []


async def test_a_team_runs_from_its_own_opening_not_from_the_campaigns(
    database: PgDatabase, shop: Shop, groups: GroupBuys
) -> None:
    """yudao counts from the campaign: a team that is opened late is born expired."""
    sale = await open_group_buy(database, shop, lasts_s=60)
    async with database.transaction() as transaction:
        await transaction.execute(
            "UPDATE sales SET opens_at_ms = opens_at_ms - 3600000 WHERE id = $1", sale
        )
    seat = await join(groups, sale)
    async with database.reading() as connection:
        left_ms = await connection.fetchval(
            "SELECT deadline_ms - clock_ms() FROM buy_groups WHERE id = $1", seat.group_id
        )
    assert 55_000 < left_ms <= 60_000
    assert await fail_due_teams(database) == 0


async def test_a_team_past_its_deadline_fails_once_with_all_its_seats(
    database: PgDatabase, shop: Shop, groups: GroupBuys
) -> None:
    """litemall takes an expired team for a success."""
    sale = await open_group_buy(database, shop)
    seats = [await join(groups, sale) for _ in range(3)]
    group_id = seats[0].group_id
    await pass_deadline(database, group_id)
    assert await refusal(groups, sale, team=group_id) == "group_over"
    done = await asyncio.gather(*(fail_due_teams(database) for _ in range(3)))
    assert sum(done) == 1
    team = await read_team(database, group_id)
    assert (team.state, team.reason) == ("failed", "deadline")
    assert (await read_stock(database, sale))["claimed"] == 0
    assert (await audit(database)).violations == []


async def test_an_ended_campaign_opens_no_team_and_lets_open_ones_go_on(
    database: PgDatabase, shop: Shop, groups: GroupBuys
) -> None:
    sale = await open_group_buy(database, shop)
    seat = await join(groups, sale)
    await finish(database, sale, "end")
    assert await refusal(groups, sale, is_new=True) == "ended"
    # What the open team still needs is kept for it.
    assert (await read_stock(database, sale))["total"] == 3
    await join(groups, sale, team=seat.group_id)
    await join(groups, sale)
    assert await refusal(groups, sale) == "ended"
    await pass_deadline(database, seat.group_id)
    await fail_due_teams(database)
    await end_campaigns(database)
    await return_spare_units(database)
    assert (await read_stock(database, sale))["total"] == 0
    assert (await audit(database)).violations == []


async def test_units_of_a_campaign_are_had_in_teams_alone(
    database: PgDatabase, shop: Shop, groups: GroupBuys, inventory: InventoryService
) -> None:
    sale = await open_group_buy(database, shop)
    buyer = str(uuid.uuid4())
    for ask in (
        inventory.reserve(user_id=buyer, sale_id=sale, qty=1, key="k"),
        WaitingList(database, inventory).join(user_id=buyer, sale_id=sale, qty=1, key="k"),
        CartService(inventory).reserve(user_id=buyer, items=[(sale, 1)], key="k"),
    ):
        with pytest.raises(CommerceError, match="group_only"):
            await ask
    async with database.reading() as connection:
        regular = str(await connection.fetchval("SELECT id FROM sales WHERE kind = 'regular'"))
    assert await refusal(groups, regular) == "not_a_group_buy"


async def test_the_limit_of_a_buyer_counts_over_all_teams(
    database: PgDatabase, shop: Shop, groups: GroupBuys
) -> None:
    sale = await open_group_buy(database, shop, need=2, quantity=4, per_buyer=1)
    buyer = str(uuid.uuid4())
    seat = await join(groups, sale, user=buyer)
    async with database.transaction() as transaction:
        await transaction.execute(
            "UPDATE reservations SET state = 'sold' WHERE id = $1", seat.reservation.id
        )
    assert await refusal(groups, sale, user=buyer) == "limit_reached"


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"quantity": 31}, "invalid_request"),
        ({"need": 1}, "invalid_request"),
        ({"lasts_s": 5 * 86_400 + 1}, "invalid_request"),
        ({"quantity": 300}, "not_enough_stock"),
        ({"sku": "none"}, "not_in_bag"),
    ],
)
async def test_a_campaign_that_cannot_be_kept_is_not_opened(
    database: PgDatabase, shop: Shop, terms: dict[str, int], code: str
) -> None:
    wish = {"sku": shop.sku, "price_minor": 9_900, "need": 3, "quantity": 30} | terms
    with pytest.raises(CommerceError, match=code):
        async with database.transaction() as transaction:
            await open_campaign(
                transaction,
                FreshIds(),
                shop.room,
                CampaignTerms(**wish),  # type: ignore[arg-type]
                key="k",
            )


async def test_the_key_of_a_flash_sale_opens_no_campaign(database: PgDatabase, shop: Shop) -> None:
    """Sales of both kinds are named by their host's keys: one key is one sale."""
    flash = FlashSaleTerms(
        sku=shop.sku, price_minor=9_900, quantity=5, per_buyer=1, countdown_s=0, duration_s=60
    )
    async with database.transaction() as transaction:
        await arm(transaction, FreshIds(), shop.room, flash, key="k")
    terms = CampaignTerms(sku=shop.sku, price_minor=9_900, need=3, quantity=30)
    with pytest.raises(CommerceError, match="idempotency_conflict"):
        async with database.transaction() as transaction:
            await open_campaign(transaction, FreshIds(), shop.room, terms, key="k")


async def test_a_crowd_that_looks_at_a_shared_link_is_one_question(
    database: PgDatabase, shop: Shop, groups: GroupBuys, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = (await join(groups, await open_group_buy(database, shop))).group_id
    asked: list[str] = []

    async def count(connection: Connection, group_id: str) -> TeamView:
        asked.append(group_id)
        return await select_team_view(connection, group_id)

    monkeypatch.setattr(team_views, "select_team_view", count)
    views = await asyncio.gather(*(groups.find_team(team) for _ in range(50)))
    assert {view.joined for view in views} == {1}
    assert asked == [team]
    with pytest.raises(CommerceError, match="not_found"):
        await groups.find_team(str(uuid.uuid4()))


async def test_a_price_that_trips_the_guard_is_typed_again(
    database: PgDatabase, shop: Shop
) -> None:
    """As for flash sales: nothing is carved out before, and any other price is no yes."""
    guard = PriceGuard(max_cut_percent=40)
    for confirmed in (None, 9_901):
        with pytest.raises(CommerceError) as refused:
            await open_group_buy(database, shop, guard=guard, confirm_price_minor=confirmed)
        assert refused.value.code == "price_needs_confirmation"
        assert refused.value.detail["price_minor"] == 9_900
    sale = await open_group_buy(database, shop, guard=guard, confirm_price_minor=9_900)
    async with database.reading() as connection:
        kept = await connection.fetchval("SELECT guard ->> 'is_confirmed' FROM sales")
        stored = await connection.fetchval(
            "SELECT guard ->> 'is_confirmed' FROM sales WHERE id = $1", sale
        )
    assert kept is None
    assert stored == "true"


async def test_seats_that_ended_unpaid_make_the_next_one_wait(
    database: PgDatabase, shop: Shop, groups: GroupBuys
) -> None:
    """A seat that its team took with it is no drop, one that ran out is."""
    sale = await open_group_buy(database, shop, rules=PressRules(drop_limit=1))
    buyer = str(uuid.uuid4())
    gone = await join(groups, sale, user=buyer)
    await pass_deadline(database, gone.group_id)
    await fail_due_teams(database)
    async with database.transaction() as transaction:  # The time that it had is over as well.
        await transaction.execute("UPDATE buy_groups SET ended_at_ms = ended_at_ms - 600000")
        await transaction.execute(
            "UPDATE reservations SET shown_until_ms = q.ms, release_at_ms = q.ms"
            " FROM (SELECT clock_ms() - 1 AS ms) q"
        )
    await join(groups, sale, user=buyer)
    await end_seats(database, sale)
    await sweep(database)
    assert await refusal(groups, sale, user=buyer) == "slow_down"
    await join(groups, sale)


async def test_a_seat_at_another_price_than_its_group_buys_is_found(
    database: PgDatabase, shop: Shop, groups: GroupBuys
) -> None:
    """A cheaper one too: what is charged is what the team was told."""
    seat = await join(groups, await open_group_buy(database, shop))
    async with database.transaction() as transaction:
        await transaction.execute(
            "UPDATE reservations SET unit_price_minor = unit_price_minor - 1 WHERE id = $1",
            seat.reservation.id,
        )
    found = (await audit(database)).violations
    assert [one.check for one in found] == ["hold_costs_what_was_offered"]
