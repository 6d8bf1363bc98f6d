"""Build the media process: the forwarder, its desk, and the application that gateways call."""

from __future__ import annotations

import asyncio
import logging

from starlette.applications import Starlette

from commerce.members.accounts.model import DEMO_STAFF
from realtime.brokers.redis import RedisBroker
from realtime.video.config import VideoConfig, VideoCounters
from realtime.video.forwarder import BuiltinForwarder
from realtime.video.ports import Forwarder
from server.auth.secret import derive_key, load_secret
from server.media.app import media_app
from server.media.desk import MediaDesk
from server.ops.demo_film import Door, show_film
from server.settings import Settings
from server.video.builtin import CONTROL_PURPOSE
from server.wiring.demo_shop import DEMO_ROOM
from server.wiring.sources import SystemClock, monotonic_ms

log = logging.getLogger(__name__)

# The forwarder ends everything within a few seconds; the process's own end waits for longer.
CLOSE_TIMEOUT_S = 5.0


class MediaProcess:
    """The parts of the media process and their life."""

    def __init__(
        self,
        app: Starlette,
        desk: MediaDesk,
        *,
        forwarder: Forwarder,
        broker: RedisBroker,
        film: Door | None = None,
    ) -> None:
        self.app = app
        self.carried: VideoCounters | None = None  # What the forwarder counts itself.
        self._desk = desk
        self._forwarder = forwarder
        self._broker = broker
        self._film = film

    @property
    def forwarder(self) -> Forwarder:
        """What carries the pictures, for whoever records them."""
        return self._forwarder

    async def run(self) -> None:
        """Tell rooms what their pictures do, and show the demo's film, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            if self._film is not None:
                tasks.create_task(show_film(self._film), name="demo-film")
            await self._desk.run()
            raise RuntimeError("the desk of live video ended by itself")

    async def shutdown(self) -> None:
        """End all sessions and let go of Redis."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._forwarder.close()
        except TimeoutError:
            log.warning("sessions were left to end by themselves")
        await self._broker.close()


async def build_media(settings: Settings, process_name: str) -> MediaProcess:
    """Put the media process together."""
    forwarder = BuiltinForwarder(video_config(settings), wall_ms=SystemClock().now_ms)
    return assemble_media(settings, process_name, forwarder, forwarder.counters)


def assemble_media(
    settings: Settings,
    process_name: str,
    forwarder: Forwarder,
    carried: VideoCounters | None = None,
) -> MediaProcess:
    """Put the media process together around a forwarder; `carried` is what it counts itself."""
    assert settings.redis_url is not None
    broker = RedisBroker(settings.redis_url, prefix=settings.redis_prefix)
    desk = MediaDesk(forwarder, broker, monotonic_ms=monotonic_ms)
    key = derive_key(load_secret(settings.data, settings.secret), CONTROL_PURPOSE)
    app = media_app(desk, key=key, process_name=process_name, carried=carried)
    film = demo_film(settings) if settings.demo and settings.demo_film else None
    process = MediaProcess(app, desk, forwarder=forwarder, broker=broker, film=film)
    process.carried = carried
    return process


def demo_film(settings: Settings) -> Door:
    """Return how the demo's film comes into the demo room: as its moderator."""
    moderator = next(person for person in DEMO_STAFF if person.role == "moderator")
    return Door(
        base_url=settings.gateway_url,
        room=DEMO_ROOM,
        login=moderator.login,
        password=moderator.password,
        bind_addresses=settings.media_bind,
    )


def video_config(settings: Settings) -> VideoConfig:
    """Return the forwarder's limits and addresses as its operator set them."""
    first, _, last = (settings.media_ports or "").partition("-")
    return VideoConfig(
        mode=settings.media_mode,
        viewers_per_room_max=settings.media_viewers_per_room,
        viewers_max=settings.media_viewers,
        publish_kbit_per_s_max=settings.media_publish_kbit_max,
        bind_addresses=settings.media_bind,
        advertise_addresses=(settings.media_advertise,) if settings.media_advertise else (),
        publishes_itself=settings.demo and settings.demo_film,
        udp_ports=(int(first), int(last)) if settings.media_ports else None,
    )
