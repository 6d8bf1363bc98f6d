"""Coupons over HTTP: make, drop, stop, claim them, and see one's own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from commerce.kernel.ports import Transaction
from commerce.sales.coupons import store
from commerce.sales.coupons.halting import halt, select_room_of, unhalt
from commerce.sales.coupons.model import CouponTerms, DropTerms
from commerce.sales.coupons.service import arm_drop, close, make_coupon
from commerce.shows.schedule.rules import check_command, check_see_money, check_stop_sales
from commerce.shows.schedule.store import select_room
from server.arguments import check_id
from server.routes.errors import json_response
from server.routes.presses import read_press
from server.routes.requests import idempotency_key, path_id, path_text, read_body, require_user
from server.routes.rooms import own_room
from server.services import services_of

# More than a host keeps in mind; the newest.
COUPONS_SHOWN_MAX = 100


async def add_coupon(request: Request) -> Response:
    """Make a coupon for a room of the caller's."""
    services, user = services_of(request), require_user(request)
    key = idempotency_key(request)
    terms = await read_body(request, CouponTerms)
    async with services.database.transaction() as transaction:
        room = await own_room(transaction, path_text(request, "room"), user)
        id = await make_coupon(
            transaction, room, terms, key=key, currency=services.settings.currency
        )
        made = await store.select_figures(transaction, id)
    return json_response({"coupon": made}, status=201)


async def list_coupons(request: Request) -> Response:
    """List a room's coupons with their figures, for its host or an operator."""
    services, user = services_of(request), require_user(request)
    async with services.database.reading() as connection:
        room = await select_room(connection, path_text(request, "room"))
        check_see_money(room, user_id=user.user_id, role=user.role)
        figures = await store.select_figures_of_room(connection, room.id, COUPONS_SHOWN_MAX)
    return json_response({"coupons": figures})


class HaltBody(msgspec.Struct, frozen=True):
    """Body of halting; the reason is shown to viewers."""

    reason: str


async def halt_coupon(request: Request) -> Response:
    """Stop a coupon, claimed or not; orders that have it stand."""
    require_user(request)
    body = await read_body(request, HaltBody)

    async def act(transaction: Transaction, id: str) -> None:
        await halt(transaction, id, body.reason)

    return await _switch(request, act)


async def resume_coupon(request: Request) -> Response:
    """Let a halted coupon go on."""
    return await _switch(request, unhalt)


async def _switch(request: Request, act: Callable[[Transaction, str], Awaitable[None]]) -> Response:
    services, user = services_of(request), require_user(request)
    idempotency_key(request)
    id = path_id(request, "coupon")
    async with services.database.transaction() as transaction:
        room = await select_room(transaction, await select_room_of(transaction, id))
        check_stop_sales(room, user_id=user.user_id, role=user.role)
        await act(transaction, id)
        figures = await store.select_figures(transaction, id)
    return json_response({"coupon": figures})


async def drop_coupons(request: Request) -> Response:
    """Arm a drop of one of the room's coupons."""
    services, user = services_of(request), require_user(request)
    key = idempotency_key(request)
    terms = await read_body(request, DropTerms)
    terms = msgspec.structs.replace(terms, coupon=check_id(terms.coupon, "coupon"))
    async with services.database.transaction() as transaction:
        room = await own_room(transaction, path_text(request, "room"), user)
        armed = await arm_drop(transaction, room, terms, key=key)
    return json_response({"drop": armed}, status=201)


async def close_drop(request: Request) -> Response:
    """End a drop; claims stand."""
    return await _close(request, "end")


async def cancel_drop(request: Request) -> Response:
    """Take a drop back; claims stand."""
    return await _close(request, "cancel")


async def _close(request: Request, event: str) -> Response:
    services, user = services_of(request), require_user(request)
    idempotency_key(request)
    id = path_id(request, "drop")
    async with services.database.transaction() as transaction:
        seen = await store.select_drop(transaction, id)
        room = await select_room(transaction, seen.coupon.room)
        check_command(room, user_id=user.user_id, role=user.role)
        closed = await close(transaction, id, event)
    return json_response({"drop": closed})


async def claim(request: Request) -> Response:
    """Claim a coupon of a drop for the caller."""
    services, user = services_of(request), require_user(request)
    key = idempotency_key(request)
    drop_id = path_id(request, "drop")
    claimed = await services.drops.claim(
        user_id=user.user_id,
        drop_id=drop_id,
        key=key,
        press=read_press(request, user_id=user.user_id, sale_id=drop_id, permit=None),
    )
    return json_response({"claim": claimed}, status=201)


async def list_mine(request: Request) -> Response:
    """List the caller's coupons, those that are over too."""
    services, user = services_of(request), require_user(request)
    claims: list[Any] = list(await services.drops.list_claims(user.user_id))
    return json_response({"claims": claims})


ROUTES = [
    Route("/api/rooms/{room}/coupons", add_coupon, methods=["POST"]),
    Route("/api/rooms/{room}/coupons", list_coupons),
    Route("/api/coupons/{coupon}/halt", halt_coupon, methods=["POST"]),
    Route("/api/coupons/{coupon}/resume", resume_coupon, methods=["POST"]),
    Route("/api/rooms/{room}/drops", drop_coupons, methods=["POST"]),
    Route("/api/drops/{drop}/close", close_drop, methods=["POST"]),
    Route("/api/drops/{drop}/cancel", cancel_drop, methods=["POST"]),
    Route("/api/drops/{drop}/claims", claim, methods=["POST"]),
    Route("/api/coupons", list_mine),
]
