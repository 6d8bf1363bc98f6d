"""The forwarder gets its limits and addresses as the operator set them."""

from __future__ import annotations

from realtime.video.config import VideoConfig
from server.settings import read_settings
from server.wiring.media import video_config


def test_defaults_are_the_forwarders_own() -> None:
    assert video_config(read_settings({})) == VideoConfig()


def test_every_media_setting_reaches_the_forwarder() -> None:
    settings = read_settings(
        {
            "HUBBUB_MEDIA_MODE": "packet",
            "HUBBUB_MEDIA_VIEWERS_PER_ROOM": "20",
            "HUBBUB_MEDIA_VIEWERS": "40",
            "HUBBUB_MEDIA_BIND": "127.0.0.1,::1",
            "HUBBUB_MEDIA_ADVERTISE": "203.0.113.7",
            "HUBBUB_MEDIA_PORTS": "40000-40999",
        }
    )
    assert video_config(settings) == VideoConfig(
        mode="packet",
        viewers_per_room_max=20,
        viewers_max=40,
        bind_addresses=("127.0.0.1", "::1"),
        advertise_addresses=("203.0.113.7",),
        udp_ports=(40_000, 40_999),
    )
