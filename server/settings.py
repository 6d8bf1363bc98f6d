"""Read every setting once, from the environment, into one frozen struct.

Invariant: nothing else in the program reads the environment; a value that is wrong ends the program
with one line that names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from server.meanings import MEANINGS

BARE_NAMES = {"port": "PORT", "host": "HOST", "data": "DATA"}  # As `make run` documents them.
LOG_LEVELS = ("debug", "info", "warning", "error")
# Never repeated in a message.
SECRET_FIELDS = {
    "database_url",
    "redis_url",
    "secret",
    "stripe_secret_key",
    "stripe_webhook_secret",
    "stripe_publishable_key",  # No secret; but the secret one may stand there by mistake.
    "turn_secret",
    "whip_token",
    "whip_publish_url",  # An operator may have put a token of the engine's into them.
    "whip_play_url",
}
NEEDED_FOR_STRIPE = ("stripe_secret_key", "stripe_publishable_key", "stripe_webhook_secret")
TRUE_WORDS = {"1", "true", "yes", "on"}
FALSE_WORDS = {"0", "false", "no", "off"}


class SettingError(ValueError):
    """A setting has a value that cannot be used; the text is one line that names it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Hubbub's settings. `HUBBUB_X` is field `x`; `PORT`, `HOST` and `DATA` have no prefix."""

    database_url: Annotated[
        str | None,
        Meta(description="PostgreSQL to use, postgresql://…; none: start our own below DATA."),
    ] = None
    redis_url: Annotated[
        str | None,
        Meta(description="Redis or Valkey to use, redis://…; none: start our own below DATA."),
    ] = None
    redis_prefix: Annotated[
        str, Meta(min_length=1, max_length=64, description="First part of all keys and channels.")
    ] = "hubbub:"
    secret: Annotated[
        str | None,
        Meta(description="Key that signs sessions, 32 or more characters; none: made in DATA."),
    ] = None
    host: Annotated[str, Meta(min_length=1, description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[
        int, Meta(ge=0, le=65535, description="TCP port to listen on; 0 takes any free one.")
    ] = 8000
    data: Annotated[
        Path, Meta(description="Folder for keys, logs and the embedded servers' files.")
    ] = Path("var")
    gateways: Annotated[
        int, Meta(ge=1, le=64, description="Gateway processes that share the port.")
    ] = 2
    returns_per_s: Annotated[
        int,
        Meta(ge=1, le=100_000, description="Viewers a second that an ending gateway sends back."),
    ] = 350
    public_url: Annotated[
        str | None,
        Meta(description="Where people reach us, https://shop.example; none: http://HOST:PORT."),
    ] = None
    internal_url: Annotated[
        str | None,
        Meta(description="Where our own processes reach a gateway; none: this machine's."),
    ] = None
    origins: Annotated[
        tuple[str, ...],
        Meta(description="More origins whose pages may connect, separated by commas."),
    ] = ()
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(description="Networks whose X-Forwarded-For is believed, separated by commas."),
    ] = ()
    currency: Annotated[
        str, Meta(pattern="^[A-Z]{3}$", description="The shop's only currency, ISO 4217.")
    ] = "CNY"
    shipping_minor: Annotated[
        int, Meta(ge=0, description="What an order's shipping costs, in minor units.")
    ] = 0
    shipping_free_from_minor: Annotated[
        int | None,
        Meta(description="Goods, in minor units, from which shipping is free; none: never free."),
    ] = None
    tax_rate: Annotated[
        int,
        Meta(ge=0, le=10_000, description="Tax in every price, in hundredths of a percent."),
    ] = 0
    payments: Annotated[
        Literal["sandbox", "stripe"],
        Meta(description="Who takes the money: sandbox, which pretends, or stripe."),
    ] = "sandbox"
    stripe_secret_key: Annotated[
        str | None, Meta(description="Stripe's secret or restricted key, sk_… or rk_….")
    ] = None
    stripe_publishable_key: Annotated[
        str | None, Meta(description="Stripe's key for pages, pk_….")
    ] = None
    stripe_webhook_secret: Annotated[
        str | None, Meta(description="Signing secret of Stripe's webhook to us, whsec_….")
    ] = None
    stripe_api_base: Annotated[
        str, Meta(description="Stripe's API; another address for a fake in tests.")
    ] = "https://api.stripe.com"
    stripe_js_url: Annotated[
        str, Meta(description="Stripe's script for the payment page; another one for tests.")
    ] = "https://js.stripe.com/endive/stripe.js"
    media_backend: Annotated[
        Literal["none", "builtin", "whip"],
        Meta(description="Who carries live video: nobody, our own process, or a WHIP/WHEP engine."),
    ] = "none"
    media_url: Annotated[
        str | None,
        Meta(description="Where gateways reach the media process; none: `serve` runs it itself."),
    ] = None
    media_mode: Annotated[
        Literal["fast", "plain", "packet"],
        Meta(description="How the built-in forwarder sends; slower ones need less of its library."),
    ] = "fast"
    media_viewers_per_room: Annotated[
        int, Meta(ge=1, le=100_000, description="Viewers of one room's video.")
    ] = 300
    media_viewers: Annotated[
        int, Meta(ge=1, le=100_000, description="Viewers of the media process's video in all.")
    ] = 500
    media_publish_kbit_max: Annotated[
        int, Meta(ge=500, le=1_000_000, description="Kilobits a second that one publisher sends.")
    ] = 20_000
    media_advertise: Annotated[
        str | None,
        Meta(description="IP address that viewers send media to; none: this machine's own."),
    ] = None
    media_bind: Annotated[
        tuple[str, ...],
        Meta(description="IP addresses that media is bound to, by commas; none: all but loopback."),
    ] = ()
    media_ports: Annotated[
        str | None,
        Meta(description="UDP ports for media, 40000-40999, one a session; none: any free ones."),
    ] = None
    ice_servers: Annotated[
        tuple[str, ...],
        Meta(description="STUN and TURN servers, turn:host:3478?transport=udp, by commas."),
    ] = ()
    turn_secret: Annotated[
        str | None,
        Meta(description="Secret shared with the TURN server; credentials are made from it."),
    ] = None
    whip_publish_url: Annotated[
        str | None,
        Meta(description="The engine's WHIP address, https://engine/{room}/whip[?token={token}]."),
    ] = None
    whip_play_url: Annotated[
        str | None,
        Meta(description="The engine's WHEP address, https://engine/{room}/whep[?token={token}]."),
    ] = None
    whip_token: Annotated[
        str | None, Meta(description="Bearer token that the engine takes from us.")
    ] = None
    log: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Least level that is logged."),
    ] = "info"
    compression: Annotated[
        bool, Meta(description="Offer viewers compressed frames; each is compressed once for all.")
    ] = False
    recording: Annotated[
        bool, Meta(description="Record live shows below DATA, where our own process carries video.")
    ] = True
    recording_days: Annotated[
        int, Meta(ge=0, le=36_500, description="Days that recordings are kept; 0: for ever.")
    ] = 30
    recording_gb_max: Annotated[
        int, Meta(ge=1, le=100_000, description="Gigabytes that one show's recording may take.")
    ] = 20
    recording_gb_total: Annotated[
        int, Meta(ge=0, le=1_000_000, description="Gigabytes of all recordings; 0: no limit.")
    ] = 200
    demo: Annotated[bool, Meta(description="Allow the demo shop and its published passwords.")] = (
        False
    )
    demo_film: Annotated[
        bool, Meta(description="Show a film in the demo room's show while no camera is on.")
    ] = True

    @property
    def base_url(self) -> str:
        """The address that people use, without a trailing slash."""
        if self.public_url:
            return self.public_url.rstrip("/")
        return f"http://{url_host(self.host)}:{self.port}"

    @property
    def gateway_url(self) -> str:
        """The address at which our own processes reach a gateway, without a trailing slash."""
        if self.internal_url:
            return self.internal_url.rstrip("/")
        return f"http://{url_host(self.host)}:{self.port}"

    @property
    def own_origins(self) -> frozenset[str]:
        """Origins that our pages may have, in the form browsers send them."""
        local = {f"http://{name}:{self.port}" for name in ("127.0.0.1", "localhost")}
        return frozenset({self.base_url, *self.origins, *local})

    @property
    def engine_origins(self) -> tuple[str, ...]:
        """Origins of the video engine that browsers are sent on to, with their ticket."""
        if self.media_backend != "whip":
            return ()
        addresses = (self.whip_publish_url or "", self.whip_play_url or "")
        sent_on = [urlsplit(one) for one in addresses if "{token}" in one]
        return tuple(sorted({f"{parts.scheme}://{parts.netloc}" for parts in sent_on}))


def read_settings(environment: Mapping[str, str], **overrides: Any) -> Settings:
    """Build the settings from variables, then from `overrides` that are not None.

    Raises SettingError. An empty variable counts as absent.
    """
    _refuse_near_misses(environment)
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(Settings):
        text = environment.get(variable(field.name), "").strip()
        if text:
            values[field.name] = _parse(field.name, text)
    values.update({name: value for name, value in overrides.items() if value is not None})
    for name, value in values.items():
        _check(name, value)
    settings = msgspec.convert(values, Settings)
    _check_stripe(settings)
    _check_media(settings)
    return settings


def to_environment(settings: Settings) -> dict[str, str]:
    """Return the variables from which a child reads the same settings."""
    result = {}
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        if value is not None:
            result[variable(name)] = ",".join(value) if isinstance(value, tuple) else str(value)
    return result


def variable(field_name: str) -> str:
    """Return the environment variable of a field."""
    return BARE_NAMES.get(field_name, f"HUBBUB_{field_name.upper()}")


def url_host(host: str) -> str:
    """Return a listening address as a person would type it into a browser."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound.
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _parse(name: str, text: str) -> Any:
    field_type = next(f.type for f in msgspec.structs.fields(Settings) if f.name == name)
    plain = getattr(field_type, "__origin__", field_type)
    if plain is bool:
        if text.lower() not in TRUE_WORDS | FALSE_WORDS:
            raise SettingError(f"{variable(name)} is {text!r}, but must be 1 or 0.")
        return text.lower() in TRUE_WORDS
    if plain is int:
        try:
            return int(text)
        except ValueError:
            raise SettingError(f"{variable(name)} is {text!r}, but must be a number.") from None
    if plain is Path:
        return Path(text)
    if plain == tuple[str, ...]:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def _check(name: str, value: Any) -> None:
    """Raise SettingError unless `value` fits the field's type, limits and meaning."""
    field = next(f for f in msgspec.structs.fields(Settings) if f.name == name)
    try:
        msgspec.convert(value, field.type)
    except msgspec.ValidationError as error:
        reason = str(error).replace("Expected", "must be").replace("`", "")
        if name == "log":
            reason = f"must be one of {', '.join(LOG_LEVELS)}"
        raise SettingError(f"{variable(name)} is {value!r}, but {reason}.") from None
    if name in MEANINGS and value:
        is_good, meaning = MEANINGS[name]
        parts = value if isinstance(value, tuple) else (value,)
        for part in parts:
            if not is_good(part):
                shown = "not usable" if name in SECRET_FIELDS else repr(part)
                raise SettingError(f"{variable(name)} is {shown}; it must be {meaning}.")


def _check_stripe(settings: Settings) -> None:
    """Raise SettingError when money shall go by Stripe and one of its keys is missing."""
    if settings.payments != "stripe":
        return
    for name in NEEDED_FOR_STRIPE:
        if getattr(settings, name) is None:
            raise SettingError(f"HUBBUB_PAYMENTS is 'stripe', but {variable(name)} is missing.")


def _check_media(settings: Settings) -> None:
    """Raise SettingError when the chosen carrier of video lacks what it needs."""
    if settings.media_backend == "whip":
        for name in ("whip_publish_url", "whip_play_url"):
            if getattr(settings, name) is None:
                raise SettingError(
                    f"HUBBUB_MEDIA_BACKEND is 'whip', but {variable(name)} is missing."
                )
    if settings.turn_secret is None and any(u.startswith("turn") for u in settings.ice_servers):
        raise SettingError("HUBBUB_ICE_SERVERS has a TURN server: set HUBBUB_TURN_SECRET too.")


def _refuse_near_misses(environment: Mapping[str, str]) -> None:
    """Catch HUBBUB_GATEWAY for HUBBUB_GATEWAYS; names unlike ours may belong to other tools."""
    known = {variable(name) for name in Settings.__struct_fields__}
    for name in environment:
        if name.startswith("HUBBUB_") and name not in known:
            close = get_close_matches(name, known, n=1, cutoff=0.85)
            if close:
                raise SettingError(f"there is no setting {name}; did you mean {close[0]}?")
