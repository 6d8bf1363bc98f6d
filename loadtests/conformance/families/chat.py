"""The chat lane: lines, and what a line may not be."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from loadtests.conformance.ear import Ear
from loadtests.conformance.http import expect_shape
from loadtests.conformance.model import NotApplicableError, check, require
from loadtests.conformance.shapes import LINE
from loadtests.conformance.stage import Stage

BURST = 3
# A line is stored some moments after it was said.
STORED_TRIES = 80
STORED_PAUSE_S = 0.25


@check("chat.echo", "Chat lane", "A line is answered, and its author sees it as everybody does.")
async def echo(stage: Stage) -> None:
    guest, text = await _chatter(stage), f"Is it glazed inside? {uuid4().hex[:8]}"
    async with stage.settled(guest) as author, stage.settled() as other:
        line = _expect_said(stage, await author.say(text))
        seen = expect_shape(await _line(author, line), LINE, "a line of chat")
        came = [seen[1], seen[2], seen[3], seen[4]]
        wanted = [guest.user["id"], guest.user["name"], text, []]
        require(came == wanted, f"{wanted}", came)
        await other.wait_until(lambda: _find(other, line) is not None or _dropped(other) > 0)
        dropped = _dropped(other)
        found = _find(other, line)
        require(found == seen or dropped > 0, "the line for others too, or a count", found)


@check("chat.kept", "Room state", "A line is stored: the room's state shows it to newcomers.")
async def kept(stage: Stage) -> None:
    async with stage.settled(await _chatter(stage)) as author:
        line = _expect_said(stage, await author.say(f"Kept {uuid4().hex[:8]}"))
        shown: list[str] = []
        for _ in range(STORED_TRIES):
            shown = [row[0] for row in (await stage.state())["chat"]]
            if line in shown:
                break
            await asyncio.sleep(STORED_PAUSE_S)
    require(line in shown, f"the line {line} in the state's chat", shown)


@check("chat.empty_line", "Error codes", "A line without a visible character is `empty_line`.")
async def empty_line(stage: Stage) -> None:
    async with stage.settled(await _chatter(stage)) as author:
        for text in ("", "   ", "\u200b\t"):
            _expect_refused(await author.say(text), "empty_line")


@check("chat.too_long", "Limits", "A line longer than `limits.chat_chars` is `too_long`.")
async def too_long(stage: Stage) -> None:
    async with stage.settled(await _chatter(stage)) as author:
        chars = (await author.hello())["limits"]["chat_chars"]
        _expect_refused(await author.say("x" * (chars + 1)), "too_long")
        _expect_said(stage, await author.say("The longest line " + "x" * (chars - 17)))


@check("chat.duplicate", "Error codes", "The same words within 30 s are `duplicate`.")
async def duplicate(stage: Stage) -> None:
    text = f"Again {uuid4().hex[:8]}"
    async with stage.settled(await _chatter(stage)) as author:
        _expect_said(stage, await author.say(text))
        error = _expect_refused(await author.say(text.upper()), "duplicate")
        require(error.get("retryable") is True, "retryable", error)


@check("chat.slow_down", "Limits", "A fourth line at once is `slow_down`, with `retry_ms`.")
async def slow_down(stage: Stage) -> None:
    async with stage.settled(await _chatter(stage)) as author:
        for number in range(BURST + 1):
            author.send(["c", f"line {number}", f"{number} {uuid4().hex[:8]}"])
        answers = [await author.answer(f"line {number}") for number in range(BURST + 1)]
    for answer in answers[:BURST]:
        _expect_said(stage, answer)
    error = _expect_refused(answers[BURST], "slow_down")
    is_so = 0 < error.get("retry_ms", 0) <= 2_000 and error["retryable"] is True
    require(is_so, "retry_ms of about a second", error)


async def _chatter(stage: Stage) -> Any:
    modes = (await stage.state())["modes"]
    if any(modes.values()):
        raise NotApplicableError(f"the room's chat has modes on: {modes}")
    return await stage.guest()


def _expect_said(stage: Stage, answer: list[Any]) -> str:
    is_so = answer[0] == "r" and isinstance(answer[2].get("line"), str)
    require(is_so, 'a result {"line"}', answer)
    stage.left["chat lines"] += 1
    line: str = answer[2]["line"]
    return line


def _expect_refused(answer: list[Any], code: str) -> dict[str, Any]:
    require(answer[0] == "e" and answer[2]["code"] == code, f"a refusal with {code}", answer)
    error: dict[str, Any] = answer[2]
    return error


def _find(ear: Ear, line: str) -> list[Any] | None:
    rows = (row for parts in ear.of("L") for row in parts[2])
    return next((row for row in rows if row[0] == line), None)


def _dropped(ear: Ear) -> int:
    """Return how many lines somebody was told to have missed."""
    return sum(parts[3] for parts in ear.of("L"))


async def _line(ear: Ear, line: str) -> list[Any]:
    await ear.wait_until(lambda: _find(ear, line) is not None)
    found = _find(ear, line)
    require(found is not None, f"the own line {line} in an L frame", ear.of("L"))
    return found or []


CHECKS = (echo, kept, empty_line, too_long, duplicate, slow_down)
