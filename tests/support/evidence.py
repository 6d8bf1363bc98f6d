"""A live show with everything that evidence speaks of: pins, prices, chat, presses, payments."""

from __future__ import annotations

import uuid
from typing import Any

import httpx

from commerce.community.moderation.model import StoredLine
from commerce.community.moderation.store import delete_line, insert_lines
from server.wiring.gateway import GatewayProcess
from tests.support.shop import make_user

TERMS = {
    "sku": "demo-tea-bowl",
    "price_minor": 19_900,
    "quantity": 5,
    "per_buyer": 2,
    "countdown_s": 0,
    "duration_s": 600,
}


class Stage:
    """The demo's room with its people, each with headers of their own."""

    def __init__(self, gateway: GatewayProcess, http: httpx.AsyncClient) -> None:
        self.gateway = gateway
        self.http = http
        self.database = gateway.app.state.services.database
        self.ids: dict[str, str] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.bag: list[dict[str, Any]] = []
        """The show's items, the one of the flash sales first."""
        self.room_id = ""

    async def open(self) -> Stage:
        """Let everybody in and start the show."""
        row = await self.row("SELECT id, host_id FROM rooms WHERE slug = 'demo'")
        self.room_id, host = str(row["id"]), str(row["host_id"])
        self._know("host", host, "host")
        for who, role in (
            ("buyer", "guest"),
            ("viewer", "guest"),
            ("operator", "operator"),
            ("moderator", "moderator"),
            ("stranger", "host"),
        ):
            self._know(who, await make_user(self.database, role=role, name=who.title()), role)
        await self.post("host", "/api/rooms/demo/start")
        bag = (await self.http.get("/api/rooms/demo")).json()["bag"]
        self.bag = sorted(bag, key=lambda item: item["sku"] != TERMS["sku"])
        return self

    def _know(self, who: str, user_id: str, role: str) -> None:
        tokens = self.gateway.app.state.edge.tokens
        identity = tokens.identity(user_id=user_id, name=who.title(), role=role)
        self.ids[who] = user_id
        self.headers[who] = {"Authorization": f"Bearer {tokens.issue(identity)}"}

    async def post(
        self, who: str, path: str, body: Any = None, *, status: int | None = None
    ) -> Any:
        """Make a call as somebody and return what it answers."""
        headers = {**self.headers[who], "Idempotency-Key": str(uuid.uuid4())}
        response = await self.http.post(path, json=body or {}, headers=headers)
        assert response.status_code == status if status else response.is_success, response.text
        return response.json()

    async def get(self, who: str, path: str) -> httpx.Response:
        """Ask as somebody."""
        return await self.http.get(path, headers=self.headers[who])

    async def evidence(self, who: str, order: str) -> dict[str, Any]:
        """Return an order's evidence as somebody reads it."""
        response = await self.get(who, f"/api/orders/{order}/evidence")
        assert response.status_code == 200, response.text
        bundle: dict[str, Any] = response.json()
        return bundle

    async def arm(self, **terms: Any) -> str:
        """Arm a flash sale and open it; return its id."""
        armed = await self.post("host", "/api/rooms/demo/flash-sales", TERMS | terms)
        sale: str = armed["sale"]["id"]
        return sale

    async def pin(self, index: int) -> str:
        """Pin an item of the bag and return it."""
        item: str = self.bag[index]["item"]
        await self.post("host", "/api/rooms/demo/pin", {"item": item})
        return item

    async def say(self, who: str, text: str, at_ms: int, *, flags: tuple[str, ...] = ()) -> str:
        """Store a line of chat as the gateway that carried it does, and return its id."""
        id = str(uuid.UUID(int=(at_ms << 80) | uuid.uuid4().int & ((1 << 76) - 1)))
        line = StoredLine(id, self.ids[who], who.title(), text, flags, at_ms)
        async with self.database.transaction() as transaction:
            await insert_lines(transaction, self.room_id, [line])
        return id

    async def remove(self, line_id: str) -> None:
        """Delete a line as the moderator does."""
        async with self.database.transaction() as transaction:
            assert await delete_line(
                transaction, room_id=self.room_id, line_id=line_id, by=self.ids["moderator"]
            )

    async def order(self, who: str, sale: str, qty: int = 1) -> tuple[str, str]:
        """Press and order; return (order, reservation)."""
        pressed = await self.post(who, f"/api/sales/{sale}/reservations", {"qty": qty})
        reservation: str = pressed["reservation"]["id"]
        ordered = await self.post(who, "/api/orders", {"reservations": [reservation]})
        order: str = ordered["order"]["id"]
        return order, reservation

    async def entry(self, who: str, sale: str) -> Any:
        """Return the row of somebody's entry into a draw."""
        return await self.row(
            "SELECT * FROM draw_entries WHERE sale_id = $1 AND user_id = $2", sale, self.ids[who]
        )

    async def row(self, query: str, *values: Any) -> Any:
        """Return one row."""
        async with self.database.reading() as connection:
            return await connection.fetchrow(query, *values)

    async def change(self, statement: str, *values: Any) -> None:
        """Change rows behind everybody's back."""
        async with self.database.transaction() as transaction:
            await transaction.execute(statement, *values)
