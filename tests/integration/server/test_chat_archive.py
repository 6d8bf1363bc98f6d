"""Search and export of a chat over HTTP: who may, what comes back, and what it leaves alone."""

from __future__ import annotations

import csv
import io
import re
import secrets
from collections.abc import Sequence
from urllib.parse import quote

import httpx
import pytest

from commerce.community.chat_archive import service, store
from commerce.community.chat_archive.model import Search
from commerce.community.chat_archive.service import ChatArchive
from commerce.kernel.errors import CommerceError
from commerce.kernel.ids import uuid7
from realtime.protocol.messages import ChatLine
from server.db.database import PgDatabase
from server.room_state import RoomStates
from server.wiring.gateway import GatewayProcess
from server.wiring.sources import FreshIds
from tests.integration.server.test_edge import Person, sign_in, staff
from tests.support.shop import Shop, make_shop, make_user

CHAT = "/api/rooms/demo/chat"


@pytest.fixture
async def moderator(gateway: GatewayProcess, http: httpx.AsyncClient) -> Person:
    """The demo room's moderator."""
    return await staff(gateway, http, "moderator")


async def say(
    database: PgDatabase, room_id: str, texts: Sequence[str], *, at_ms: int = 1_700_000_000_000
) -> list[ChatLine]:
    """Store one line a millisecond as the gateway would, and return them."""
    user = await make_user(database, name="Lin")
    lines = [
        ChatLine(str(uuid7(ms, secrets.token_bytes(10))), user, "Lin", text, (), ms)
        for ms, text in enumerate(texts, at_ms)
    ]
    await RoomStates(database).save(room_id, lines)
    return lines


async def room_id(gateway: GatewayProcess) -> str:
    """The demo room's id."""
    found = await gateway.app.state.services.states.find("demo")
    return str(found.id)


async def test_guests_and_visitors_do_not_look_back(http: httpx.AsyncClient) -> None:
    guest = await sign_in(http, "/api/guests", {"name": "Lin"})
    for path in (CHAT, f"{CHAT}.csv"):
        assert await guest.call("GET", path) == (403, "forbidden"), path
        assert (await http.get(path)).status_code == 401, path


async def test_a_moderator_looks_back_in_the_own_room_only(
    gateway: GatewayProcess, moderator: Person
) -> None:
    await make_shop(gateway.app.state.services.database, slug="other")
    for path in ("chat", "chat.csv"):
        found = await moderator.call("GET", f"/api/rooms/other/{path}")
        assert found == (403, "forbidden"), path
        found = await moderator.call("GET", f"/api/rooms/nowhere/{path}")
        assert found == (404, "not_found"), path


async def test_search_finds_words_of_two_languages_newest_first_and_marks_deleted_ones(
    gateway: GatewayProcess, moderator: Person
) -> None:
    database = gateway.app.state.services.database
    texts = ["三号链接还有吗", "How much is No. 3", "三号还有", "100% cotton_", "1000"]
    lines = await say(database, await room_id(gateway), texts)
    assert (await moderator.call("DELETE", f"{CHAT}/{lines[2].id}"))[0] == 200

    async def find(query: str) -> list[str]:
        status, page = await moderator.call("GET", f"{CHAT}?{query}")
        assert (status, page["next"]) == (200, None)
        return [line["text"] for line in page["lines"]]

    assert await find("") == texts[::-1]
    assert await find(f"q={quote('三号')}") == [texts[2], texts[0]]
    assert await find("q=HOW%20MUCH") == [texts[1]]
    assert await find("q=0%25") == [texts[3]]
    assert await find("q=n_") == [texts[3]]
    assert await find("q=lin") == texts[::-1]
    assert await find(f"user={lines[0].user}&q=1000") == [texts[4]]
    assert await find(f"user={FreshIds().new()}") == []
    _, page = await moderator.call("GET", f"{CHAT}?q={quote('三号')}")
    deleted, kept = page["lines"]
    assert deleted["deleted"]["at_ms"] > 0
    assert deleted["deleted"]["name"]
    assert kept == {
        "id": lines[0].id,
        "user": lines[0].user,
        "name": "Lin",
        "text": texts[0],
        "flags": [],
        "at_ms": lines[0].at_ms,
        "deleted": None,
    }


async def test_pages_follow_each_other_without_a_hole(
    gateway: GatewayProcess, moderator: Person
) -> None:
    database = gateway.app.state.services.database
    lines = await say(database, await room_id(gateway), ["x"] * 5)
    found: list[str] = []
    cursor = ""
    for _ in range(3):
        _, page = await moderator.call("GET", f"{CHAT}?limit=2{cursor}")
        found += [line["id"] for line in page["lines"]]
        cursor = f"&before={page['next']}"
    assert found == [line.id for line in reversed(lines)]
    assert page["next"] is None


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "before=7", "user=lin", f"q={'x' * 101}"]
)
async def test_impossible_searches_are_refused(moderator: Person, query: str) -> None:
    assert await moderator.call("GET", f"{CHAT}?{query}") == (400, "invalid_request")


async def test_another_rooms_lines_are_never_found(
    gateway: GatewayProcess, moderator: Person
) -> None:
    database = gateway.app.state.services.database
    other = await make_shop(database, slug="other")
    await say(database, other.room.id, ["secret"])
    assert await moderator.call("GET", f"{CHAT}?q=secret") == (200, {"lines": [], "next": None})
    assert "secret" not in (await moderator.http.get(f"{CHAT}.csv", headers=moderator.headers)).text


async def test_an_export_is_a_file_that_spreadsheets_read_and_do_not_run(
    gateway: GatewayProcess, moderator: Person
) -> None:
    database = gateway.app.state.services.database
    texts = ["=HYPERLINK(1)", 'say "hi", 三号', "late"]
    lines = await say(database, await room_id(gateway), texts)
    await moderator.call("DELETE", f"{CHAT}/{lines[1].id}")
    response = await moderator.http.get(f"{CHAT}.csv", headers=moderator.headers)
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == 'attachment; filename="chat-demo.csv"'
    assert response.content.startswith(b'\xef\xbb\xbf"at",')
    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert [row["text"] for row in rows] == ["'=HYPERLINK(1)", 'say "hi", 三号', "late"]
    assert [bool(row["deleted_at"]) for row in rows] == [False, True, False]
    assert rows[1]["deleted_by"]
    bad = await moderator.http.get(f"{CHAT}.csv?since_ms=5&until_ms=5", headers=moderator.headers)
    assert bad.json()["error"]["code"] == "invalid_request"


@pytest.fixture
async def archive_shop(database: PgDatabase) -> Shop:
    """A room to look back in."""
    return await make_shop(database)


async def test_a_scan_is_bounded_and_goes_on_where_it_stopped(
    database: PgDatabase, archive_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SCAN_LINES_MAX", 3)
    room = archive_shop.room.id
    lines = await say(database, room, ["needle", *["hay"] * 6])
    archive = ChatArchive(database)
    first = await archive.search(room, Search(text="needle"))
    assert (first.lines, first.next) == ([], lines[4].id)
    second = await archive.search(room, Search(text="needle", before=first.next))
    assert (second.lines, second.next) == ([], lines[1].id)
    third = await archive.search(room, Search(text="needle", before=second.next))
    assert ([line.id for line in third.lines], third.next) == ([lines[0].id], None)
    of_author = await archive.search(room, Search(text="needle", user_id=lines[0].user))
    assert (of_author.lines, of_author.next) == ([], lines[4].id)


async def test_every_look_back_is_in_order_of_its_room(
    database: PgDatabase, archive_shop: Shop
) -> None:
    room, user = archive_shop.room.id, FreshIds().new()
    span = (room, store.ID_MAX, store.ID_MIN)
    queries = {
        store.SEARCH: (*span, 50_000, "%q%", 51),
        store.SEARCH_OF_AUTHOR: (*span, 50_000, "%q%", 51, user),
        store.LAST_SCANNED: (*span, 49_999),
        store.LAST_SCANNED_OF_AUTHOR: (*span, 49_999, user),
        store.SELECT_CHUNK: (room, store.ID_MIN, store.ID_MAX, 1_000),
    }
    async with database.transaction() as transaction:
        await transaction.execute("SET LOCAL enable_seqscan = off")
        await store.begin_look_back(transaction)
        for query, arguments in queries.items():
            rows = await transaction.fetch(f"EXPLAIN {query}", *arguments)
            plan = "\n".join(row[0] for row in rows)
            assert re.search(r"Index Cond: .*(ROW\((c\.)?room_id, |user_id = )", plan), plan
            assert "chat_lines_pkey" not in plan, plan
            assert "Sort" not in plan, plan


async def test_an_export_comes_in_chunks_by_time_and_only_so_many_at_once(
    database: PgDatabase, archive_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "CHUNK_LINES", 2)
    room = archive_shop.room.id
    lines = await say(database, room, ["0", "1", "2", "3", "4"])
    begin_ms = lines[0].at_ms
    archive = ChatArchive(database)
    export = archive.open_export(room, since_ms=begin_ms + 1, until_ms=begin_ms + 4)
    other = archive.open_export(room, since_ms=0, until_ms=1)
    with pytest.raises(CommerceError, match="overloaded"):
        archive.open_export(room, since_ms=0, until_ms=1)
    chunks = [[line.text for line in chunk] async for chunk in export.chunks()]
    assert chunks == [["1"], ["2", "3"]]
    export.close()
    archive.open_export(room, since_ms=0, until_ms=1).close()
    other.close()
