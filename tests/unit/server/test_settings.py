"""Settings: read once, checked, and the same for parent and child."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.settings import SettingError, Settings, read_settings, to_environment


def test_defaults_need_no_environment() -> None:
    settings = read_settings({})
    assert settings == Settings()
    assert settings.base_url == "http://127.0.0.1:8000"


def test_child_reads_what_the_parent_had() -> None:
    settings = read_settings(
        {
            "HUBBUB_DATABASE_URL": "postgresql://hubbub@/hubbub?host=/run/x",
            "HUBBUB_REDIS_URL": "unix:///run/x/valkey.sock?db=0",
            "HUBBUB_ORIGINS": "https://a.example, https://b.example",
            "HUBBUB_TRUSTED_PROXIES": "10.0.0.0/8,::1",
            "HUBBUB_DEMO": "yes",
            "DATA": "/srv/hubbub",
        }
    )
    assert settings.origins == ("https://a.example", "https://b.example")
    assert settings.data == Path("/srv/hubbub")
    assert read_settings(to_environment(settings)) == settings


def test_flags_win_over_the_environment() -> None:
    assert read_settings({"PORT": "9000"}, port=9001, gateways=None).port == 9001


def test_empty_variable_counts_as_absent() -> None:
    assert read_settings({"PORT": "", "HUBBUB_REDIS_URL": " "}) == Settings()


def test_public_url_is_the_base_and_an_own_origin() -> None:
    settings = read_settings({"HUBBUB_PUBLIC_URL": "https://shop.example/"})
    assert settings.base_url == "https://shop.example"
    assert "https://shop.example" in settings.own_origins
    assert "http://localhost:8000" in settings.own_origins


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "80 80"),
        ("PORT", "65536"),
        ("HUBBUB_GATEWAYS", "0"),
        ("HUBBUB_GATEWAYS", "65"),
        ("HUBBUB_CURRENCY", "yuan"),
        ("HUBBUB_LOG", "loud"),
        ("HUBBUB_DEMO", "perhaps"),
        ("HUBBUB_DATABASE_URL", "mysql://root@host/db"),
        ("HUBBUB_REDIS_URL", "localhost:6379"),
        ("HUBBUB_ORIGINS", "https://a.example/path"),
        ("HUBBUB_TRUSTED_PROXIES", "10.0.0.0/99"),
        ("HUBBUB_REDIS_PREFIX", "x" * 65),
    ],
)
def test_wrong_value_is_refused_by_name_in_one_line(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=rf"^{name} is ") as refusal:
        read_settings({name: value})
    assert "\n" not in str(refusal.value)


STRIPE = {
    "HUBBUB_PAYMENTS": "stripe",
    "HUBBUB_STRIPE_SECRET_KEY": "sk_test_abcdefgh",
    "HUBBUB_STRIPE_PUBLISHABLE_KEY": "pk_test_abcdefgh",
    "HUBBUB_STRIPE_WEBHOOK_SECRET": "whsec_abcdefgh",
}


def test_stripe_needs_its_keys_and_children_get_them() -> None:
    settings = read_settings(STRIPE)
    assert settings.stripe_api_base == "https://api.stripe.com"
    assert read_settings(to_environment(settings)) == settings
    for name in STRIPE.keys() - {"HUBBUB_PAYMENTS"}:
        with pytest.raises(SettingError, match=f"{name} is missing"):
            read_settings({**STRIPE, name: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HUBBUB_PAYMENTS", "paypal"),
        ("HUBBUB_STRIPE_SECRET_KEY", "pk_test_swapped1"),
        ("HUBBUB_STRIPE_PUBLISHABLE_KEY", "sk_test_swapped1"),
        ("HUBBUB_STRIPE_WEBHOOK_SECRET", "secret_of_mine"),
        ("HUBBUB_STRIPE_API_BASE", "http://stripe.example"),
        ("HUBBUB_STRIPE_API_BASE", "https://api.stripe.com/v1"),
        ("HUBBUB_STRIPE_JS_URL", "https://js.stripe.com/x.js; script-src *"),
    ],
)
def test_a_wrong_stripe_setting_is_one_line(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=rf"^{name} is ") as refusal:
        read_settings({**STRIPE, name: value})
    assert "\n" not in str(refusal.value)


def test_a_swapped_secret_is_not_repeated() -> None:
    """The publishable key's place may hold the secret one by mistake."""
    for name in STRIPE.keys() - {"HUBBUB_PAYMENTS"}:
        with pytest.raises(SettingError) as refusal:
            read_settings({**STRIPE, name: "sk-live-very-secret"})
        assert "very-secret" not in str(refusal.value)


def test_password_in_a_wrong_address_is_not_repeated() -> None:
    with pytest.raises(SettingError) as refusal:
        read_settings({"HUBBUB_DATABASE_URL": "mysql://root:s3cret@host/db"})
    assert "s3cret" not in str(refusal.value)


def test_misspelt_name_is_noticed_and_a_foreign_one_is_not() -> None:
    with pytest.raises(SettingError, match="did you mean HUBBUB_ORIGINS"):
        read_settings({"HUBBUB_ORIGIN": "https://a.example"})
    assert read_settings({"HUBBUB_CHROMIUM": "/usr/bin/chromium"}) == Settings()


def test_listening_everywhere_is_shown_as_a_reachable_address() -> None:
    assert read_settings({"HOST": "0.0.0.0"}).base_url == "http://127.0.0.1:8000"
    assert read_settings({"HOST": "::1"}).base_url == "http://[::1]:8000"


WHIP = {
    "HUBBUB_MEDIA_BACKEND": "whip",
    "HUBBUB_WHIP_PUBLISH_URL": "https://engine.example/{room}/whip",
    "HUBBUB_WHIP_PLAY_URL": "https://engine.example/{room}/whep?token={token}",
}


def test_an_engine_needs_both_addresses_and_children_get_them() -> None:
    settings = read_settings({**WHIP, "HUBBUB_ICE_SERVERS": "stun:a:1,stuns:[::1]:3478"})
    assert settings.ice_servers == ("stun:a:1", "stuns:[::1]:3478")
    assert read_settings(to_environment(settings)) == settings
    for name in WHIP.keys() - {"HUBBUB_MEDIA_BACKEND"}:
        with pytest.raises(SettingError, match=f"{name} is missing"):
            read_settings({**WHIP, name: ""})


def test_pages_may_call_an_engine_only_when_they_are_sent_there() -> None:
    assert read_settings(WHIP).engine_origins == ("https://engine.example",)
    proxied = {**WHIP, "HUBBUB_WHIP_PLAY_URL": "https://engine.example/{room}/whep"}
    assert read_settings(proxied).engine_origins == ()
    assert read_settings({}).engine_origins == ()


def test_a_turn_server_needs_its_secret() -> None:
    turn = {"HUBBUB_ICE_SERVERS": "turn:turn.example:3478?transport=udp"}
    with pytest.raises(SettingError, match="HUBBUB_TURN_SECRET"):
        read_settings(turn)
    assert read_settings({**turn, "HUBBUB_TURN_SECRET": "s"}).turn_secret == "s"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HUBBUB_MEDIA_BACKEND", "livekit"),
        ("HUBBUB_MEDIA_URL", "http://media:8100/x"),
        ("HUBBUB_MEDIA_VIEWERS", "0"),
        ("HUBBUB_MEDIA_ADVERTISE", "media.example"),
        ("HUBBUB_MEDIA_BIND", "127.0.0.1,everywhere"),
        ("HUBBUB_MEDIA_PORTS", "40000"),
        ("HUBBUB_MEDIA_PORTS", "40999-40000"),
        ("HUBBUB_MEDIA_PORTS", "80-90"),
        ("HUBBUB_ICE_SERVERS", "https://turn.example"),
        ("HUBBUB_ICE_SERVERS", 'stun:a>;rel="x"'),
        ("HUBBUB_WHIP_PUBLISH_URL", "https://engine.example/whip"),
        ("HUBBUB_WHIP_PUBLISH_URL", "https://{room}.example/whip"),
        ("HUBBUB_WHIP_PUBLISH_URL", "https://user:secret@engine.example/{room}"),
        ("HUBBUB_WHIP_PUBLISH_URL", "ftp://engine.example/{room}"),
        ("HUBBUB_WHIP_PLAY_URL", "https://engine.example/{room}/{slug}"),
        ("HUBBUB_WHIP_TOKEN", "a\x00b"),
    ],
)
def test_a_wrong_media_setting_is_one_line(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=rf"^{name} is ") as refusal:
        read_settings({**WHIP, name: value})
    assert "\n" not in str(refusal.value)


def test_an_engines_secrets_are_not_repeated() -> None:
    for name in ("HUBBUB_WHIP_PUBLISH_URL", "HUBBUB_WHIP_TOKEN"):
        with pytest.raises(SettingError) as refusal:
            read_settings({**WHIP, name: "hush-hush\x00"})
        assert "hush-hush" not in str(refusal.value)
