"""Build what sells: databases, inventory, accounts, checkout, payments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

import httpx
import msgspec
from starlette.applications import Starlette

from commerce.goods.inventory import store as inventory_store
from commerce.goods.inventory.service import InventoryService
from commerce.goods.presses.service import PressCounter
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
from commerce.sales.pricing.tariffs import FlatShipping, IncludedTax
from commerce.sales.show_floor.service import ShowFloor
from realtime.brokers.redis import RedisBroker
from realtime.rooms.publisher import RoomPublisher
from server.auth.departures import Departures
from server.auth.passwords import Passwords
from server.auth.permits import Permits
from server.auth.secret import derive_key, keyed_hash, load_secret
from server.auth.tokens import Tokens
from server.bridge import Announcer, InventoryNews
from server.db.database import PgDatabase, open_pool, open_reserve_pool
from server.providers.sandbox import SandboxProvider, open_http
from server.sandbox.app import sandbox_app
from server.sandbox.service import Sandbox
from server.sandbox.webhooks import WebhookSender
from server.settings import Settings
from server.wiring.sources import FreshIds, SystemClock, monotonic_ms

if TYPE_CHECKING:
    from server.providers.stripe import StripeProvider

SANDBOX_PATH = "/sandbox-pay"


class Carrier(msgspec.Struct, frozen=True):
    """What carries news between processes, and the database that uses it after COMMIT."""

    broker: RedisBroker
    publisher: RoomPublisher
    announcer: Announcer
    database: PgDatabase


async def build_carrier(settings: Settings) -> Carrier:
    """Connect to both servers; raises when PostgreSQL is out of reach."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    broker = RedisBroker(settings.redis_url, prefix=settings.redis_prefix)
    publisher = RoomPublisher(broker)
    announcer = Announcer(publisher)
    database = PgDatabase(await open_pool(settings.database_url), announcer.publish)
    announcer.database = database
    return Carrier(broker, publisher, announcer, database)


class Till(msgspec.Struct, frozen=True):
    """Checkout and payments, and the pretend provider.

    `stripe` is None unless its keys are set. `sandbox_app` is for buyers only while new payments
    go there.
    """

    checkout: CheckoutService
    quotes: QuoteService
    payments: PaymentService
    settlement: OrderSettlement
    refunds: RefundService
    reconciliation: ReconciliationService
    webhooks: WebhookSender
    stripe: StripeProvider | None
    sandbox_app: Starlette
    close: Callable[[], Awaitable[None]]


def build_till(settings: Settings, database: PgDatabase, *, is_served: bool = True) -> Till:
    """Build orders and payments on the chosen provider; the others answer for the past.

    Where no gateway is known to run (`is_served` False) the sandbox is called inside the process.
    """
    ids, clock, http = FreshIds(), SystemClock(), open_http()
    secret = load_secret(settings.data, settings.secret)
    api_key, webhook_key = derive_key(secret, "sandbox api"), derive_key(secret, "sandbox webhook")
    card_key = derive_key(secret, "card fingerprints")
    webhooks = WebhookSender(
        database,
        http,
        url=f"{settings.gateway_url}/api/payments/sandbox/webhook",
        secret=webhook_key,
        now_ms=clock.now_ms,
    )
    sandbox = Sandbox(database, ids, webhooks, prefix=SANDBOX_PATH)
    app = sandbox_app(sandbox, api_key=api_key)
    stripe = build_stripe(settings, http)
    # Nobody may pay with pretend money beside real money: then the sandbox has no address.
    is_inside = settings.payments != "sandbox" or not is_served
    inside = httpx.AsyncClient(transport=httpx.ASGITransport(app)) if is_inside else http
    own = SandboxProvider(
        inside,
        base_url="http://sandbox" if is_inside else settings.gateway_url + SANDBOX_PATH,
        api_key=api_key,
        webhook_secret=webhook_key,
    )
    known: dict[str, PaymentProvider] = {"sandbox": own}
    if stripe is not None:
        known["stripe"] = stripe
    # New payments go to the first one.
    providers = {settings.payments: known[settings.payments], **known}
    settlement = OrderSettlement(database, ids)
    tariffs = build_tariffs(settings)
    payments = PaymentService(
        database,
        ids,
        clock,
        PaymentPorts(providers, settlement, RefundCompletion(), partial(keyed_hash, card_key)),
    )

    async def close() -> None:
        await inside.aclose()
        await http.aclose()

    return Till(
        checkout=CheckoutService(database, payments, tariffs),
        quotes=QuoteService(database, tariffs),
        payments=payments,
        settlement=settlement,
        refunds=RefundService(database),
        reconciliation=ReconciliationService(database, providers),
        webhooks=webhooks,
        stripe=stripe,
        sandbox_app=app,
        close=close,
    )


def build_tariffs(settings: Settings) -> Tariffs:
    """Return what the shop charges beside its goods: the plain tariffs, as they are set."""
    return Tariffs(
        FlatShipping(settings.shipping_minor, settings.shipping_free_from_minor),
        IncludedTax(settings.tax_rate),
    )


def build_stripe(settings: Settings, http: httpx.AsyncClient) -> StripeProvider | None:
    """Return Stripe when its keys are set, also where money goes another way by now.

    Payments made by it before are still captured, let go and given back.
    """
    if settings.stripe_secret_key is None or settings.stripe_webhook_secret is None:
        return None
    # Its library costs each process a tenth of a second and 7 MB; most shops need none of it.
    from server.providers.stripe import StripeProvider  # noqa: PLC0415

    return StripeProvider(
        http,
        secret_key=settings.stripe_secret_key,
        webhook_secret=settings.stripe_webhook_secret,
        api_base=settings.stripe_api_base,
    )


def build_tokens(settings: Settings) -> Tokens:
    """Return the reader and issuer of sessions under the installation's key."""
    return Tokens(load_secret(settings.data, settings.secret), SystemClock().now_ms)


def build_permits(settings: Settings, departures: Departures) -> Permits:
    """Return the maker and judge of permits to press, the same in every process."""
    return Permits(load_secret(settings.data, settings.secret), SystemClock().now_ms, departures)


def build_accounts(database: PgDatabase) -> AccountService:
    """Build guests and logins."""
    return AccountService(database, FreshIds(), Passwords())


def build_floor(settings: Settings) -> ShowFloor:
    """Build the host's acts on a show."""
    return ShowFloor(FreshIds(), settings.currency)


class ReservationCore(msgspec.Struct, frozen=True):
    """The inventory service with its own connections and its news."""

    inventory: InventoryService
    news: InventoryNews
    presses: PressCounter
    close: Callable[[], Awaitable[None]]


async def build_reservation_core(settings: Settings, carrier: Carrier) -> ReservationCore:
    """Build the reservation core of one gateway process."""
    assert settings.database_url is not None
    presses = PressCounter(SystemClock().now_ms)
    news = InventoryNews(carrier.publisher, presses)
    connections = await open_reserve_pool(settings.database_url, inventory_store.warm_up)
    inventory = InventoryService(connections, carrier.database, news, monotonic_ms)
    return ReservationCore(inventory, news, presses, connections.close)
