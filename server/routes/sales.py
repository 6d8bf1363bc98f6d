"""Flash sales and reservations over HTTP."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from commerce.goods.carts.views import view_cart
from commerce.goods.inventory.journal import read_journal
from commerce.goods.inventory.views import view_answer, view_reservation
from commerce.kernel.ports import Transaction
from commerce.sales.flash_sales.halting import halt, unhalt
from commerce.sales.flash_sales.model import FlashSaleTerms
from commerce.sales.flash_sales.service import arm, finish
from commerce.sales.flash_sales.store import select_sale
from commerce.sales.show_floor.store import select_sale_view
from commerce.shows.schedule.rules import check_command, check_see_money, check_stop_sales
from commerce.shows.schedule.store import select_room
from realtime.rooms.ports import Identity
from server.arguments import check_id
from server.routes.errors import json_response
from server.routes.presses import read_press, read_wish
from server.routes.requests import (
    idempotency_key,
    path_id,
    path_text,
    query_number,
    read_body,
    read_optional_body,
    require_user,
)
from server.routes.rooms import own_room
from server.services import services_of


class CartItem(msgspec.Struct, frozen=True):
    """One line of a cart."""

    sale: str
    qty: int
    permit: str | None = None


class CartBody(msgspec.Struct, frozen=True):
    """Body of a cart: sales of one room."""

    items: list[CartItem]


class CloseBody(msgspec.Struct, frozen=True):
    """Body of closing or cancelling; the reason is shown to viewers."""

    reason: str | None = None


class HaltBody(msgspec.Struct, frozen=True):
    """Body of halting; the reason is shown to viewers."""

    reason: str
    release_holds: bool = False


async def arm_flash_sale(request: Request) -> Response:
    """Carve out stock, arm the sale and tell the room when it opens."""
    services, user = services_of(request), require_user(request)
    key = idempotency_key(request)
    terms = await read_body(request, FlashSaleTerms)
    async with services.database.transaction() as transaction:
        room = await own_room(transaction, path_text(request, "room"), user)
        sale_id, is_new = await arm(transaction, services.ids, room, terms, key=key)
        sale = msgspec.to_builtins(await select_sale_view(transaction, sale_id))
        if is_new:
            transaction.announce(room.id, "flash.armed", {"sale": sale})
    return json_response({"sale": sale}, status=201)


async def close_sale(request: Request) -> Response:
    """End a running flash sale; holds and paid orders stand."""
    return await _finish(request, "end")


async def cancel_sale(request: Request) -> Response:
    """Stop a flash sale with a reason; holds and paid orders stand."""
    return await _finish(request, "cancel")


async def _finish(request: Request, event: str) -> Response:
    services, user = services_of(request), require_user(request)
    idempotency_key(request)
    sale_id = path_id(request, "sale")
    reason = (await read_optional_body(request, CloseBody)).reason
    async with services.database.transaction() as transaction:
        sale = await select_sale(transaction, sale_id)
        room = await select_room(transaction, sale.room)
        check_command(room, user_id=user.user_id, role=user.role)
        done = await finish(transaction, sale_id, event, reason)
        view = msgspec.to_builtins(await select_sale_view(transaction, sale_id))
    services.inventory.forget_latches([done.pool_id])
    return json_response({"sale": view})


async def show_journal(request: Request) -> Response:
    """Answer a stretch of the journal of a sale's pool, for whoever checks what was told."""
    services, user = services_of(request), require_user(request)
    sale_id = path_id(request, "sale")
    after = query_number(request, "after", default=0)
    async with services.database.reading() as connection:
        sale = await select_sale(connection, sale_id)
        room = await select_room(connection, sale.room)
        check_see_money(room, user_id=user.user_id, role=user.role)
        page = await read_journal(connection, sale_id, after=after)
    return json_response(
        {
            "steps": [[s.version, s.claimed_delta, s.total_delta, s.at_ms] for s in page.steps],
            "reasons": [s.reason for s in page.steps],
            "granted": [[g.id, g.version, g.qty, g.state, g.sale] for g in page.granted],
            "is_end": page.is_end,
        }
    )


async def halt_sale(request: Request) -> Response:
    """Stop a sale of any kind; with `release_holds` its unpaid holds end too."""
    services, user = services_of(request), require_user(request)
    idempotency_key(request)
    sale_id = path_id(request, "sale")
    body = await read_body(request, HaltBody)
    released = 0
    while True:
        async with services.database.transaction() as transaction:
            await _check_stop(transaction, sale_id, user)
            done = await halt(transaction, sale_id, body.reason, release_holds=body.release_holds)
            view = msgspec.to_builtins(await select_sale_view(transaction, sale_id))
        released += done.released
        if not body.release_holds or done.released == 0:
            break
    services.inventory.forget_latches([done.sale.pool_id])
    return json_response({"sale": view, "released": released})


async def resume_sale(request: Request) -> Response:
    """Let a halted sale go on."""
    services, user = services_of(request), require_user(request)
    idempotency_key(request)
    sale_id = path_id(request, "sale")
    async with services.database.transaction() as transaction:
        await _check_stop(transaction, sale_id, user)
        await unhalt(transaction, sale_id)
        view = msgspec.to_builtins(await select_sale_view(transaction, sale_id))
    return json_response({"sale": view})


async def _check_stop(transaction: Transaction, sale_id: str, user: Identity) -> None:
    room = await select_room(transaction, (await select_sale(transaction, sale_id)).room)
    check_stop_sales(room, user_id=user.user_id, role=user.role)


async def reserve(request: Request) -> Response:
    """Reserve units of a sale for the caller."""
    answer = await services_of(request).inventory.reserve(**await read_wish(request))
    return json_response(view_answer(answer), status=201)


async def reserve_cart(request: Request) -> Response:
    """Reserve units of several sales for the caller, all or nothing."""
    services, user = services_of(request), require_user(request)
    key = idempotency_key(request)
    body = await read_body(request, CartBody)
    items = [(check_id(item.sale, "sale"), item.qty) for item in body.items]
    presses = {
        sale_id: read_press(request, user_id=user.user_id, sale_id=sale_id, permit=item.permit)
        for (sale_id, _), item in zip(items, body.items, strict=True)
    }
    answer = await services.carts.reserve(
        user_id=user.user_id, items=items, key=key, presses=presses
    )
    return json_response(view_cart(answer), status=201)


async def release(request: Request) -> Response:
    """Give a hold back; its units are free at once."""
    services, user = services_of(request), require_user(request)
    idempotency_key(request)
    released = await services.inventory.release(
        user_id=user.user_id, reservation_id=path_id(request, "reservation")
    )
    return json_response({"reservation": view_reservation(released)})


async def list_holds(request: Request) -> Response:
    """List the caller's live holds."""
    services, user = services_of(request), require_user(request)
    holds = await services.inventory.list_holds(user.user_id)
    return json_response(
        {"reservations": [{**view_reservation(hold), "room": hold.room} for hold in holds]}
    )


ROUTES = [
    Route("/api/rooms/{room}/flash-sales", arm_flash_sale, methods=["POST"]),
    Route("/api/sales/{sale}/close", close_sale, methods=["POST"]),
    Route("/api/sales/{sale}/cancel", cancel_sale, methods=["POST"]),
    Route("/api/sales/{sale}/journal", show_journal),
    Route("/api/sales/{sale}/halt", halt_sale, methods=["POST"]),
    Route("/api/sales/{sale}/resume", resume_sale, methods=["POST"]),
    Route("/api/sales/{sale}/reservations", reserve, methods=["POST"]),
    Route("/api/reservations", reserve_cart, methods=["POST"]),
    Route("/api/reservations", list_holds),
    Route("/api/reservations/{reservation}", release, methods=["DELETE"]),
]
