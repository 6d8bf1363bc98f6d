"""Make coupons, drop them into a room, claim them.

Invariants: no answer leaves before its COMMIT; a claim that was answered is its person's; what
nobody claimed goes back to the coupon when its drop is over.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial

import msgspec

from commerce.goods.inventory.batcher import Batcher, unknown_outcome
from commerce.goods.inventory.model import Request
from commerce.goods.inventory.service import UNKNOWN_PRESS, InventoryService
from commerce.goods.inventory.sharing import SharedQuestions
from commerce.goods.inventory.store import REFUSED_BY_DATABASE
from commerce.goods.press_rules.model import Press
from commerce.goods.press_rules.service import KnownIds, PressGate
from commerce.kernel.errors import CommerceError, not_found
from commerce.kernel.ids import claim_id, coupon_id, drop_id
from commerce.kernel.ports import Database, Transaction
from commerce.records.rounds.service import Rounds
from commerce.sales.coupons import store
from commerce.sales.coupons.model import (
    DROP,
    ClaimAnswer,
    ClaimBatch,
    Claimed,
    Claiming,
    ClaimRefused,
    ClaimView,
    CouponTerms,
    DropTerms,
    DropView,
    KnownDrop,
)
from commerce.sales.coupons.rules import (
    check_coupon,
    check_drop,
    check_same,
    claim_refused,
    halted,
)
from commerce.shows.bag.service import live_show
from commerce.shows.schedule.model import Room
from commerce.shows.schedule.store import lock_room

# Drops a process remembers; far more than any show has.
KNOWN_DROPS_MAX = 1_000
# Ids of people who have a claim of a drop that is gone, over all drops: about 10 MB. Whoever of a
# forgotten drop asks is answered by the database, as before it was known to be gone.
CLAIMERS_MAX = 100_000
CLAIMS_SHOWN_MAX = 200
# One round of a job is bounded, so that the worker's other jobs get their turn.
DROPS_A_ROUND_MAX = 20


class Drops:
    """The drops as claimers use them, in one process."""

    def __init__(
        self, database: Database, inventory: InventoryService, monotonic_ms: Callable[[], int]
    ) -> None:
        self._database = database
        self._inventory = inventory
        self._gate = PressGate(inventory.ask, KnownIds(inventory.ask), monotonic_ms)
        self._batchers: dict[str, Batcher[ClaimAnswer]] = {}
        self._known: dict[str, KnownDrop] = {}
        self._gone: dict[str, frozenset[str]] = {}
        self._lookups: SharedQuestions[KnownDrop | None] = SharedQuestions()

    async def claim(
        self, *, user_id: str, drop_id: str, key: str, press: Press = UNKNOWN_PRESS
    ) -> Claimed:
        """Claim a coupon; it is committed when this returns. A repeated key returns the same claim.

        Raises `not_found`, `not_open`, `ended`, `coupon_halted`, `limit_reached`,
        `coupons_gone`, `account_too_new`, `slow_down`, `overloaded` or `unknown_outcome`.
        """
        claimers = self._gone.get(drop_id)
        # Nothing comes back to a drop that is gone, so this stays true for ever; who has a claim
        # of it may be asking again for their own.
        if claimers is not None and user_id not in claimers:
            raise claim_refused(ClaimRefused(Claiming.GONE))
        known = await self._find(drop_id)
        request = Request(claim_id(user_id, drop_id, key), drop_id, user_id, 1)
        batcher = self._batcher(drop_id)
        if known.rules is not None and not batcher.has(request.id):
            refusal = await self._gate.judge(known, press, user_id=user_id, id=request.id)
            if refusal is not None:
                raise refusal
        answer = await batcher.submit(request)
        if isinstance(answer, Claimed):
            self._inventory.news.stock_changed(known.room_id, drop_id)
            return answer
        if answer.outcome is Claiming.NO_SUCH_DROP:
            raise not_found("drop")
        if answer.outcome is Claiming.NO_SUCH_PERSON:
            raise CommerceError("unauthenticated", "Nobody is known by this token.")
        raise claim_refused(answer)

    async def list_claims(self, user_id: str) -> list[ClaimView]:
        """Return a person's coupons, newest first, those that are over too."""
        async with self._database.reading() as connection:
            return await store.select_claims(connection, user_id, CLAIMS_SHOWN_MAX)

    async def _find(self, drop_id: str) -> KnownDrop:
        known = self._known.get(drop_id)
        if known is None:
            select = partial(store.select_known_drop, drop_id=drop_id)
            known = await self._lookups.ask(drop_id, lambda: self._inventory.ask(select))
            if known is None:
                raise not_found("drop")
            if len(self._known) >= KNOWN_DROPS_MAX:
                oldest = next(iter(self._known))
                del self._known[oldest]
                self._gone.pop(oldest, None)
            self._known[drop_id] = known
        return known

    def _remember_gone(self, drop_id: str, claimers: frozenset[str]) -> None:
        """Keep who may ask for their own claim of a drop that is gone; the oldest are forgotten."""
        self._gone[drop_id] = claimers
        while len(self._gone) > 1 and sum(map(len, self._gone.values())) > CLAIMERS_MAX:
            del self._gone[next(iter(self._gone))]

    def _batcher(self, drop_id: str) -> Batcher[ClaimAnswer]:
        batcher = self._batchers.get(drop_id)
        if batcher is None:
            for idle in [id for id, other in self._batchers.items() if other.is_idle]:
                del self._batchers[idle]
            batcher = self._batchers[drop_id] = Batcher(drop_id, self._decide)
        return batcher

    async def _decide(
        self, drop_id: str, requests: list[Request]
    ) -> list[ClaimAnswer | CommerceError]:
        """Decide a batch; one that the database refuses is halved until the culprit is alone."""
        try:
            result = await self._inventory.ask(
                partial(store.claim_batch, drop_id=drop_id, requests=requests)
            )
        except REFUSED_BY_DATABASE:
            if len(requests) == 1:
                return [unknown_outcome()]
            half = len(requests) // 2
            return [
                *await self._decide(drop_id, requests[:half]),
                *await self._decide(drop_id, requests[half:]),
            ]
        if Claiming.GONE in result.outcomes and drop_id not in self._gone:
            select = partial(store.select_claimers, drop_id=drop_id)
            # The batch itself is decided: that this cannot be read must not undo its answers.
            with contextlib.suppress(CommerceError, *REFUSED_BY_DATABASE):
                self._remember_gone(drop_id, await self._inventory.ask(select))
        reason = None
        if Claiming.HALTED in result.outcomes:
            ask = partial(store.select_halt_reason_of_drop, drop_id=drop_id)
            with contextlib.suppress(CommerceError, *REFUSED_BY_DATABASE):
                reason = await self._inventory.ask(ask)
        return [_answer(request, index, result, reason) for index, request in enumerate(requests)]


def _answer(
    request: Request, index: int, result: ClaimBatch, halt_reason: str | None
) -> ClaimAnswer:
    outcome = Claiming(result.outcomes[index])
    if outcome not in (Claiming.CLAIMED, Claiming.REPLAYED):
        opens_in_ms = max(0, result.opens_at - result.now_ms) if result.opens_at else None
        reason = halt_reason if outcome is Claiming.HALTED else None
        return ClaimRefused(outcome, opens_in_ms, reason)
    assert result.states is not None
    assert result.expires_at is not None
    state, expires_at_ms = result.states[index], result.expires_at[index]
    assert state is not None
    assert expires_at_ms is not None
    left_ms = max(0, expires_at_ms - result.now_ms)
    return Claimed(
        request.id,
        request.sale_id,
        "expired" if state == "claimed" and left_ms == 0 else state,
        left_ms,
    )


async def make_coupon(
    transaction: Transaction, room: Room, terms: CouponTerms, *, key: str, currency: str
) -> str:
    """Make a coupon for a room and return its id; the same key with the same terms is the same.

    Raises `invalid_request` or `idempotency_conflict`.
    """
    check_coupon(terms)
    await lock_room(transaction, room.id)
    id = coupon_id(room.host_id, room.id, key)
    known = await store.select_request_hash(transaction, id)
    if known is not None:
        check_same(known, terms)
        return id
    await store.insert_coupon(
        transaction,
        terms,
        id=id,
        room_id=room.id,
        currency=currency,
    )
    return id


async def arm_drop(transaction: Transaction, room: Room, terms: DropTerms, *, key: str) -> DropView:
    """Arm a drop of one of the room's coupons and tell the room; idempotent by key.

    Raises `invalid_request`, `show_not_live`, `not_found`, `already_dropping`,
    `not_enough_coupons`, `coupon_halted` or `idempotency_conflict`.
    """
    check_drop(terms)
    await lock_room(transaction, room.id)
    id = drop_id(room.host_id, room.id, key)
    known = await store.select_request_hash(transaction, id)
    if known is not None:
        check_same(known, terms)
        return await store.select_drop(transaction, id)
    show = await live_show(transaction, room)
    if not await store.grant(transaction, terms.coupon, room.id, terms.quantity):
        left = await store.select_left(transaction, terms.coupon, room.id)
        if left is None:
            raise not_found("coupon")
        raise CommerceError(
            "not_enough_coupons", f"Only {left} of these are left.", detail={"left": left}
        )
    halt_reason = await store.select_halt_reason(transaction, terms.coupon)
    if halt_reason is not None:
        raise halted(halt_reason)
    if await store.has_live_drop(transaction, terms.coupon):
        raise CommerceError("already_dropping", "A drop of this coupon is running.")
    await store.insert_drop(
        transaction,
        terms,
        id=id,
        place=(room.id, show.id),
    )
    made = await store.select_drop(transaction, id)
    transaction.announce(room.id, "coupon.armed", {"drop": msgspec.to_builtins(made)})
    return made


async def open_due_drops(database: Database, rounds: Rounds | None = None) -> None:
    """Job: tell rooms of drops whose moment has come; safe to run twice at once."""

    async def open_apart(id: str) -> None:
        async with database.transaction() as transaction:
            await open_one(transaction, id)

    rounds = rounds or Rounds()
    await rounds.run(database, store.select_to_open, open_apart, limit=DROPS_A_ROUND_MAX)


async def open_one(transaction: Transaction, drop_id: str) -> None:
    """Tell the room that a drop is open; one that is not due, or was opened, stays as it is."""
    drop = await store.lock_drop(transaction, drop_id)
    if drop is not None and await store.open_drop(transaction, drop_id):
        transaction.announce(drop.room_id, "coupon.opened", {"drop": drop_id})
        transaction.touch(drop.room_id, drop_id)


async def close_due_drops(database: Database, rounds: Rounds | None = None) -> None:
    """Job: close drops that are all claimed, or whose time is over; safe to run twice at once."""

    async def close_apart(due: tuple[str, str]) -> None:
        async with database.transaction() as transaction:
            await close(transaction, *due)

    rounds = rounds or Rounds()
    await rounds.run(
        database,
        store.select_to_close,
        close_apart,
        limit=DROPS_A_ROUND_MAX,
        key=lambda due: due[0],
    )


async def close(transaction: Transaction, drop_id: str, event: str) -> DropView:
    """Close a drop and tell the room; one that is closed stays as it is. Claims stand.

    What nobody claimed goes back to the coupon. Raises `not_found`.
    """
    drop = await store.lock_drop(transaction, drop_id)
    if drop is None:
        raise not_found("drop")
    if DROP.allows(drop.state, event):
        state = DROP.next(drop.state, event)
        ends_at_ms = await store.close_drop(transaction, drop, state)
        news = {
            "drop": drop_id,
            "state": state,
            "ends_at_ms": ends_at_ms,
            "quantity": drop.claimed,
            "left": 0,
        }
        transaction.announce(drop.room_id, "coupon.closed", news)
        transaction.touch(drop.room_id, drop_id)
    return await store.select_drop(transaction, drop_id)


async def close_drops_of_show(transaction: Transaction, show_id: str) -> None:
    """Close every drop of a show that ends; the room is told of the whole floor by the caller."""
    for id in await store.select_live_drops(transaction, show_id):
        drop = await store.lock_drop(transaction, id)
        if drop is not None and DROP.allows(drop.state, "end"):
            await store.close_drop(transaction, drop, "ended")
