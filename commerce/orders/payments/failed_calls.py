"""What an operator does about calls to a provider that were given up.

Invariant: whoever changes such a call holds the lock of its payment, which decides between this and
a webhook that says it is done.
"""

from __future__ import annotations

from commerce.kernel.errors import CommerceError, not_found
from commerce.kernel.ports import Database
from commerce.orders.payments import store
from commerce.orders.payments.model import CallView
from commerce.orders.payments.reports import CAPTURE_FAILED, Reports

# More than a person settles in a sitting.
SHOWN_MAX = 200


class FailedCalls:
    """Creates, captures and voids that wait for a person."""

    def __init__(self, database: Database, reports: Reports) -> None:
        self._database = database
        self._reports = reports

    async def list_all(self) -> list[CallView]:
        """Return the creates, captures and voids that were given up, oldest first."""
        async with self._database.reading() as connection:
            return await store.select_failed_calls(connection, SHOWN_MAX)

    async def retry(self, call_id: str) -> CallView:
        """Owe a create, capture or void that was given up once more; any other stays as it is.

        Raises `not_found`, or `wrong_state` for a refund's call: a refund is decided anew.
        """
        async with self._database.transaction() as transaction:
            call = await store.select_call(transaction, call_id)
            if call is None:
                raise not_found("payment call")
            if call.kind == "refund":
                raise CommerceError("wrong_state", "A refund is asked for again at its order.")
            await store.lock_payment(transaction, call.payment)
            await store.retry_call(transaction, call_id)
            return await store.select_call(transaction, call_id) or call

    async def give_up(self, call_id: str) -> CallView:
        """End the paid order whose capture was given up; one that has ended so stays as it is.

        Raises `not_found`, or `wrong_state` for any other call.
        """
        async with self._database.transaction() as transaction:
            seen = await store.select_call(transaction, call_id)
            payment = await store.lock_payment(transaction, seen.payment) if seen else None
            call = await store.select_call(transaction, call_id)
            if payment is None or call is None:
                raise not_found("payment call")
            is_over = call.kind == "capture" and payment.let_go_reason == CAPTURE_FAILED
            is_failed = (call.kind, call.state) == ("capture", "failed")
            if not is_over and not (
                is_failed and await self._reports.give_up(transaction, payment)
            ):
                raise CommerceError("wrong_state", "It is no capture that was given up.")
            return await store.select_call(transaction, call_id) or call
