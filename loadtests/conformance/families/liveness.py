"""Heartbeats, pings and goodbyes. These wait; they run beside everything else."""

from __future__ import annotations

from loadtests.conformance.model import NotApplicableError, check, require
from loadtests.conformance.stage import Stage

# A turn of the server's wheel, and a machine that is busy.
HEARTBEAT_SLACK_S = 10.0
HEARTBEAT_S_MAX = 25


@check("liveness.heartbeat", "Frames", "`p` comes every `hb_s` seconds, beside a WebSocket ping.")
async def heartbeat(stage: Stage) -> None:
    async with stage.settled() as ear:
        every_s = (await ear.hello())["hb_s"]
        if every_s > HEARTBEAT_S_MAX:
            raise NotApplicableError(f"its heartbeat is {every_s} s, more than the kit waits")
        await ear.hear("p", timeout_s=every_s + HEARTBEAT_SLACK_S)
        await ear.wait_until(lambda: ear.pings > 0)
        require(ear.pings > 0, "a ping beside the heartbeat", "none")


@check("liveness.ping", "WebSocket", "A WebSocket ping is answered with its own data.")
async def ping(stage: Stage) -> None:
    async with stage.settled() as ear:
        ear.socket.protocol.send_ping(b"kit")
        ear.socket.flush()
        await ear.wait_until(lambda: b"kit" in ear.pongs)
        require(ear.pongs == [b"kit"], "a pong with the data 'kit'", repr(ear.pongs))


@check("liveness.beat", "Frames", '`["p"]` from a client is a sign of life and is not answered.')
async def beat(stage: Stage) -> None:
    async with stage.settled() as ear:
        ear.send(["p"])
        answer = await ear.ask("time", {})
        require(answer[0] == "r", "nothing but the answer to the next frame", answer)
        require(not ear.of("e"), "no refusal", ear.of("e"))


@check("liveness.close", "Close codes", "A client's close is answered, and the connection ends.")
async def close(stage: Stage) -> None:
    async with stage.settled() as ear:
        ear.socket.close(1000)
        code = await ear.ended()
        require(code == 1000, "the close frame back, with 1000", code)


CHECKS = (ping, beat, close, heartbeat)
