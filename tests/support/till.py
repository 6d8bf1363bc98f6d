"""The shop's edge and the sandbox provider in one process, speaking HTTP to each other.

Invariant: nothing between the two is faked but the wire; `wires.is_cut` loses webhooks on it.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import argon2
import httpx
import orjson
from starlette.applications import Starlette
from starlette.routing import Mount

from commerce.goods.inventory.service import InventoryService
from commerce.members.accounts.service import AccountService
from commerce.orders.checkout.quoting import QuoteService
from commerce.orders.checkout.service import CheckoutService
from commerce.orders.checkout.settlement import OrderSettlement
from commerce.orders.payments.ports import PaymentPorts, PaymentProvider
from commerce.orders.payments.service import PaymentService
from commerce.orders.reconciliation.service import ReconciliationService
from commerce.orders.refunds.completion import RefundCompletion
from commerce.orders.refunds.service import RefundService
from commerce.sales.pricing.ports import Tariffs
from commerce.sales.pricing.tariffs import PLAIN
from server.auth.passwords import Passwords
from server.auth.secret import keyed_hash
from server.auth.tokens import Tokens
from server.db.database import PgDatabase, Told, open_pool, open_reserve_pool
from server.providers.sandbox import SandboxProvider
from server.providers.signatures import SIGNATURE_HEADER, sign
from server.routes.accounts import account_routes
from server.routes.errors import EXCEPTION_HANDLERS
from server.routes.orders import order_routes
from server.routes.payments import payment_routes
from server.routes.quotes import quote_routes
from server.routes.refunds import refund_routes
from server.routes.requests import Edge
from server.sandbox.app import sandbox_app
from server.sandbox.service import Sandbox
from server.sandbox.webhooks import WebhookSender
from server.wiring.sources import FreshIds, SystemClock, monotonic_ms
from tests.support.shop import Shop, Silence, arm_flash, make_shop, read_stock

ORIGIN = "http://shop.test"
API_KEY = "the shop's key at the sandbox"
WEBHOOK_SECRET = "the secret of the sandbox's webhooks"
# The cheapest parameters argon2 takes: these tests are about decisions, not about hashing.
CHEAP_HASHER = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Wires(httpx.AsyncBaseTransport):
    """A transport to an app in this process, which can lose requests to a path, or all answers."""

    def __init__(self) -> None:
        self.app: Starlette | None = None
        self.is_cut = False
        self.cut_path = "/webhook"
        self.are_answers_lost = False
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry a request, or lose it."""
        self.requests.append(request)
        if self.is_cut and self.cut_path in request.url.path:
            raise httpx.ConnectError("cut", request=request)
        assert self.app is not None
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        response = await transport.handle_async_request(request)
        if self.are_answers_lost:
            raise httpx.ReadTimeout("no answer", request=request)
        return response


class Buyer:
    """A guest with a client of their own, by bearer token."""

    def __init__(self, client: httpx.AsyncClient, user_id: str, name: str) -> None:
        self.client = client
        self.id = user_id
        self.name = name

    async def order(
        self, reservations: list[str], *, key: str | None = None, **more: Any
    ) -> httpx.Response:
        """Place an order."""
        return await self.client.post(
            "/api/orders",
            json={"reservations": reservations, **more},
            headers={"Idempotency-Key": key or str(uuid.uuid4())},
        )

    async def read(self, order_id: str) -> dict[str, Any]:
        """Return an order's detail."""
        response = await self.client.get(f"/api/orders/{order_id}")
        assert response.status_code == 200, response.text
        order: dict[str, Any] = response.json()["order"]
        return order

    async def press(self, url: str, act: str) -> httpx.Response:
        """Press a button of the payment page."""
        return await self.client.post(url, data={"act": act})


class Till:
    """Everything that takes orders and money, and what it told after its commits."""

    def __init__(
        self,
        database: PgDatabase,
        inventory: InventoryService,
        others: Mapping[str, PaymentProvider] | None = None,
        tariffs: Tariffs = PLAIN,
    ) -> None:
        self.database = database
        self.inventory = inventory
        self.told: list[Told] = []
        self.wires = Wires()
        self.http = httpx.AsyncClient(transport=self.wires)
        ids, clock = FreshIds(), SystemClock()
        self.tokens = Tokens(b"a key of at least thirty-two bytes", clock.now_ms)
        self.accounts = AccountService(database, ids, Passwords(CHEAP_HASHER))
        self.provider = SandboxProvider(
            self.http,
            base_url=f"{ORIGIN}/sandbox-pay",
            api_key=API_KEY,
            webhook_secret=WEBHOOK_SECRET,
        )
        self.settlement = OrderSettlement(database, ids)
        providers: dict[str, PaymentProvider] = {**(others or {}), "sandbox": self.provider}
        self.reconciliation = ReconciliationService(database, providers)
        self.payments = PaymentService(
            database,
            ids,
            clock,
            PaymentPorts(
                providers, self.settlement, RefundCompletion(), partial(keyed_hash, API_KEY)
            ),
        )
        self.refunds = RefundService(database)
        self.checkout = CheckoutService(database, self.payments, tariffs)
        self.sender = WebhookSender(
            database,
            self.http,
            url=f"{ORIGIN}/api/payments/sandbox/webhook",
            secret=WEBHOOK_SECRET,
            now_ms=clock.now_ms,
        )
        self.sandbox = Sandbox(database, ids, self.sender, prefix="/sandbox-pay")
        self.app = Starlette(
            routes=[
                *account_routes(self.accounts, self.tokens),
                *order_routes(self.checkout),
                *quote_routes(QuoteService(database, tariffs)),
                *payment_routes(self.payments, self.reconciliation),
                *refund_routes(self.refunds),
                Mount("/sandbox-pay", sandbox_app(self.sandbox, api_key=API_KEY)),
            ],
            exception_handlers=dict(EXCEPTION_HANDLERS),
        )
        self.app.state.edge = Edge(self.tokens)
        self.wires.app = self.app

    async def keep(self, told: Told) -> None:
        """Keep what a committed transaction tells."""
        self.told.append(told)

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        """Return a client of the shop."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers)

    async def buyer(self, name: str = "Lena") -> Buyer:
        """Let a guest in."""
        user = await self.accounts.enter_as_guest(name)
        return self.sign_in(user.id, name=name, role="guest")

    def sign_in(self, user_id: str, *, name: str, role: str) -> Buyer:
        """Return a client with a token for somebody who exists."""
        token = self.tokens.issue(self.tokens.identity(user_id=user_id, name=name, role=role))
        return Buyer(self.client(token), user_id, name)

    async def reserve(self, sale_id: str, user_id: str, qty: int = 1) -> str:
        """Reserve for a user and return the reservation's id, with no latch in the way."""
        stock = await read_stock(self.database, sale_id)
        self.inventory.forget_latches([str(stock["pool_id"])])
        answer = await self.inventory.reserve(
            user_id=user_id, sale_id=sale_id, qty=qty, key=str(uuid.uuid4())
        )
        return str(answer.reservation.id)

    async def sale(self, **terms: Any) -> tuple[Shop, str]:
        """Make a shop with an open flash sale."""
        shop = await make_shop(self.database, slug=f"room-{uuid.uuid4().hex[:8]}")
        return shop, await arm_flash(self.database, shop, **terms)

    async def webhook(
        self, body: dict[str, Any], *, secret: str = WEBHOOK_SECRET, age_s: int = 0
    ) -> httpx.Response:
        """Post a signed webhook as the provider would."""
        raw = orjson.dumps(body)
        signature = sign(raw, secret=secret, now_s=SystemClock().now_ms() // 1000 - age_s)
        return await self.client().post(
            "/api/payments/sandbox/webhook", content=raw, headers={SIGNATURE_HEADER: signature}
        )

    async def remote(self, order_id: str) -> dict[str, Any]:
        """Return the newest payment of an order as the sandbox would describe it."""
        row = await self.row(
            "SELECT id, reference, state, amount_minor, currency FROM sandbox.payments"
            " WHERE order_reference = $1 ORDER BY created_at_ms DESC, id DESC LIMIT 1",
            order_id,
        )
        return dict(row)

    async def row(self, query: str, *values: Any) -> Any:
        """Return one row."""
        async with self.database.reading() as connection:
            return await connection.fetchrow(query, *values)

    async def values(self, query: str, *values: Any) -> list[Any]:
        """Return the first column of all rows."""
        async with self.database.reading() as connection:
            return [row[0] for row in await connection.fetch(query, *values)]

    async def change(self, statement: str, *values: Any) -> None:
        """Change rows behind everybody's back."""
        async with self.database.transaction() as transaction:
            await transaction.execute(statement, *values)

    async def end_holds(self, sale_id: str) -> None:
        """Let the holds of a sale reach their end; no sweeper comes by."""
        await self.change(
            "UPDATE reservations SET release_at_ms = clock_ms() - 1 WHERE sale_id = $1"
            " AND state IN ('held', 'paying')",
            sale_id,
        )

    def news(self, type: str) -> list[dict[str, Any]]:
        """Return what single users were told, of one type."""
        return [
            orjson.loads(payload)
            for told in self.told
            for _, _, kind, payload in told.direct
            if kind == type
        ]

    def lines(self) -> list[tuple[str, str]]:
        """Return the house's chat lines as (name, text)."""
        return [(line.name, line.text) for told in self.told for _, line in told.lines]


async def order_one(till: Till, sale: str, buyer: Buyer) -> tuple[str, str]:
    """Reserve and order one unit; return the order's id and the page to pay at."""
    answer = (await buyer.order([await till.reserve(sale, buyer.id)])).json()
    return answer["order"]["id"], answer["payment"]["url"]


def told_by(remote: Mapping[str, Any], state: str, **overrides: Any) -> dict[str, Any]:
    """Return a webhook's body about a payment of the sandbox."""
    payment = {**remote, "state": state, **overrides}
    return {"id": f"we_{uuid.uuid4()}", "type": f"payment.{state}", "payment": payment}


@asynccontextmanager
async def open_till(
    database_url: str,
    others: Mapping[str, PaymentProvider] | None = None,
    tariffs: Tariffs = PLAIN,
) -> AsyncIterator[Till]:
    """Open a till on a test's own database; payments go to the first of `others`, if any."""
    database = PgDatabase(await open_pool(database_url))
    connections = await open_reserve_pool(database_url)
    inventory = InventoryService(connections, database, Silence(), monotonic_ms)
    till = Till(database, inventory, others, tariffs)
    database.publish = till.keep
    yield till
    await till.http.aclose()
    await connections.close()
    await database.close()
