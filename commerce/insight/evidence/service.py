"""Gather the evidence of an order in one instant of the database.

It stands here because it reads orders, sales, shows and chat, and nothing of them reads it.
"""

from __future__ import annotations

from typing import Any

from commerce.community.chat_archive.store import begin_look_back
from commerce.insight.evidence import store
from commerce.insight.evidence.model import CHAT_WINDOWS_MAX, Facts, OrderFacts, PressFacts
from commerce.insight.evidence.rules import build, decide_view, moments_of
from commerce.kernel.errors import not_found
from commerce.kernel.ports import Connection, Database
from commerce.records.clock.store import select_now_ms
from commerce.shows.recordings.store import find_recording
from commerce.shows.schedule.store import select_room_by_id


async def read_evidence(
    database: Database, order_id: str, *, user_id: str, role: str
) -> dict[str, Any]:
    """Return an order's evidence, reduced for its buyer; raises `not_found` or `forbidden`."""
    async with database.reading() as connection:
        order = await _order(connection, order_id)
        room = await select_room_by_id(connection, order.room_id)
        view = decide_view(room, order.user_id, user_id=user_id, role=role)
        return build(await _gather(connection, order), view)


async def export_evidence(database: Database, order_id: str) -> dict[str, Any]:
    """Return an order's whole evidence for whoever runs the shop; raises `not_found`."""
    async with database.reading() as connection:
        order = await _order(connection, order_id)
        return build(await _gather(connection, order), "staff")


async def _order(connection: Connection, order_id: str) -> OrderFacts:
    order = await store.find_order(connection, order_id)
    if order is None:
        raise not_found("order")
    return order


async def _gather(connection: Connection, order: OrderFacts) -> Facts:
    await begin_look_back(connection)
    presses = [
        PressFacts(
            press=press,
            prices=await store.select_prices(connection, press, order.show_id),
            terms=await store.select_terms(connection, press),
            events=await store.select_events(connection, press, order.room_id),
        )
        for press in await store.select_presses(connection, order.id)
    ]
    recording = await find_recording(connection, order.show_id)
    moments = moments_of(presses)
    return Facts(
        made_at_ms=await select_now_ms(connection),
        order=order,
        presses=presses,
        chats=[
            await store.select_chat(connection, order, at_ms)
            for at_ms in moments[:CHAT_WINDOWS_MAX]
        ],
        money=await store.select_money(connection, order.id),
        recorded=[] if recording is None else recording.parts,
    )
