"""Read every setting once, from the environment, into one frozen struct.

Invariant: nothing else in the program reads the environment; a value that is wrong ends the program
with one line that names it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

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
}
NEEDED_FOR_STRIPE = ("stripe_secret_key", "stripe_publishable_key", "stripe_webhook_secret")
SECRET_CHARACTERS_MIN = 32  # 256 bits when it is hexadecimal and 64 long, 128 at the least.
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
    log: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Least level that is logged."),
    ] = "info"
    compression: Annotated[
        bool, Meta(description="Offer viewers compressed frames; each is compressed once for all.")
    ] = False
    demo: Annotated[bool, Meta(description="Allow the demo shop and its published passwords.")] = (
        False
    )

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


def _is_key(prefixes: str) -> Callable[[str], bool]:
    shape = re.compile(rf"({prefixes})_[A-Za-z0-9_]{{8,250}}")
    return lambda text: shape.fullmatch(text) is not None


def _is_address(text: str) -> bool:
    parts = urlsplit(text)
    is_own = parts.hostname in {"127.0.0.1", "localhost", "::1"}
    is_plain = not set(text) & set(" ;,'\"")
    return (
        bool(parts.netloc)
        and is_plain
        and (parts.scheme == "https" or (is_own and parts.scheme == "http"))
    )


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _has_scheme(*schemes: str) -> Callable[[str], bool]:
    return lambda text: urlsplit(text).scheme in schemes


def _is_origin_or_local(text: str) -> bool:
    return _is_address(text) and _is_origin(text)


def _is_origin(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in {"http", "https"} and bool(parts.netloc) and parts.path in {"", "/"}


MEANINGS: dict[str, tuple[Callable[[str], bool], str]] = {
    "database_url": (
        _has_scheme("postgresql", "postgres"),
        "an address like postgresql://user@host/database",
    ),
    "redis_url": (_has_scheme("redis", "rediss", "unix"), "an address like redis://host:6379/0"),
    "secret": (
        lambda text: len(text) >= SECRET_CHARACTERS_MIN,
        f"{SECRET_CHARACTERS_MIN} or more characters, like `openssl rand -hex 32` prints",
    ),
    "public_url": (_is_origin, "an address like https://shop.example, without a path"),
    "internal_url": (_is_origin, "an address like http://gateway:8000, without a path"),
    "stripe_secret_key": (_is_key("sk|rk"), "a key like sk_live_… or rk_live_…"),
    "stripe_publishable_key": (_is_key("pk"), "a key like pk_live_…"),
    "stripe_webhook_secret": (_is_key("whsec"), "a secret like whsec_…"),
    "stripe_api_base": (_is_origin_or_local, "an https address without a path"),
    "stripe_js_url": (_is_address, "an https address"),
    "origins": (_is_origin, "origins like https://shop.example, separated by commas"),
    "trusted_proxies": (_is_network, "addresses or networks like 10.0.0.0/8"),
}


def _refuse_near_misses(environment: Mapping[str, str]) -> None:
    """Catch HUBBUB_GATEWAY for HUBBUB_GATEWAYS; names unlike ours may belong to other tools."""
    known = {variable(name) for name in Settings.__struct_fields__}
    for name in environment:
        if name.startswith("HUBBUB_") and name not in known:
            close = get_close_matches(name, known, n=1, cutoff=0.85)
            if close:
                raise SettingError(f"there is no setting {name}; did you mean {close[0]}?")
