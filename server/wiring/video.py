"""Build one gateway's way to live video, for the engine that the operator chose."""

from __future__ import annotations

from commerce.goods.press_rules.buckets import Buckets
from commerce.insight.pictures.service import PictureDesk
from server.auth.secret import derive_key, load_secret
from server.settings import Settings
from server.video.builtin import CONTROL_PURPOSE, BuiltinEngine, open_media_client
from server.video.engine import Engine, NoEngine
from server.video.ice import IceServers
from server.video.service import LiveVideo, Paces
from server.video.tickets import VideoTickets
from server.video.whip_engine import WhipEngine, open_engine_client
from server.wiring.commerce import Carrier
from server.wiring.sources import FreshIds, SystemClock, monotonic_ms


def build_video(settings: Settings, carrier: Carrier) -> LiveVideo:
    """Return what routes need of live video."""
    secret, clock = load_secret(settings.data, settings.secret), SystemClock()
    return LiveVideo(
        backend=settings.media_backend,
        database=carrier.database,
        tickets=VideoTickets(secret, clock.now_ms),
        engine=build_engine(settings, carrier),
        ice=IceServers(settings.ice_servers, settings.turn_secret),
        broker=carrier.broker,
        paces=Paces(Buckets(monotonic_ms), Buckets(monotonic_ms)),
        now_ms=clock.now_ms,
        engine_token=settings.whip_token,
    )


def build_engine(settings: Settings, carrier: Carrier) -> Engine:
    """Return the engine that the operator chose."""
    if settings.media_backend == "builtin":
        secret = load_secret(settings.data, settings.secret)
        # Without an address nothing serves there; a supervisor always passes one.
        url = settings.media_url or "http://127.0.0.1:1"
        return BuiltinEngine(open_media_client(url, derive_key(secret, CONTROL_PURPOSE)))
    if settings.media_backend == "whip":
        assert settings.whip_publish_url is not None
        assert settings.whip_play_url is not None
        templates = {"publish": settings.whip_publish_url, "play": settings.whip_play_url}
        return WhipEngine(
            open_engine_client(settings.whip_token),
            templates,
            broker=carrier.broker,
            now_ms=SystemClock().now_ms,
        )
    return NoEngine()


def build_picture_desk(process_name: str) -> PictureDesk:
    """Return who counts what viewers tell of the picture.

    A gateway that died is started again under its name; its counts are not the same ones.
    """
    return PictureDesk(
        f"{process_name}:{FreshIds().new()}",
        now_ms=SystemClock().now_ms,
        monotonic_ms=monotonic_ms,
    )
