"""A group-buy campaign that is halted, resumed, cancelled, and ended while it was halted."""

from __future__ import annotations

import pytest

from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from commerce.sales.flash_sales.halting import halt, unhalt
from commerce.sales.group_buys.campaigns import (
    end_campaigns,
    fail_due_teams,
    return_spare_units,
)
from commerce.sales.group_buys.service import GroupBuys
from commerce.sales.group_buys.store import select_open_of_rooms
from commerce.sales.group_buys.team_views import select_team_view
from commerce.sales.show_floor.store import select_sale_view
from server.db.database import PgDatabase
from server.jobs.sales import note_sold_out
from tests.support.grouping import (
    finish,
    join,
    open_group_buy,
    pass_deadline,
    read_team,
    refusal,
)
from tests.support.shop import Shop, read_stock


async def test_a_cancelled_campaign_fails_its_teams_and_a_halted_one_waits(
    database: PgDatabase, shop: Shop, groups: GroupBuys
) -> None:
    sale = await open_group_buy(database, shop)
    seat = await join(groups, sale)
    async with database.transaction() as transaction:
        await halt(transaction, sale, "A look at the price.")
    assert await refusal(groups, sale) == "halted"
    await finish(database, sale, "cancel")
    team = await read_team(database, seat.group_id)
    assert (team.state, team.reason) == ("failed", "cancelled")
    assert await refusal(groups, sale, team=seat.group_id) == "ended"
    assert (await read_stock(database, sale))["total"] == 0
    assert (await audit(database)).violations == []


@pytest.mark.parametrize("by_clock", [True, False])
async def test_a_campaign_that_ends_while_it_is_halted_takes_nobody(
    database: PgDatabase, shop: Shop, groups: GroupBuys, *, by_clock: bool
) -> None:
    """Nobody could stop it any more: it is over, and its teams may have days left."""
    sale = await open_group_buy(database, shop)
    seat = await join(groups, sale)
    async with database.transaction() as transaction:
        await halt(transaction, sale, "A wrong price.")
        if by_clock:
            await transaction.execute(
                "UPDATE sales SET opens_at_ms = clock_ms() - 2, ends_at_ms = clock_ms() - 1"
                " WHERE id = $1",
                sale,
            )
    if by_clock:
        assert await refusal(groups, sale, team=seat.group_id) == "ended"
        await end_campaigns(database)
    else:
        await finish(database, sale, "end")
    assert await refusal(groups, sale, team=seat.group_id) == "ended"
    assert await refusal(groups, sale) == "ended"
    async with database.reading() as connection:
        assert (await select_team_view(connection, seat.group_id)).is_open is False
        assert await select_open_of_rooms(connection, [shop.room.id], 20) == []
    await pass_deadline(database, seat.group_id)
    await fail_due_teams(database)
    await return_spare_units(database)
    assert (await read_stock(database, sale))["total"] == 0
    assert (await audit(database)).violations == []


async def stop(database: PgDatabase, sale: str) -> None:
    """Halt a campaign."""
    async with database.transaction() as transaction:
        await halt(transaction, sale, "A wrong price.")


async def resume(database: PgDatabase, sale: str) -> str:
    """Let a halted campaign go on, and return its state."""
    async with database.transaction() as transaction:
        return (await unhalt(transaction, sale)).state


async def test_a_campaign_that_has_ended_is_cancelled_while_teams_of_it_form(
    database: PgDatabase, shop: Shop, groups: GroupBuys
) -> None:
    """A wrong price runs on for days after the show, team by team."""
    sale = await open_group_buy(database, shop)
    seat = await join(groups, sale)
    await finish(database, sale, "end")
    await finish(database, sale, "cancel")
    team = await read_team(database, seat.group_id)
    assert (team.state, team.reason) == ("failed", "cancelled")
    assert await refusal(groups, sale, team=seat.group_id) == "ended"
    async with database.reading() as connection:
        assert (await select_sale_view(connection, sale)).state == "cancelled"
    assert (await read_stock(database, sale))["total"] == 0
    assert (await audit(database)).violations == []


async def test_a_campaign_whose_teams_are_all_over_stays_as_it_ended(
    database: PgDatabase, shop: Shop, groups: GroupBuys
) -> None:
    sale = await open_group_buy(database, shop)
    await finish(database, sale, "end")
    await finish(database, sale, "cancel")
    with pytest.raises(CommerceError) as refused:
        await stop(database, sale)
    assert refused.value.code == "wrong_state"
    async with database.reading() as connection:
        assert (await select_sale_view(connection, sale)).state == "ended"


async def test_the_teams_of_a_campaign_that_has_ended_are_halted_and_resumed(
    database: PgDatabase, shop: Shop, groups: GroupBuys
) -> None:
    sale = await open_group_buy(database, shop)
    seat = await join(groups, sale)
    await finish(database, sale, "end")
    await stop(database, sale)
    await end_campaigns(database)
    assert await refusal(groups, sale, team=seat.group_id) == "ended"
    async with database.reading() as connection:
        view = await select_sale_view(connection, sale)
        assert (view.state, view.reason) == ("halted", "A wrong price.")
        assert await select_open_of_rooms(connection, [shop.room.id], 20) == []
    assert [await resume(database, sale) for _ in range(2)] == ["ended", "ended"]
    await join(groups, sale, team=seat.group_id)
    assert await refusal(groups, sale, is_new=True) == "ended"
    assert (await audit(database)).violations == []


async def test_halted_teams_run_out_and_their_units_go_back_without_anybodys_word(
    database: PgDatabase, shop: Shop, groups: GroupBuys
) -> None:
    """The campaign had ended: another one of the SKU is not in its way either."""
    sale = await open_group_buy(database, shop)
    seat = await join(groups, sale)
    await finish(database, sale, "end")
    await stop(database, sale)
    await open_group_buy(database, shop)
    await pass_deadline(database, seat.group_id)
    await fail_due_teams(database)
    await return_spare_units(database)
    assert (await read_stock(database, sale))["total"] == 0
    assert (await audit(database)).violations == []


async def test_a_halt_stops_joins_and_resuming_goes_on_with_what_is_free(
    database: PgDatabase, shop: Shop, groups: GroupBuys
) -> None:
    """Held and formed seats stand; a sold campaign that gets units back does not stay sold out."""
    sale = await open_group_buy(database, shop, quantity=3)
    seats = [await join(groups, sale) for _ in range(3)]
    async with database.transaction() as transaction:
        await transaction.execute("UPDATE reservations SET state = 'sold' WHERE sale_id = $1", sale)
        await transaction.execute(
            "UPDATE buy_groups SET state = 'formed', paid = need, ended_at_ms = clock_ms()"
            " WHERE id = $1",
            seats[0].group_id,
        )
        await halt(transaction, sale, "wrong price")
    assert await refusal(groups, sale) == "halted"
    await note_sold_out(database)
    async with database.transaction() as transaction:
        await unhalt(transaction, sale)
        view = await select_sale_view(transaction, sale)
    assert view.state == "open"
    assert await refusal(groups, sale) == "sold_out"
    async with database.transaction() as transaction:
        await transaction.execute(
            "UPDATE stock SET total = total + 3, version = version + 1"
            " WHERE pool_id = (SELECT pool_id FROM sales WHERE id = $1)",
            sale,
        )
    assert (await join(groups, sale)).group_id != seats[0].group_id
