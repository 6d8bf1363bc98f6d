"""A publisher, viewers and a verifier in one process, told by lines on stdin what to do.

`publish`, `verify`, `watch N` (as many viewers as that from now on), `lose SHARE`, `window`: each
is answered by one JSON object. It ends when its stdin does.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from realtime.video.clip_publisher import ClipPublication
from tests.support.media.film import make_film
from tests.support.media.loopback import only_loopback
from tests.support.media.loss import lose
from tests.support.media.signalling import WhipClient
from tests.support.media.verifier import Verifier
from tests.support.media.viewer import Rounds, Viewer

JOINS_AT_ONCE = 6
ROOM = "bench"


class Crowd:
    """Everybody of this process."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._publication: ClipPublication | None = None
        self._verifier: Verifier | None = None
        self._viewers: list[Viewer] = []
        self._rounds = Rounds()
        self._window_s = 0.0
        self._seen: dict[Viewer, tuple[int, int]] = {}
        self._verified = 0
        self._published = 0

    async def publish(self) -> dict[str, Any]:
        """Publish H.264 720p30 of 1.5 Mb/s, with sound."""
        film = make_film("H264", seconds=2)
        self._publication = ClipPublication(film)
        await self._publication.start(WhipClient(f"{self._url}/whip/{ROOM}"))
        return {"bits_per_s": film.video_bits_per_s, "frames_per_s": film.frames_per_s}

    async def verify(self) -> dict[str, Any]:
        """Decode everything from now on."""
        self._verifier = Verifier()
        await self._verifier.start(WhipClient(f"{self._url}/whep/{ROOM}"))
        await self._verifier.wait_frames(1)
        return {"width": self._verifier.size[0], "height": self._verifier.size[1]}

    async def watch(self, count: str) -> dict[str, Any]:
        """Have so many viewers, by joining or leaving."""
        started_s = asyncio.get_running_loop().time()
        places = asyncio.Semaphore(JOINS_AT_ONCE)

        async def join() -> Viewer:
            async with places:
                viewer = Viewer(rounds=self._rounds)
                await viewer.start(WhipClient(f"{self._url}/whep/{ROOM}"))
                await asyncio.wait_for(viewer.first_packet.wait(), 15)
                return viewer

        missing = int(count) - len(self._viewers)
        self._viewers += await asyncio.gather(*(join() for _ in range(missing)))
        leaving, self._viewers = self._viewers[int(count) :], self._viewers[: int(count)]
        await asyncio.gather(*(viewer.close() for viewer in leaving))
        seconds = asyncio.get_running_loop().time() - started_s
        return {"viewers": len(self._viewers), "seconds": round(seconds, 2)}

    async def lose(self, share: str) -> dict[str, Any]:
        """Lose this share of media, both ways, on the publisher's line and on the verifier's."""
        assert self._publication is not None
        assert self._verifier is not None
        lose(self._publication.connection, float(share), seed=1)
        lose(self._verifier.connection, float(share), seed=11)
        return {"share": float(share)}

    async def window(self) -> dict[str, Any]:
        """Return what came since the last window."""
        now_s = asyncio.get_running_loop().time()
        seconds, self._window_s = now_s - self._window_s, now_s
        frames, sizes, silent = [], [], 0
        for viewer in self._viewers:
            size = viewer.video.size_bytes + viewer.audio.size_bytes
            before = self._seen.get(viewer, (viewer.video.frames, size))
            self._seen[viewer] = (viewer.video.frames, size)
            frames.append((viewer.video.frames - before[0]) / seconds)
            sizes.append(8 * (size - before[1]) / seconds)
            silent += size == before[1]
        decoded = self._verifier.frames if self._verifier else 0
        verified, self._verified = decoded - self._verified, decoded
        made = self._pictures_made()
        published, self._published = made - self._published, made
        return {
            "seconds": seconds,
            "published_fps": published / seconds,
            "verifier_fps": verified / seconds,
            "least_fps": min(frames, default=0.0),
            "bits_per_s": sum(sizes) / len(sizes) if sizes else 0.0,
            "silent": silent,
            "missing_share": self._missing_share(),
        }

    def _pictures_made(self) -> int:
        """How many pictures the publisher of this process has sent; zero without one."""
        senders = self._publication.connection.getSenders() if self._publication else []
        return sum(one.track._next for one in senders if one.kind == "video" and one.track)

    def _missing_share(self) -> float:
        counts = [count for viewer in self._viewers for count in (viewer.video, viewer.audio)]
        packets = sum(count.packets for count in counts)
        return sum(count.missing for count in counts) / max(1, packets)

    async def close(self) -> None:
        """Leave."""
        await self.watch("0")
        for one in (self._verifier, self._publication):
            if one is not None:
                await one.close()


async def run(url: str) -> None:
    """Obey until stdin ends."""
    crowd = Crowd(url)
    words: dict[str, Callable[..., Awaitable[dict[str, Any]]]] = {
        "publish": crowd.publish,
        "verify": crowd.verify,
        "watch": crowd.watch,
        "lose": crowd.lose,
        "window": crowd.window,
    }
    with only_loopback():
        while line := (await asyncio.to_thread(sys.stdin.readline)).split():
            answer = await words[line[0]](*line[1:])
            print(msgspec.json.encode({"event": line[0], **answer}).decode(), flush=True)
        await crowd.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.video.clients", description=__doc__
    )
    parser.add_argument("url")
    asyncio.run(run(parser.parse_args().url))
