"""Open, close and cancel campaigns, complete a team by subsidy, and end teams at their deadline.

Invariants: a campaign's units are carved out of the SKU's pool in the transaction that opens it,
and what no team needs goes back when it is over; a team fails once, with all its seats, under its
pool's lock. What its members paid is let go by their orders, which lose their goods with it.
"""

from __future__ import annotations

import msgspec

from commerce.goods.inventory.store import (
    free_reservations,
    insert_pool,
    lock_pools,
    select_sku_pool,
    update_total,
)
from commerce.goods.inventory.sweeper import free_units
from commerce.goods.press_rules.rules import number_rules
from commerce.goods.press_rules.store import update_rules
from commerce.kernel.errors import CommerceError
from commerce.kernel.ids import sale_id as derive_sale_id
from commerce.kernel.ports import Database, Ids, SystemLine, Transaction
from commerce.records.clock.store import select_now_ms
from commerce.records.rounds.service import Rounds
from commerce.sales.flash_sales.rules import check_reason
from commerce.sales.flash_sales.store import (
    find_sale,
    has_open_teams,
    select_item_of_sku,
    select_list_price,
    select_regular_of_sku,
    update_guard,
    update_state,
)
from commerce.sales.group_buys import store
from commerce.sales.group_buys.model import Campaign, CampaignTerms, Team
from commerce.sales.group_buys.rules import (
    check_complete,
    check_same,
    check_terms,
    decide_finish,
    mask_leader,
)
from commerce.sales.group_buys.views import view_team_news
from commerce.sales.pricing.rules import check_price
from commerce.shows.bag.service import live_show
from commerce.shows.schedule.model import Room
from commerce.shows.schedule.store import lock_room

# One round of the job is bounded, so that the worker's other jobs get their turn.
TEAMS_A_ROUND_MAX = 200
CAMPAIGNS_A_ROUND_MAX = 100
# Whoever calls a campaign off holds the pool of the SKU meanwhile, which other sales stand on.
CALLED_OFF_AT_ONCE_MAX = 50


async def open_campaign(
    transaction: Transaction, ids: Ids, room: Room, terms: CampaignTerms, *, key: str
) -> tuple[str, bool]:
    """Carve stock out of the SKU's pool and open the campaign; return its id, and if it is new.

    The caller announces `group_buy.opened`. The same key with the same terms returns the same
    campaign. Raises `invalid_request`, `show_not_live`, `not_in_bag`, `already_grouped`,
    `price_needs_confirmation`, `not_enough_stock` or `idempotency_conflict`.
    """
    check_terms(terms)
    await lock_room(transaction, room.id)
    sale_id = derive_sale_id(room.host_id, room.id, key)
    known = await store.find_campaign(transaction, sale_id)
    if known is not None:
        check_same(known.request_hash, terms)
        return sale_id, False
    if await find_sale(transaction, sale_id) is not None:
        raise CommerceError("idempotency_conflict", "This key was used for another kind of sale.")
    show = await live_show(transaction, room)
    item_id = await _check_offer(transaction, show.id, terms)
    source = await select_sku_pool(transaction, terms.sku)
    available = await free_units(transaction, source)
    if available < terms.quantity:
        raise CommerceError(
            "not_enough_stock",
            f"Only {available} units are free.",
            detail={"available": available},
        )
    pool_id = ids.new()
    await update_total(transaction, pool_id=source, delta=-terms.quantity, reason="carved_out")
    await insert_pool(
        transaction, pool_id=pool_id, sku=terms.sku, sale_id=sale_id, total=terms.quantity
    )
    await store.insert_campaign(
        transaction, ids=(sale_id, pool_id), place=(room.id, show.id, item_id), terms=terms
    )
    if (rules := number_rules(terms.rules)) is not None:
        await update_rules(transaction, sale_id, rules)
    if terms.guard is not None:
        is_confirmed = terms.confirm_price_minor == terms.price_minor
        await update_guard(transaction, sale_id, terms.guard, is_confirmed=is_confirmed)
    await _touch_both(transaction, await store.select_campaign(transaction, sale_id))
    return sale_id, True


async def _check_offer(transaction: Transaction, show_id: str, terms: CampaignTerms) -> str:
    """Return the item of the bag that may be had in teams at this price, or raise why not."""
    item_id = await select_item_of_sku(transaction, show_id, terms.sku)
    if item_id is None:
        raise CommerceError("not_in_bag", "Put this SKU into the bag first.")
    if await store.is_sku_grouped(transaction, show_id, terms.sku):
        raise CommerceError("already_grouped", "A group buy of this SKU is running.")
    check_price(
        terms.guard,
        price_minor=terms.price_minor,
        list_price_minor=await select_list_price(transaction, item_id),
        confirmed_minor=terms.confirm_price_minor,
    )
    return item_id


async def finish_campaign(
    transaction: Transaction, sale_id: str, event: str, reason: str | None = None
) -> Campaign:
    """End (`event` "end") or cancel ("cancel") a campaign; unclaimed units go back at once.

    An ended one opens no team any more, and its open teams run on; a cancelled one fails them all,
    also when it had ended before. What is over already stays as it is. Raises `not_found`, or
    `invalid_request` for a reason that is too long.
    """
    check_reason(reason)
    campaign = await store.select_campaign(transaction, sale_id)
    source = await select_sku_pool(transaction, campaign.sku)
    await lock_pools(transaction, [source, campaign.pool_id])
    campaign = await store.select_campaign(transaction, sale_id)
    has_teams = await has_open_teams(transaction, sale_id)
    state = decide_finish(campaign.state, event, has_open_teams=has_teams)
    if state is None:
        return campaign
    ends_at_ms, _, _ = await update_state(transaction, sale_id, state, reason)
    if state == "cancelled":
        await _call_off(transaction, sale_id)
    await _give_back(transaction, campaign, source)
    payload = {"sale": sale_id, "state": state, "ends_at_ms": ends_at_ms}
    if reason:
        payload["reason"] = reason
    transaction.announce(campaign.room_id, "group_buy.closed", payload)
    await _touch_both(transaction, campaign)
    return msgspec.structs.replace(campaign, state=state, ends_at_ms=ends_at_ms)


async def close_campaigns(transaction: Transaction, show_id: str) -> None:
    """End every running campaign of a show that ends; the caller has locked the show's pools."""
    for campaign in await store.select_running(transaction, show_id):
        await finish_campaign(transaction, campaign.id, "end")


async def complete(transaction: Transaction, ids: Ids, team: Team, *, host_id: str) -> Team:
    """Form a team with those who have paid, at the shop's cost; repeating it changes nothing.

    Members who hold a seat and have not paid may still do so while their hold lives. Raises
    `group_over` or `wrong_state`.
    """
    await lock_pools(transaction, [team.pool_id])
    team = await store.lock_team(transaction, team.id)
    now_ms = await select_now_ms(transaction)
    if check_complete(team, now_ms):
        await store.complete_team(transaction, team.id, host_id)
        team = await store.select_team(transaction, team.id)
        await tell_formed(transaction, ids, team, now_ms)
    return team


async def tell_formed(transaction: Transaction, ids: Ids, team: Team, now_ms: int) -> None:
    """Tell the members, and the room's chat, that a team is whole; its leader's name is masked.

    Of a team that the shop completed the line has fewer who paid than it needs.
    """
    await tell_members(transaction, team)
    members = await store.select_members(transaction, team.id)
    leader = next((one.name for one in members if one.user_id == team.leader_id), "")
    text = f"{team.paid}/{team.need}"
    transaction.say(team.room_id, SystemLine(ids.new(), mask_leader(leader), text, "group", now_ms))


async def tell_members(transaction: Transaction, team: Team) -> None:
    """Tell everybody in a team what became of it, and have its room's figures read again."""
    news = view_team_news(team)
    for member in await store.select_members(transaction, team.id):
        if team.state == "formed":
            transaction.tell(team.room_id, member.user_id, "group.formed", news)
        else:
            transaction.tell(team.room_id, member.user_id, "group.failed", news)
    transaction.touch(team.room_id, team.sale_id)


async def end_campaigns(database: Database, rounds: Rounds | None = None) -> None:
    """Job: end campaigns whose window is over."""

    async def end(campaign: Campaign) -> None:
        async with database.transaction() as transaction:
            await finish_campaign(transaction, campaign.id, "end")

    rounds = rounds or Rounds()
    await rounds.run(
        database, store.select_to_end, end, limit=CAMPAIGNS_A_ROUND_MAX, key=lambda one: one.id
    )


async def return_spare_units(database: Database, rounds: Rounds | None = None) -> None:
    """Job: give back what no team of an ended campaign needs any more."""

    async def give_back(campaign: Campaign) -> None:
        async with database.transaction() as transaction:
            source = await select_sku_pool(transaction, campaign.sku)
            await lock_pools(transaction, [source, campaign.pool_id])
            await _give_back(transaction, campaign, source)
            await _touch_both(transaction, campaign)

    rounds = rounds or Rounds()
    await rounds.run(
        database,
        store.select_leftovers,
        give_back,
        limit=CAMPAIGNS_A_ROUND_MAX,
        key=lambda one: one.id,
    )


async def fail_due_teams(database: Database, rounds: Rounds | None = None) -> int:
    """Job: fail the teams whose deadline has passed; return how many failed.

    Safe to run twice at once, and to be killed: whoever comes second finds it done, or nothing.
    """

    async def fail(seen: Team) -> int:
        async with database.transaction() as transaction:
            await lock_pools(transaction, [seen.pool_id])
            team = await store.lock_team(transaction, seen.id)
            if team.state != "forming" or team.deadline_ms > await select_now_ms(transaction):
                return 0
            campaign = await store.select_campaign(transaction, team.sale_id)
            is_called_off = campaign.state == "cancelled"
            await _fail(transaction, team, "cancelled" if is_called_off else "deadline")
        return 1

    rounds = rounds or Rounds()
    return await rounds.run(
        database, store.select_due, fail, limit=TEAMS_A_ROUND_MAX, key=lambda team: team.id
    )


async def _call_off(transaction: Transaction, sale_id: str) -> None:
    """Fail the first teams of a cancelled campaign; the others are over, and fail by the job."""
    for team in await store.select_forming(transaction, sale_id, CALLED_OFF_AT_ONCE_MAX):
        await _fail(transaction, await store.lock_team(transaction, team.id), "cancelled")
    await store.end_deadlines(transaction, sale_id)


async def _fail(transaction: Transaction, team: Team, reason: str) -> None:
    """Fail a locked team with every seat that is not sold; its pool is locked."""
    failed = msgspec.structs.replace(team, state="failed", reason=reason)
    await tell_members(transaction, failed)
    await store.fail_team(transaction, team.id, reason)
    await free_reservations(
        transaction,
        pool_id=team.pool_id,
        reservation_ids=await store.lock_seats(transaction, team.id),
        from_states=["held", "paying"],
        to_state="expired",
    )


async def _give_back(transaction: Transaction, campaign: Campaign, source: str) -> None:
    """Return to the SKU's pool what open teams do not need; both pools are locked."""
    free = (await lock_pools(transaction, [campaign.pool_id]))[campaign.pool_id]
    spare = free - await store.select_promised(transaction, campaign.id)
    if spare > 0:
        await update_total(transaction, pool_id=campaign.pool_id, delta=-spare, reason="gave_back")
        await update_total(transaction, pool_id=source, delta=spare, reason="got_back")


async def _touch_both(transaction: Transaction, campaign: Campaign) -> None:
    transaction.touch(campaign.room_id, campaign.id)
    regular = await select_regular_of_sku(transaction, campaign.show_id, campaign.sku)
    if regular is not None:
        transaction.touch(campaign.room_id, regular)
