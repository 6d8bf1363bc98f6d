"""Join teams, and look at them.

Invariant: no answer leaves before its COMMIT; an outcome nobody knows is asked again with the same
ids, never guessed.
"""

from __future__ import annotations

from functools import partial

from commerce.goods.inventory.batcher import Batcher, unknown_outcome
from commerce.goods.inventory.model import PooledSale, Request, Reservation
from commerce.goods.inventory.service import UNKNOWN_PRESS, InventoryService
from commerce.goods.inventory.sharing import SharedQuestions
from commerce.goods.inventory.store import REFUSED_BY_DATABASE
from commerce.goods.press_rules.model import Press
from commerce.kernel.errors import CommerceError, not_found
from commerce.kernel.ids import reservation_id
from commerce.kernel.ports import Database
from commerce.sales.group_buys import store, team_views
from commerce.sales.group_buys.model import (
    JoinBatch,
    Joined,
    Joining,
    JoinRequest,
    MySeat,
    Refusal,
    Seat,
    TeamView,
    Wish,
)
from commerce.sales.group_buys.views import join_refused

# A buyer's own list; older teams are found at their orders.
MINE_SHOWN_MAX = 50
OF_SHOW_SHOWN_MAX = 200


class GroupBuys:
    """The teams as buyers use them, in one process."""

    def __init__(self, database: Database, inventory: InventoryService) -> None:
        self._database = database
        self._inventory = inventory
        self._batchers: dict[str, Batcher[Joined]] = {}
        self._looks: SharedQuestions[TeamView] = SharedQuestions()

    async def join(  # noqa: PLR0913 - named where they are read, over HTTP and the socket.
        self,
        *,
        user_id: str,
        sale_id: str,
        key: str,
        wish: Wish = Wish.ANY,
        group_id: str | None = None,
        press: Press = UNKNOWN_PRESS,
    ) -> Seat:
        """Take a seat of one unit in a team, or open one; it is committed when it returns.

        A repeated key returns the same seat as it is now. Raises `not_found`,
        `idempotency_conflict`, `overloaded`, `unknown_outcome`, `not_a_group_buy`, the refusal of
        the sale's own rules, or the one that `Joining` names.
        """
        sale = await self._inventory.find_sale(sale_id)
        if not sale.is_grouped:
            raise CommerceError("not_a_group_buy", "This sale has no teams: reserve instead.")
        request = JoinRequest(
            reservation_id(user_id, sale_id, key), sale_id, user_id, 1, wish, group_id
        )
        batcher = self._batcher(sale_id)
        if sale.rules is not None and not batcher.has(request.id):
            # A retry may own a seat: the gate lets whoever has a row pass too.
            await self._inventory.admit(sale, press, user_id=user_id, id=request.id)
        answer = await batcher.submit(request)
        if isinstance(answer, Seat):
            if wish is Wish.NAMED and answer.group_id != group_id:
                raise _other_team()
            self._inventory.news.pressed(sale_id, "reserved")
            return answer
        if answer.outcome in (Joining.NO_SUCH_SALE, Joining.NO_SUCH_GROUP):
            raise not_found("group" if answer.outcome is Joining.NO_SUCH_GROUP else "sale")
        if answer.outcome is Joining.CONFLICT:
            raise _other_team()
        self._inventory.news.pressed(sale_id, answer.outcome.name.lower())
        raise join_refused(answer)

    async def find_team(self, group_id: str) -> TeamView:
        """Return a team as anybody may see it; raises `not_found`.

        A link is open to everybody, signed in or not: a crowd that looks at once is one question.
        """
        return await self._looks.ask(group_id, lambda: self._look(group_id))

    async def _look(self, group_id: str) -> TeamView:
        async with self._database.reading() as connection:
            return await team_views.select_team_view(connection, group_id)

    async def list_mine(self, user_id: str) -> list[MySeat]:
        """Return a buyer's seats, newest first."""
        async with self._database.reading() as connection:
            return await team_views.select_my_seats(connection, user_id, MINE_SHOWN_MAX)

    def _batcher(self, sale_id: str) -> Batcher[Joined]:
        batcher = self._batchers.get(sale_id)
        if batcher is None:
            for idle in [id for id, other in self._batchers.items() if other.is_idle]:
                del self._batchers[idle]
            batcher = self._batchers[sale_id] = Batcher(sale_id, self._decide)
        return batcher

    async def _decide(self, sale_id: str, requests: list[Request]) -> list[Joined | CommerceError]:
        """Decide a batch; one that the database refuses is halved until the culprit is alone."""
        sale = await self._inventory.find_sale(sale_id)
        wishes = [request for request in requests if isinstance(request, JoinRequest)]
        try:
            result = await self._inventory.ask(
                partial(store.join_batch, pool_id=sale.pool_id, sale_id=sale_id, requests=wishes)
            )
        except REFUSED_BY_DATABASE:
            if len(requests) == 1:
                return [unknown_outcome()]
            half = len(requests) // 2
            return [
                *await self._decide(sale_id, requests[:half]),
                *await self._decide(sale_id, requests[half:]),
            ]
        if Joining.JOINED in result.outcomes:
            self._inventory.news.stock_changed(sale.room_id, sale_id)
        await self._inventory.tell_expired(result.expired)
        return [_answer(sale, request, index, result) for index, request in enumerate(wishes)]


def _answer(
    sale: PooledSale, request: JoinRequest, index: int, result: JoinBatch
) -> Joined | CommerceError:
    outcome = Joining(result.outcomes[index])
    if outcome not in (Joining.JOINED, Joining.REPLAYED):
        return Refusal(outcome, result.pool_version)
    group_id, price = result.group_ids[index], result.prices[index]
    shown_until = result.shown_until[index]
    assert group_id is not None
    assert price is not None
    assert shown_until is not None
    return Seat(
        group_id,
        Reservation(
            id=request.id,
            sale_id=sale.id,
            user_id=request.user_id,
            sku=sale.sku,
            qty=1,
            unit_price_minor=price,
            currency=sale.currency,
            state=result.states[index] or "held",
            version=result.versions[index] or result.pool_version,
            decided_at_ms=result.now_ms,
            shown_until_ms=shown_until,
            expires_in_ms=max(0, shown_until - result.now_ms),
        ),
    )


def _other_team() -> CommerceError:
    return CommerceError("idempotency_conflict", "This key was used for another team.")
