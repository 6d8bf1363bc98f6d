"""What a client may send, and how what it may not is refused."""

from __future__ import annotations

from typing import Any

from loadtests.conformance.ear import Ear
from loadtests.conformance.model import check, require
from loadtests.conformance.stage import Stage


@check("frames.ids", "Frames", "`id` is a text, a whole number or null, and comes back as it is.")
async def ids(stage: Stage) -> None:
    async with stage.settled() as ear:
        for id in ("word", "x" * 64, 7, 0, None):
            ear.send(["q", id, "time", {}])
            answer = await ear.answer(id)
            require(answer[0] == "r", f"a result with the id {id!r}", answer)


@check("frames.bad_frame", "Frames", "A frame of no documented shape is `bad_frame`.")
async def bad_frame(stage: Stage) -> None:
    async with stage.settled(await stage.guest()) as ear:
        for text in (b"not json", b"{}", b"[1]", b"[]"):
            mark = ear.mark
            ear.send_text(text)
            _expect_refused(await ear.hear("e", after=mark), None, ("bad_frame", "unknown_type"))
        mark = ear.mark
        ear.send(["sync", "epoch"])
        await _expect_bad(ear, mark)


@check("frames.bad_frame_id", "Frames", "A bad frame's answer carries its id where it can be read.")
async def bad_frame_id(stage: Stage) -> None:
    async with stage.settled(await stage.guest()) as ear:
        for id, frame in (("a", ["c", "a", 7]), (9, ["q", 9, "time"]), ("b", ["q", "b", "", {}])):
            ear.send(frame)
            _expect_refused(await ear.answer(id), id, ("bad_frame",))
        mark = ear.mark
        ear.send(["c", {"no": "id"}, "text"])
        await _expect_bad(ear, mark)


@check("frames.unknown_type", "Frames", "A type that is not known is answered `unknown_type`.")
async def unknown_type(stage: Stage) -> None:
    async with stage.settled() as ear:
        mark = ear.mark
        ear.send(["later", 1, 2])
        _expect_refused(await ear.hear("e", after=mark), None, ("unknown_type",))


@check("frames.binary", "Frames", "Frames are text: a binary one is `bad_frame`.")
async def binary(stage: Stage) -> None:
    async with stage.settled() as ear:
        mark = ear.mark
        ear.socket.protocol.send_binary(b'["p"]')
        ear.socket.flush()
        await _expect_bad(ear, mark)


@check("frames.fragmented", "Frames", "A message may come in fragments.")
async def fragmented(stage: Stage) -> None:
    async with stage.settled() as ear:
        protocol = ear.socket.protocol
        protocol.send_text(b'["q","in pieces",', fin=False)
        protocol.send_continuation(b'"time",', fin=False)
        protocol.send_continuation(b"{}]", fin=True)
        ear.socket.flush()
        answer = await ear.answer("in pieces")
        require(answer[0] == "r", "a result", answer)


@check("frames.arguments", "Frames", "Arguments too deep, with NUL or beyond 2^53 are refused.")
async def arguments(stage: Stage) -> None:
    deep: dict[str, Any] = {}
    for _ in range(8):
        deep = {"deeper": deep}
    async with stage.settled(await stage.guest()) as ear:
        for args in (deep, {"text": "a\x00b"}, {"number": 2**53 + 2}):
            id = ear.new_id()
            ear.send(["q", id, "reserve", args, "k"])
            _expect_refused(await ear.answer(id), id, ("bad_frame",))


async def _expect_bad(ear: Ear, mark: int) -> None:
    _expect_refused(await ear.hear("e", after=mark), None, ("bad_frame",))


def _expect_refused(answer: list[Any], id: object, codes: tuple[str, ...]) -> None:
    is_so = answer[0] == "e" and answer[1] == id and answer[2]["code"] in codes
    require(is_so, f"['e',{id!r},…] with {' or '.join(codes)}", answer)


CHECKS = (ids, bad_frame, bad_frame_id, unknown_type, binary, fragmented, arguments)
