"""Stand before the reservation core and judge presses by their sale's own rules.

Invariants: a retry that may own a row is never refused here, for it must reach it; a sale without
rules never comes here; a rule whose facts cannot be read refuses nobody by guess, the error goes
to the caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from commerce.goods.press_rules import store
from commerce.goods.press_rules.buckets import Buckets
from commerce.goods.press_rules.model import Press, PressRules
from commerce.goods.press_rules.rules import (
    address_block,
    decide_drops,
    decide_presence,
    too_many_presses,
)
from commerce.kernel.errors import CommerceError

# As large as a batch of presses: one index look-up each.
LOOKED_UP_MAX = 256

Ask = Callable[[Callable[[Any], Awaitable[Any]]], Awaitable[Any]]


class RuledSale(Protocol):
    """What the rules need to know of a sale."""

    @property
    def id(self) -> str:
        """The sale."""

    @property
    def room_id(self) -> str:
        """Its room."""

    @property
    def rules(self) -> PressRules | None:
        """Its rules, or None."""


class PressGate:
    """The rules of one process; `ask` lends it a connection of the reservation core."""

    def __init__(self, ask: Ask, known: KnownIds, monotonic_ms: Callable[[], int]) -> None:
        self._ask = ask
        self._users = Buckets(monotonic_ms)
        self._addresses = Buckets(monotonic_ms)
        self._known = known

    async def judge(
        self, sale: RuledSale, press: Press, *, user_id: str, id: str
    ) -> CommerceError | None:
        """Return the refusal of a press with the row id that it would have, or None.

        Only a refusal costs a look-up, and only a sale with `drop_limit` one for each press.
        """
        if sale.rules is None:
            return None
        refusal = await self._decide(sale, sale.rules, press, user_id)
        if refusal is None or await self._known.is_known(id):
            return None
        return refusal

    def passes_at_once(self, sale: RuledSale, press: Press, *, user_id: str) -> bool:
        """Let a press through that meets its sale's rules as far as this process can tell.

        False takes no token and refuses nobody: then `judge` has to. So it is where a rule asks the
        database, and where one refuses.
        """
        rules = sale.rules
        if rules is None:
            return True
        if rules.drop_limit is not None or decide_presence(rules, press, sale.room_id) is not None:
            return False
        wanted = []
        if (per_s := rules.presses_per_address_s) is not None:
            wanted.append((self._addresses, (sale.id, address_block(press.address)), per_s))
        if (per_s := rules.presses_per_user_s) is not None:
            wanted.append((self._users, (sale.id, user_id), per_s))
        if not all(buckets.has(key, per_s) for buckets, key, per_s in wanted):
            return False
        for buckets, key, per_s in wanted:
            buckets.take(key, per_s)
        return True

    async def _decide(
        self, sale: RuledSale, rules: PressRules, press: Press, user_id: str
    ) -> CommerceError | None:
        """Return what the first broken rule says: the cheap rules come first."""
        if (per_s := rules.presses_per_address_s) is not None:
            wait_ms = self._addresses.take((sale.id, address_block(press.address)), per_s)
            if wait_ms:
                return too_many_presses("presses_per_address", per_s, wait_ms)
        if (per_s := rules.presses_per_user_s) is not None:
            wait_ms = self._users.take((sale.id, user_id), per_s)
            if wait_ms:
                return too_many_presses("presses_per_user", per_s, wait_ms)
        refusal = decide_presence(rules, press, sale.room_id)
        if refusal is not None or rules.drop_limit is None:
            return refusal
        question = partial(store.select_dropped, user_id=user_id, sale_id=sale.id)
        return decide_drops(rules.drop_limit, await self._ask(question))


class KnownIds:
    """Look ids up together: whoever floods a sale costs one connection, not one query each."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._waiting: dict[str, asyncio.Future[bool]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def is_known(self, id: str) -> bool:
        """Say whether a row has this id; raises what the database says when it cannot."""
        future = self._waiting.get(id)
        if future is None:
            future = self._waiting[id] = asyncio.get_running_loop().create_future()
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name="known ids")
        # Several may wait for one answer: who leaves takes it from nobody else.
        return await asyncio.shield(future)

    async def _look(self) -> None:
        futures: dict[str, asyncio.Future[bool]] = {}
        try:
            while self._waiting:
                ids = list(self._waiting)[:LOOKED_UP_MAX]
                futures = {id: self._waiting.pop(id) for id in ids}
                try:
                    known = await self._ask(partial(store.select_known, ids=ids))
                except Exception as error:
                    for future in futures.values():
                        future.set_exception(error)
                        future.exception()  # Nobody may be left to ask for it.
                    continue
                for id, future in futures.items():
                    future.set_result(id in known)
        finally:
            self._looking = None
            # Only when this task itself was ended.
            for future in [*futures.values(), *self._waiting.values()]:
                if not future.done():
                    future.cancel()
            self._waiting.clear()
