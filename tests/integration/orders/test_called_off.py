"""A campaign of very many teams that is called off: some fail at once, and no other forms."""

from __future__ import annotations

import pytest

from commerce.kernel.errors import CommerceError
from commerce.sales.group_buys import campaigns
from commerce.sales.group_buys.store import select_team
from server.wiring.sources import FreshIds
from tests.support.club import Club, check_books
from tests.support.grouping import join, open_group_buy, read_team
from tests.support.shop import make_shop
from tests.support.till import Till


async def complete(till: Till, team_id: str, host_id: str) -> None:
    """Complete a team at the shop's cost."""
    async with till.database.transaction() as transaction:
        team = await select_team(transaction, team_id)
        await campaigns.complete(transaction, FreshIds(), team, host_id=host_id)


async def test_what_is_called_off_is_over_at_once_and_fails_by_and_by(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All teams in one transaction would hold the SKU's pool, and every sale on it, for minutes."""
    sale = await open_group_buy(till.database, await make_shop(till.database), need=2)
    club = Club(till, sale)
    first, second = await club.member(), await club.member()
    assert first[1] == second[1]
    other = await till.buyer()
    seat = await join(club.groups, sale, user=other.id)
    answer = (await other.order([seat.reservation.id])).json()
    monkeypatch.setattr(campaigns, "CALLED_OFF_AT_ONCE_MAX", 1)
    async with till.database.transaction() as transaction:
        await campaigns.finish_campaign(transaction, sale, "cancel")
    teams = [await read_team(till.database, id) for id in (first[1], seat.group_id)]
    assert sorted(team.state for team in teams) == ["failed", "forming"]
    for buyer, url in ((first[0], first[3]), (second[0], second[3])):
        await buyer.press(url, "pay")
    await other.press(answer["payment"]["url"], "pay")
    assert len(till.news("payment.voided")) == 3
    with pytest.raises(CommerceError, match="ended"):
        await join(club.groups, sale, team=seat.group_id)
    for team in teams:
        with pytest.raises(CommerceError, match="group_over"):
            await complete(till, team.id, other.id)
    await club.run_jobs()
    for team in teams:
        row = await read_team(till.database, team.id)
        assert (row.state, row.reason) == ("failed", "cancelled")
    assert await club.states() == {"expired": 3}
    assert await club.money() == {"voided": 3}
    await check_books(club)
