"""Keeping order: deleting lines, muting people."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from loadtests.conformance.http import expect_error
from loadtests.conformance.model import NotApplicableError, check, require
from loadtests.conformance.stage import Stage

STORED_TRIES = 80
STORED_PAUSE_S = 0.25


@check(
    "moderation.delete",
    "Moderation",
    "A deleted line is gone for everybody: `chat.deleted`.",
    needs_host=True,
)
async def delete(stage: Stage) -> None:
    host, guest = stage.host, await stage.guest()
    await _require_plain_chat(stage)
    async with stage.settled(guest) as ear:
        answer = await ear.say(f"Delete me {uuid4().hex[:8]}")
        require(answer[0] == "r", "an accepted line", answer)
        line = answer[2]["line"]
        call = f"DELETE {stage.room_path}/chat/{line}"
        reply = await host.call(call)
        for _ in range(STORED_TRIES):
            if reply.status != 404:
                break
            # A line is stored some moments after it was said.
            await asyncio.sleep(STORED_PAUSE_S)
            reply = await host.call(call)
        require(reply.status == 200, f"{call}: 200", str(reply))
        await ear.hear_event("chat.deleted", lambda payload: payload["line"] == line)
        ids = [row[0] for row in (await stage.state())["chat"]]
        require(line not in ids, "a state without the line", ids)
        expect_error(await host.call(call), 404, "not_found")
    stage.left["events in the room's log"] += 1


@check(
    "moderation.mute",
    "Moderation",
    "A muted person is told, refused, and can be unmuted.",
    needs_host=True,
)
async def mute(stage: Stage) -> None:
    host, guest = stage.host, await stage.guest()
    await _require_plain_chat(stage)
    user = guest.user["id"]
    async with stage.settled(guest) as ear:
        answer = await host.do(
            f"POST {stage.room_path}/mutes", {"user": user, "minutes": 1}, status=201
        )
        until_ms = answer["mute"]["until_ms"]
        await ear.hear_event("user.muted", lambda payload: payload["user"] == user)
        told = await ear.hear("D", lambda parts: parts[1] == "muted")
        require(told[2]["until_ms"] == until_ms, f"until_ms {until_ms}", told)
        refused = await ear.say("May I?")
        is_so = refused[0] == "e" and refused[2]["code"] == "muted"
        require(is_so and refused[2].get("retry_ms", 0) > 0, "muted, with retry_ms", refused)
        await host.do(f"DELETE {stage.room_path}/mutes/{user}")
        await ear.hear_event(
            "user.muted", lambda payload: payload["user"] == user and payload["until_ms"] == 0
        )
        said = await ear.say(f"Thank you {uuid4().hex[:8]}")
        require(said[0] == "r", "an accepted line after the unmute", said)
    stage.left["chat lines"] += 1
    stage.left["events in the room's log"] += 2


@check(
    "moderation.staff",
    "Moderation",
    "Who keeps order is not muted: `staff_not_muted`.",
    needs_host=True,
)
async def staff(stage: Stage) -> None:
    host = stage.host
    body = {"user": host.user["id"], "minutes": 1}
    reply = await host.call(f"POST {stage.room_path}/mutes", body)
    expect_error(reply, 409, "staff_not_muted")


@check("moderation.forbidden", "Moderation", "A guest moderates nothing: `forbidden`.")
async def forbidden(stage: Stage) -> None:
    guest = await stage.guest()
    body = {"user": guest.user["id"], "minutes": 1}
    expect_error(await guest.call(f"POST {stage.room_path}/mutes", body), 403, "forbidden")
    reply = await guest.call(f"DELETE {stage.room_path}/chat/{uuid4()}")
    expect_error(reply, 403, "forbidden")


async def _require_plain_chat(stage: Stage) -> None:
    modes = (await stage.state())["modes"]
    if any(modes.values()):
        raise NotApplicableError(f"the room's chat has modes on: {modes}")


CHECKS = (delete, mute, staff, forbidden)
