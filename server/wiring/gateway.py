"""Build one gateway process: services, realtime, the application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount

from commerce.community.chat_archive.service import ChatArchive
from commerce.goods.carts.service import CartService
from commerce.goods.inventory.service import InventoryService
from commerce.goods.waiting_list.service import WaitingList
from commerce.insight.pictures.service import PictureDesk
from commerce.orders.checkout.leaving import Leaving
from commerce.sales.coupons.service import Drops
from commerce.sales.draws.service import Draws
from commerce.sales.group_buys.service import GroupBuys
from realtime.brokers.ports import BrokerUnavailableError
from realtime.brokers.redis import RedisLink
from realtime.gateway.connection import connection_class
from realtime.gateway.gateway import Gateway, GatewayPorts
from realtime.gateway.limits import GatewayLimits
from realtime.presence.service import count_viewers
from realtime.rooms.drain import DrainLimits
from realtime.rooms.hub import Hub
from realtime.rooms.limits import RoomLimits
from realtime.rooms.ports import Authenticator, Process
from server.app import build_app
from server.audit_watch import AuditWatch
from server.auth.departures import EXCHANGED_EVERY_S, Departures
from server.auth.permits import LIFETIME_MS
from server.bridge import RoomCommands, StockBoard
from server.figures import FigureBoard, drop_board, entry_board, group_board, unlock_board
from server.jobs.worker import Job, repeat
from server.metrics import render_metrics
from server.ops.addresses import address_reader
from server.providers.stripe_secrets import ClientSecrets
from server.room_state import RoomStates
from server.routes.accounts import account_routes
from server.routes.evidence import evidence_routes
from server.routes.groups import leaving_routes
from server.routes.orders import order_routes
from server.routes.payments import payment_routes
from server.routes.pictures import picture_routes
from server.routes.quotes import quote_routes
from server.routes.refunds import refund_routes
from server.routes.replays import replay_routes
from server.routes.requests import Edge
from server.routes.stripe_page import StripePage, stripe_routes
from server.services import Services
from server.settings import Settings
from server.video.picture import PictureBoard
from server.video.service import LiveVideo
from server.wiring.commerce import (
    SANDBOX_PATH,
    Carrier,
    ReservationCore,
    Till,
    build_accounts,
    build_carrier,
    build_floor,
    build_permits,
    build_reservation_core,
    build_till,
    build_tokens,
)
from server.wiring.recording import build_shelf
from server.wiring.sources import FreshIds, SystemClock, build_process, monotonic_ms
from server.wiring.video import build_picture_desk, build_video

PRESSES_EVERY_S = 1.0
# A minute's figures are read by a host who looks now and then.
PICTURES_EVERY_S = 5.0
# Twice as often as anybody scrapes.
AUDIT_SEEN_EVERY_S = 5.0

Boards = Sequence[StockBoard | FigureBoard | PictureBoard]


class Shop(msgspec.Struct, frozen=True):
    """Everything that sells, in one gateway process."""

    carrier: Carrier
    core: ReservationCore
    till: Till
    video: LiveVideo
    audit: AuditWatch
    departures: Departures
    pictures: PictureDesk


class GatewayProcess:
    """The parts of one gateway process and their life."""

    def __init__(self, app: Starlette, gateway: Gateway, *, boards: Boards, shop: Shop) -> None:
        self.app = app
        self.ws_class = connection_class(gateway)
        self._gateway = gateway
        self._boards = boards
        self._shop = shop

    def count_frames(self) -> int:
        """Return how many frames were written to viewers so far."""
        return self._gateway.counters.frames_out

    async def run(self) -> None:
        """Do the long-lived work until cancelled."""
        flush = Job(
            "presses",
            PRESSES_EVERY_S,
            lambda: self._shop.core.presses.flush(self._shop.carrier.database),
        )
        beats = Job(
            "pictures",
            PICTURES_EVERY_S,
            lambda: self._shop.pictures.flush(self._shop.carrier.database),
        )
        exchange = Job(
            "departures", EXCHANGED_EVERY_S, lambda: self._shop.departures.exchange(LIFETIME_MS)
        )
        look = Job("audit seen", AUDIT_SEEN_EVERY_S, self._shop.audit.look)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(repeat(look), name="audit watch")
            tasks.create_task(repeat(exchange), name="departures")
            tasks.create_task(self._gateway.run(), name="realtime")
            tasks.create_task(self._shop.core.news.run(), name="inventory news")
            for board in self._boards:
                tasks.create_task(board.run(), name=type(board).__name__)
            tasks.create_task(repeat(flush), name="press counter")
            tasks.create_task(repeat(beats), name="picture desk")

    async def drain(self) -> None:
        """Give every viewer a moment to come back elsewhere."""
        await self._gateway.drain()

    async def shutdown(self) -> None:
        """Let go of connections."""
        await self._shop.video.engine.close()
        await self._shop.till.close()
        await self._shop.core.close()
        await self._shop.carrier.broker.close()
        await self._shop.carrier.database.close()


async def build_gateway(settings: Settings, process_name: str) -> GatewayProcess:
    """Connect and put one gateway together; raises when PostgreSQL is out of reach."""
    carrier = await build_carrier(settings)
    core = await build_reservation_core(settings, carrier)
    till = build_till(settings, carrier.database)
    waiting_list = WaitingList(carrier.database, core.inventory)
    departures = Departures(carrier.broker, SystemClock().now_ms, FreshIds().new())
    permits, tokens = build_permits(settings, departures), build_tokens(settings)
    draws = Draws(carrier.database, core.inventory)
    groups = GroupBuys(carrier.database, core.inventory)
    drops = Drops(carrier.database, core.inventory, monotonic_ms)
    commands = RoomCommands(core.inventory, waiting_list, draws, groups, permits, drops=drops)
    states = RoomStates(carrier.database)
    process, address_of = build_process(process_name), address_reader(settings.trusted_proxies)
    gateway = Gateway(
        process,
        ports=GatewayPorts(states, tokens, commands, states, states, states, address_of),
        broker=carrier.broker,
        link=_link(settings, process),
        limits=_limits(settings),
    )
    carrier.announcer.carry_line = gateway.chat.carry
    video, pictures = build_video(settings, carrier), build_picture_desk(process_name)
    boards = _boards(settings, carrier, gateway.hub, core.inventory)
    watch = AuditWatch(carrier.database, monotonic_ms)
    services = Services(
        settings=settings,
        database=carrier.database,
        clock=SystemClock(),
        ids=FreshIds(),
        inventory=core.inventory,
        waiting_list=waiting_list,
        carts=CartService(core.inventory),
        permits=permits,
        draws=draws,
        drops=drops,
        groups=groups,
        floor=build_floor(settings),
        states=states,
        archive=ChatArchive(carrier.database),
        video=video,
        count_viewers=_viewer_count(carrier),
        is_link_ok=lambda: gateway.link_ok,
        metrics=lambda: render_metrics(
            process_name, gateway, audit=watch.seen, now_ms=monotonic_ms()
        ),
    )
    more_routes = [
        *account_routes(build_accounts(carrier.database), tokens),
        *_routes_of_orders(settings, carrier, core, till),
        *picture_routes(pictures, carrier.database),
    ]
    app = build_app(services, _edge(settings, tokens), more_routes)
    shop = Shop(carrier, core, till, video, watch, departures, pictures)
    return GatewayProcess(app, gateway, boards=boards, shop=shop)


def _link(settings: Settings, process: Process) -> RedisLink:
    """Return the process's subscription."""
    assert settings.redis_url is not None
    return RedisLink(
        settings.redis_url,
        prefix=settings.redis_prefix,
        name=process.name,
        random=process.random,
    )


def _edge(settings: Settings, tokens: Authenticator) -> Edge:
    """Return what requests are checked by."""
    return Edge(tokens, settings.own_origins, settings.base_url.startswith("https:"))


def _boards(settings: Settings, carrier: Carrier, hub: Hub, inventory: InventoryService) -> Boards:
    """Return the readers of figures, each of which hears the hub's hints."""
    database = carrier.database
    stock = StockBoard(database, hub, inventory)
    kinds = (entry_board, drop_board, group_board, unlock_board)
    boards: Boards = (stock, *(kind(database, hub) for kind in kinds))
    if settings.media_backend != "none":
        boards = (*boards, PictureBoard(carrier.broker, hub))
    for board in boards:
        hub.on_hint(board.hint)
    return boards


def _limits(settings: Settings) -> GatewayLimits:
    """Return the limits of a gateway as its operator set them."""
    return GatewayLimits(
        allowed_origins=tuple(sorted(settings.own_origins)),
        is_packing_offered=settings.compression,
        rooms=RoomLimits(drain=DrainLimits(returns_per_s=settings.returns_per_s)),
    )


def _routes_of_orders(
    settings: Settings, carrier: Carrier, core: ReservationCore, till: Till
) -> list[BaseRoute]:
    """Return everything about an order and its money, and what is kept of shows."""
    return [
        *order_routes(till.checkout),
        *quote_routes(till.quotes),
        *evidence_routes(carrier.database),
        *replay_routes(carrier.database, build_shelf(settings, carrier.database)),
        *payment_routes(till.payments, till.reconciliation),
        *refund_routes(till.refunds),
        *_provider_routes(settings, till),
        *leaving_routes(Leaving(carrier.database, core.inventory, till.checkout)),
    ]


def _provider_routes(settings: Settings, till: Till) -> list[BaseRoute]:
    """Return where buyers pay: Stripe's form on our page, or the pretend provider's own app.

    Stripe's page stays while its keys are set, for orders that were opened there before.
    """
    routes: list[BaseRoute] = []
    if settings.payments == "sandbox":
        routes.append(Mount(SANDBOX_PATH, till.sandbox_app))
    if till.stripe is not None and settings.stripe_publishable_key is not None:
        secrets = ClientSecrets(till.stripe, monotonic_ms)
        page = StripePage(secrets, settings.stripe_publishable_key, settings.stripe_js_url)
        routes += stripe_routes(page, till.payments, till.checkout)
    return routes


def _viewer_count(carrier: Carrier) -> Callable[[str], Awaitable[int]]:
    """Return a count of a room's viewers over all processes; 0 while Redis is away."""
    clock = SystemClock()

    async def count(room_id: str) -> int:
        try:
            return await count_viewers(carrier.broker, room_id, now_ms=clock.now_ms())
        except BrokerUnavailableError:
            return 0

    return count
