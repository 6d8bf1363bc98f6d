"""The limits that close a connection, or refuse what is too much."""

from __future__ import annotations

from loadtests.conformance.model import check, require
from loadtests.conformance.stage import Stage

BAD_FRAMES_MAX = 10
FLOOD_FRAMES = 100
SYNCS_PER_MINUTE = 12


@check("limits.frame_bytes", "Limits", "A frame above `limits.frame_bytes` closes with 4009.")
async def frame_bytes(stage: Stage) -> None:
    async with stage.settled() as ear:
        size = (await ear.hello())["limits"]["frame_bytes"]
        ear.send_text(b'["p"' + b" " * (size - 5) + b"]")
        answer = await ear.ask("time", {})
        require(answer[0] == "r", f"a frame of {size} bytes is accepted", answer)
        ear.send_text(b'["p"' + b" " * (size - 4) + b"]")
        code = await ear.ended()
        require(code == 4009, f"4009 for {size + 1} bytes", code)


@check("limits.bad_frames", "Limits", "More than 10 bad frames close with 4009.")
async def bad_frames(stage: Stage) -> None:
    async with stage.settled() as ear:
        for _ in range(BAD_FRAMES_MAX + 1):
            ear.send_text(b"[]")
        code = await ear.ended()
        refused = len(ear.of("e"))
    expected = f"{BAD_FRAMES_MAX} refusals, then 4009"
    came = f"{refused} refusals, then {code}"
    require((refused, code) == (BAD_FRAMES_MAX, 4009), expected, came)


@check("limits.flood", "Limits", "More frames than any person sends close with 4129.")
async def flood(stage: Stage) -> None:
    async with stage.settled() as ear:
        for _ in range(FLOOD_FRAMES):
            ear.send(["p"])
        code = await ear.ended()
        require(code == 4129, "4129", code)


@check("limits.unmasked", "Close codes", "A frame that breaks RFC 6455 closes with 4009.")
async def unmasked(stage: Stage) -> None:
    async with stage.settled() as ear:
        ear.socket.send_raw(b'\x81\x05["p"]')
        code = await ear.ended()
        require(code == 4009, "4009 for an unmasked frame", code)


@check("limits.syncs", "Limits", "More than 12 syncs a minute are refused with `slow_down`.")
async def syncs(stage: Stage) -> None:
    async with stage.settled() as ear:
        epoch, offset = ear.watch.position
        for _ in range(SYNCS_PER_MINUTE + 1):
            ear.sync(epoch, offset)
        refused = await ear.hear("e", expected="a refusal of the 13th sync")
        error = refused[2]
        is_so = error["code"] == "slow_down" and error.get("retry_ms", 0) > 0
        require(is_so, "slow_down with retry_ms", error)


CHECKS = (frame_bytes, bad_frames, flood, unmasked, syncs)
