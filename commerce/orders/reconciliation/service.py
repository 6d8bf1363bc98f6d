"""Compare what we have with what the providers list; change nothing.

Invariant: the providers are asked before our own tables are read, so that what happens meanwhile is
news to us, not to them; nothing is locked.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from commerce.kernel.errors import CommerceError, invalid
from commerce.kernel.ports import Database
from commerce.orders.payments.model import ProviderPayment
from commerce.orders.payments.ports import (
    PaymentProvider,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from commerce.orders.reconciliation import store
from commerce.orders.reconciliation.model import Reconciliation
from commerce.orders.reconciliation.rules import add_up, compare, report
from commerce.records.clock.store import select_now_ms

# Their clock may be behind ours; what they list of before is compared as well.
MARGIN_MS = 60 * 60_000
# A report is kept in memory as a whole; a longer stretch is asked for in parts.
PAYMENTS_MAX = 100_000


class ReconciliationService:
    """Every registered provider against the tables."""

    def __init__(self, database: Database, providers: Mapping[str, PaymentProvider]) -> None:
        self._database = database
        self._providers = providers

    async def reconcile(self, since_ms: int) -> Reconciliation:
        """Return what differs of the payments begun since a moment, on either side.

        One at the border, begun on one side before it and on the other after it, is compared as
        long as their clock is not more than an hour behind ours.

        Raises `provider_unavailable` (try again) or `provider_refused` when one does not list
        them, `invalid_request` when there are too many.
        """
        theirs: dict[tuple[str, str], ProviderPayment] = {}
        for name, provider in self._providers.items():
            theirs.update(
                await self._list(name, provider, since_ms, room=PAYMENTS_MAX - len(theirs))
            )
        async with self._database.reading() as connection:
            now_ms = await select_now_ms(connection)
            ours = await store.select_payments(
                connection,
                list(self._providers),
                since_ms=since_ms,
                named=list(theirs),
                limit=PAYMENTS_MAX + 1,
            )
            older = await store.count_older(connection, list(self._providers), since_ms)
        if len(ours) > PAYMENTS_MAX:
            raise _too_many()
        older -= sum(one.created_at_ms < since_ms for one in ours)
        found = report(
            compare(ours, theirs, now_ms=now_ms),
            window=(since_ms, now_ms),
            compared=len(ours),
            older=older,
        )
        return msgspec.structs.replace(found, sums=add_up(ours, theirs))

    async def _list(
        self, name: str, provider: PaymentProvider, since_ms: int, *, room: int
    ) -> dict[tuple[str, str], ProviderPayment]:
        """Return a provider's payments by its name and their ids there."""
        found: dict[tuple[str, str], ProviderPayment] = {}
        try:
            async for remote in provider.list_since(max(0, since_ms - MARGIN_MS)):
                found[name, remote.provider_ref] = remote
                if len(found) > room:
                    raise _too_many()
        except ProviderUnavailableError as error:
            raise CommerceError(
                "provider_unavailable", f"{name} does not answer: {error}", retryable=True
            ) from error
        except ProviderRefusedError as error:
            raise CommerceError("provider_refused", f"{name} will not list: {error}") from error
        return found


def _too_many() -> CommerceError:
    return invalid(f"More than {PAYMENTS_MAX} payments; ask for a shorter time.")
