"""Deliver webhooks until the shop says 200, from rows that outlive any process."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from commerce.kernel.ports import Database
from server.providers.signatures import SIGNATURE_HEADER, sign
from server.sandbox import store
from server.sandbox.model import Delivery

# The buyer's browser waits for the first attempt; a slow shop gets it again from the job.
TIMEOUT_S = 3.0
LEASE_MS = 10_000
FIRST_RETRY_MS = 1_000
RETRY_MS_MAX = 3_600_000
ATTEMPTS_MAX = 40
DELIVERIES_A_ROUND_MAX = 100
OK = 200


class WebhookSender:
    """Posts signed webhooks to one shop."""

    def __init__(
        self,
        database: Database,
        http: httpx.AsyncClient,
        *,
        url: str,
        secret: str,
        now_ms: Callable[[], int],
    ) -> None:
        self._database = database
        self._http = http
        self._url = url
        self._secret = secret
        self._now_ms = now_ms

    async def deliver(self, webhook_id: str) -> None:
        """Try one webhook now; the job goes on with it if the shop does not take it."""
        await self._deliver_next(webhook_id)

    async def deliver_due(self) -> int:
        """Job: try the webhooks that are due; return how many were tried."""
        for tried in range(DELIVERIES_A_ROUND_MAX):
            if not await self._deliver_next(None):
                return tried
        return DELIVERIES_A_ROUND_MAX

    async def _deliver_next(self, webhook_id: str | None) -> bool:
        async with self._database.transaction() as transaction:
            delivery = await store.claim_webhook(
                transaction, lease_ms=LEASE_MS, webhook_id=webhook_id
            )
        if delivery is None:
            return False
        is_taken = await self._post(delivery)
        async with self._database.transaction() as transaction:
            if is_taken or delivery.attempts >= ATTEMPTS_MAX:
                state = "delivered" if is_taken else "given_up"
                await store.finish_webhook(transaction, delivery.id, state)
            else:
                pause_ms = min(RETRY_MS_MAX, FIRST_RETRY_MS * 2 ** (delivery.attempts - 1))
                await store.delay_webhook(transaction, delivery.id, pause_ms)
        return True

    async def _post(self, delivery: Delivery) -> bool:
        body = delivery.body.encode()
        signature = sign(body, secret=self._secret, now_s=self._now_ms() // 1000)
        try:
            response = await self._http.post(
                self._url,
                content=body,
                headers={"Content-Type": "application/json", SIGNATURE_HEADER: signature},
                timeout=TIMEOUT_S,
            )
        except httpx.HTTPError:
            return False
        return response.status_code == OK
