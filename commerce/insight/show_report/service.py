"""Put together what the console shows, in one instant of the database."""

from __future__ import annotations

from typing import Any

import msgspec

from commerce.community.moderation.store import select_mutes
from commerce.goods.presses.store import select_answers, select_first_seconds
from commerce.insight.audit.service import describe_latest
from commerce.insight.deliveries.service import read_delivery
from commerce.insight.pictures.service import read_pictures
from commerce.insight.show_report import store
from commerce.kernel.ports import Connection
from commerce.sales.group_buys.store import select_outliving
from commerce.sales.show_floor.model import SaleView
from commerce.sales.show_floor.store import select_floor, select_sale_view
from commerce.shows.schedule.model import Room, Show
from commerce.shows.schedule.store import select_current_show

# The bars over the now panel: the first half minute tells the rush.
PRESS_SECONDS_SHOWN = 30
# Group buys whose teams outlive their shows; a host who has more of them has other worries.
GROUP_BUYS_SHOWN = 20
# The light names the first few; the whole report is the operator's.
VIOLATIONS_SHOWN = 3
RUNNING = ("armed", "open", "sold_out", "halted")


async def read_console(
    connection: Connection, room: Room, *, viewers: int, sees_money: bool, sees_rows: bool
) -> dict[str, Any]:
    """Return the console of a room; without `sees_money` no amount and no order is in it.

    The audit is the whole installation's: only with `sees_rows` it names the rows that are wrong.
    """
    show = await select_current_show(connection, room.id)
    floor = await select_floor(connection, room)
    console: dict[str, Any] = {
        "room": room.slug,
        "show": msgspec.to_builtins(floor.show),
        "pinned": floor.pinned,
        "announcement": room.announcement,
        "delivery": await read_delivery(connection, room.id),
        "picture": await read_pictures(connection, room.id),
        "mutes": [
            {"user": mute.user_id, "name": mute.name, "until_ms": mute.until_ms}
            for mute in await select_mutes(connection, room.id)
        ],
    }
    if show is None:
        return console | {"run": [], "now": None, "audit": None}
    console["run"] = await _run_sheet(connection, show, floor.sales, sees_money=sees_money)
    console["now"] = await _now(connection, floor.pinned, floor.sales)
    pins = await store.select_rows(connection, store.SELECT_PINS, show.id)
    open_pins = [pin for pin in pins if pin["to_ms"] is None]
    console["pinned_at_ms"] = open_pins[-1]["from_ms"] if open_pins else None
    console["series"] = await _series(connection, show, pins, sees_money=sees_money)
    figures = (await store.select_rows(connection, store.SELECT_FIGURES, show.id))[0]
    if not sees_money:
        figures = {name: figures[name] for name in ("viewers_avg", "viewers_peak")}
    console["figures"] = {**figures, "viewers": viewers}
    console["audit"] = None
    if sees_money:
        console["group_buys"] = await _outliving(connection, room, show)
        console["orders"] = await store.select_rows(connection, store.SELECT_LAST_ORDERS, show.id)
        console["audit"] = await _audit(connection, sees_rows=sees_rows)
    return console


async def _outliving(connection: Connection, room: Room, show: Show) -> list[dict[str, Any]]:
    """Return the group buys that are not on the floor, and of which a team still forms."""
    on_floor = None if show.status == "ended" else show.id
    ids = await select_outliving(connection, room.id, on_floor, GROUP_BUYS_SHOWN)
    return [msgspec.to_builtins(await select_sale_view(connection, id)) for id in ids]


async def _run_sheet(
    connection: Connection, show: Show, sales: list[SaleView], *, sees_money: bool
) -> list[dict[str, Any]]:
    by_id = {sale.id: sale for sale in sales}
    flash = {sale.item: sale for sale in sales if sale.kind == "flash"}
    rows = []
    for row in await store.select_rows(connection, store.SELECT_RUN, show.id):
        regular = by_id.get(row["sale"])
        is_now, is_done = row.pop("is_now"), row.pop("is_done")
        paid, gmv_minor = row.pop("paid"), row.pop("gmv_minor")
        row["stock"] = list(regular.stock) if regular else [0, 0, 0]
        row["status"] = "now" if is_now else "done" if is_done else "to_come"
        row["result"] = {"paid": paid, "gmv_minor": gmv_minor} if sees_money else {"paid": paid}
        row["flash"] = msgspec.to_builtins(flash.get(row["item"]))
        rows.append(row)
    return rows


async def _now(
    connection: Connection, pinned: str | None, sales: list[SaleView]
) -> dict[str, Any] | None:
    """Return the sale of the pinned item: its flash sale while one runs, else its regular one.

    With nothing pinned the newest running flash sale is what matters now.
    """
    flash = [sale for sale in sales if sale.kind == "flash" and sale.state in RUNNING]
    mine = [sale for sale in flash if sale.item == pinned] or [
        sale for sale in sales if sale.item == pinned and sale.kind == "regular"
    ]
    if not mine and not flash:
        return None
    sale = mine[-1] if mine else flash[-1]
    refused = await select_answers(connection, sale.id)
    got = refused.pop("reserved", 0)
    seconds = await select_first_seconds(connection, sale.id, PRESS_SECONDS_SHOWN)
    return {
        "sale": msgspec.to_builtins(sale),
        "presses": got + sum(refused.values()),
        "got": got,
        "refused": refused,
        "presses_per_s": [{"at_ms": second_ms, "count": count} for second_ms, count in seconds],
        "holds_ending_60s": await store.select_holds_ending(connection, sale.id),
    }


async def _series(
    connection: Connection, show: Show, pins: list[dict[str, Any]], *, sees_money: bool
) -> dict[str, Any]:
    viewers = await store.select_rows(connection, store.SELECT_VIEWERS, show.id)
    flash = await store.select_rows(connection, store.SELECT_FLASH, show.id)
    series: dict[str, Any] = {
        "viewers": [[row["at_ms"], row["viewers"]] for row in viewers],
        "pins": pins,
        "flash": flash,
        "groups": await store.select_rows(connection, store.SELECT_GROUP_BUYS, show.id),
        "orders": [],
        "gmv": [],
    }
    if sees_money:
        total_minor = 0
        for row in await store.select_rows(connection, store.SELECT_ORDERS_A_MINUTE, show.id):
            total_minor += row["gmv_minor"]
            series["orders"].append([row["minute_ms"], row["orders"]])
            series["gmv"].append([row["minute_ms"], total_minor])
    return series


async def _audit(connection: Connection, *, sees_rows: bool) -> dict[str, Any] | None:
    report = await describe_latest(connection)
    if report["at_ms"] is None:
        return None
    shown = ("ok", "oversold", "at_ms", "behind", "turn")
    audit: dict[str, Any] = {name: report[name] for name in shown}
    for severity in ("violations", "warnings"):
        broken = report[severity][:VIOLATIONS_SHOWN]
        audit[severity] = broken if sees_rows else [_without_rows(one) for one in broken]
    return audit


def _without_rows(broken: dict[str, Any]) -> dict[str, Any]:
    """Keep of a broken check what tells nothing of another room: no row and no sale."""
    return {name: broken[name] for name in ("check", "count", "since_ms")}
