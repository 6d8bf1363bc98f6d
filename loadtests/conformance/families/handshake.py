"""How a WebSocket is opened, and which openings are refused."""

from __future__ import annotations

from loadtests.conformance.http import Person
from loadtests.conformance.model import MismatchError, check, require
from loadtests.conformance.stage import (
    FOREIGN_ORIGIN,
    SESSION_COOKIE,
    SUBPROTOCOL,
    Stage,
    Visit,
)
from loadtests.conformance.websocket import HandshakeRefusedError


@check("handshake.hello_first", "Frames", "Hello is the first frame, with all its fields.")
async def hello_first(stage: Stage) -> None:
    async with stage.visit() as ear:
        hello = await ear.settle()
        require(ear.frames[0][0] == "h", "'h' first", [parts[0] for parts in ear.frames])
        require(not ear.watch.shape_problems, "documented fields", ear.watch.shape_problems)
        require(hello["rec"] == "fresh", "rec 'fresh' without a position", hello["rec"])
        require(hello["epoch"] == ear.watch.epoch, "the epoch of the Z", hello["epoch"])


@check("handshake.conn", "Frames", "`conn` names the connection; no two have the same.")
async def conn(stage: Stage) -> None:
    async with stage.visit() as one, stage.visit() as two:
        names = [(await ear.hello())["conn"] for ear in (one, two)]
    require(names[0] != names[1], "two names", names)


@check("handshake.snapshot_after_fresh", "Frames", "A fresh hello is followed by `Z`.")
async def snapshot_after_fresh(stage: Stage) -> None:
    async with stage.settled() as ear:
        kinds = [parts[0] for parts in ear.frames if parts[0] in {"h", "Z", "S"}]
    require(kinds[:2] == ["h", "Z"], "h, then Z", kinds)


@check("handshake.subprotocol", "WebSocket", "`hubbub.v1.json` is answered when offered.")
async def subprotocol(stage: Stage) -> None:
    for offered, wanted in (
        ((SUBPROTOCOL,), SUBPROTOCOL),
        (("other.v9", SUBPROTOCOL), SUBPROTOCOL),
    ):
        async with stage.visit(Visit(subprotocols=offered)) as ear:
            require(ear.subprotocol == wanted, f"{wanted} of {offered}", ear.subprotocol)
    async with stage.visit(Visit(subprotocols=())) as ear:
        require(ear.subprotocol is None, "none when none was offered", ear.subprotocol)
        await ear.hello()


@check("handshake.visitor", "WebSocket", "Without a token the connection is a visitor's.")
async def visitor(stage: Stage) -> None:
    async with stage.visit() as ear:
        hello = await ear.hello()
    require(hello["user"] is None, "no user", hello["user"])


@check("handshake.token", "WebSocket", "`t` and `Authorization: Bearer` both name the user.")
async def token(stage: Stage) -> None:
    guest = await stage.guest()
    for visit in (Visit(person=guest), Visit(query={"t": guest.token or ""})):
        async with stage.visit(visit) as ear:
            hello = await ear.hello()
        require(hello["user"] == guest.user, f"{guest.user}", hello["user"])


@check("handshake.bad_token", "WebSocket", "A bad token completes the handshake: 4001.")
async def bad_token(stage: Stage) -> None:
    await _expect_close(stage, Visit(query={"t": "forged"}), 4001)
    await _expect_close(stage, Visit(person=Person(stage.target.base_url, token="forged")), 4001)  # noqa: S106 - meant.


@check("handshake.unknown_room", "WebSocket", "A room that does not exist closes with 4004.")
async def unknown_room(stage: Stage) -> None:
    await _expect_close(stage, Visit(room="no-such-room-here"), 4004)


@check("handshake.version", "WebSocket", "A `v` that is missing or not 1 closes with 4009.")
async def version(stage: Stage) -> None:
    for query in ({"v": ""}, {"v": "2"}):
        await _expect_close(stage, Visit(query=query), 4009)


@check("handshake.position", "WebSocket", "A malformed position, or half of one, closes: 4009.")
async def position(stage: Stage) -> None:
    for query in ({"e": "x"}, {"o": "1"}, {"e": "x", "o": "-1"}, {"e": "x", "o": "one"}):
        await _expect_close(stage, Visit(query=query), 4009)


@check("handshake.foreign_origin", "WebSocket", "A foreign `Origin` gets HTTP 403.")
async def foreign_origin(stage: Stage) -> None:
    try:
        async with stage.visit(Visit(headers={"Origin": FOREIGN_ORIGIN})):
            raise MismatchError("HTTP 403", "101, an open connection")
    except HandshakeRefusedError as refused:
        require(refused.status == 403, "HTTP 403", f"HTTP {refused.status}")


@check("handshake.cookie", "WebSocket", "The cookie counts only beside the pages' own `Origin`.")
async def cookie(stage: Stage) -> None:
    guest = await stage.guest()
    headers = {"Cookie": f"{SESSION_COOKIE}={guest.token}"}
    async with stage.visit(Visit(headers=headers)) as ear:
        hello = await ear.hello()
    require(hello["user"] is None, "no user without an Origin", hello["user"])
    async with stage.visit(Visit(headers=headers | {"Origin": stage.target.origin})) as ear:
        hello = await ear.hello()
    require(hello["user"] == guest.user, "the cookie's user beside the own Origin", hello["user"])


@check("handshake.unknown_query", "Wire contract, version 1", "Unknown query fields are ignored.")
async def unknown_query(stage: Stage) -> None:
    async with stage.visit(Visit(query={"later": "1"})) as ear:
        await ear.settle()


async def _expect_close(stage: Stage, visit: Visit, code: int) -> None:
    async with stage.visit(visit) as ear:
        came = await ear.ended()
        heard = [parts[0] for parts in ear.frames]
    expected = f"an accepted handshake that closes with {code}, and no frame"
    require(came == code and not heard, expected, f"{came}, and the frames {heard}")


CHECKS = (
    hello_first,
    conn,
    snapshot_after_fresh,
    subprotocol,
    visitor,
    token,
    bad_token,
    unknown_room,
    version,
    position,
    foreign_origin,
    cookie,
    unknown_query,
)
