"""The mixes that published numbers come from, and the settings of one run.

Invariant: no other module holds a number of the mix; a run is described by one `Mix`.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec

ROOM = "demo"
# The kiln-change tea bowl: 500 in stock, so that many runs fit into one demo shop.
SKU = "demo-tea-bowl"
PRICE_MINOR = 18_900
PREFIX = "HUBBUB_LOAD_"


class LoadSettingError(ValueError):
    """A setting of the load test cannot be used; the text is one line that names it."""


class Mix(msgspec.Struct, frozen=True, kw_only=True):
    """Who comes, what is sold, and how long it may take; shares are of 1."""

    viewers: int
    """Silent viewers; every second one is a visitor without a token."""
    chatters: int
    """People who write a line every `chat_every_s` and like in between."""
    buyers: int
    """People who press at T0."""
    units: int
    """Units that the flash sale carves out of stock."""
    per_buyer: int = 1
    countdown_s: int = 8
    """From arming to T0: time enough for everybody to synchronise clocks."""
    duration_s: int = 60
    hold_s: int = 300
    """Longer than any run: a hold that ends would move units behind the verdict's back."""
    warm_s: int = 4
    """Chat before the sale is armed, so that latencies are not those of an empty room."""
    after_s: int = 15
    """From T0 until the last order is expected."""
    spawn_per_s: int = 50
    run_s_max: int = 90
    """A run that takes longer is ended and fails."""
    chat_every_s: float = 4.0
    likes_every_s: float = 2.0
    pins_every_s: float = 2.0
    """Sale events beside the sale itself: the host shows one piece after the other."""
    cut_share: float = 0.2
    """Viewers who lose their connection once, for 0.5–3 s, around T0."""
    double_press_share: float = 0.2
    """Buyers who press twice under one key, as an impatient thumb does."""
    http_share: float = 0.25
    """Buyers who reserve over HTTP instead of the socket."""
    release_share: float = 0.2
    """Winners who give their hold back; somebody else gets the unit."""
    order_share: float = 0.8
    """Winners who place an order."""
    pay_share: float = 0.75
    """Those of them who pay."""

    @property
    def users(self) -> int:
        """Everybody, with the host."""
        return self.viewers + self.chatters + self.buyers + 1


MIXES: Mapping[str, Mix] = {
    # What `make load` runs: a minute on a laptop.
    "small": Mix(viewers=120, chatters=30, buyers=60, units=20),
    # What published numbers come from.
    "canonical": Mix(
        viewers=300,
        chatters=60,
        buyers=120,
        units=20,
        warm_s=15,
        after_s=30,
        countdown_s=10,
        duration_s=90,
        run_s_max=150,
    ),
}


class LoadSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One run: the mix, where to, and where the evidence is written."""

    mix_name: str
    mix: Mix
    host: str | None
    """A running server to use; None: the run starts its own."""
    report: str | None
    """File that the Locust process writes its evidence to; None: it prints the verdict itself."""
    seed: int


def read_load_settings(environment: Mapping[str, str]) -> LoadSettings:
    """Read `HUBBUB_LOAD_MIX`, `_HOST`, `_REPORT`, `_SEED` and a variable for each field of `Mix`.

    Raises LoadSettingError. An empty variable counts as absent.
    """
    given = {
        name.removeprefix(PREFIX).lower(): value.strip()
        for name, value in environment.items()
        if name.startswith(PREFIX) and value.strip()
    }
    mix_name = given.pop("mix", "small")
    if mix_name not in MIXES:
        raise LoadSettingError(f"{PREFIX}MIX is {mix_name!r}, but must be {' or '.join(MIXES)}.")
    host, report, seed = given.pop("host", None), given.pop("report", None), given.pop("seed", "1")
    changes = {name: _number(name, text) for name, text in given.items()}
    mix = msgspec.structs.replace(MIXES[mix_name], **changes)
    if mix.buyers < 1 or mix.units < 1 or mix.spawn_per_s < 1:
        raise LoadSettingError("a run needs at least one buyer, one unit and one spawn a second.")
    return LoadSettings(
        mix_name=mix_name if mix == MIXES[mix_name] else f"{mix_name}, changed",
        mix=mix,
        host=require_loopback(host) if host else None,
        report=report,
        seed=int(_number("seed", seed)),
    )


def require_loopback(url: str) -> str:
    """Return the server's address without its trailing slash; raise for any other machine."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    name = parts.hostname or ""
    try:
        is_ours = (name == "localhost" or ip_address(name).is_loopback) and parts.port != 0
    except ValueError:
        is_ours = False
    is_plain = parts.scheme == "http" and parts.path in {"", "/"} and "@" not in parts.netloc
    if not is_ours or not is_plain:
        raise LoadSettingError(
            f"{url!r} is refused: load tests only talk to this machine, http://127.0.0.1:PORT."
        )
    return f"http://{parts.netloc}"


def to_environment(settings: LoadSettings) -> dict[str, str]:
    """Return the variables from which the Locust process reads the same settings."""
    values: dict[str, object] = {
        "mix": settings.mix_name.partition(",")[0],
        "host": settings.host,
        "report": settings.report,
        "seed": settings.seed,
        **msgspec.structs.asdict(settings.mix),
    }
    return {
        f"{PREFIX}{name.upper()}": str(value) for name, value in values.items() if value is not None
    }


def _number(name: str, text: str) -> int | float:
    types = {field.name: field.type for field in msgspec.structs.fields(Mix)} | {"seed": int}
    if name not in types:
        raise LoadSettingError(f"there is no setting {PREFIX}{name.upper()}.")
    try:
        number = int(text) if types[name] is int else float(text)
    except ValueError:
        raise LoadSettingError(
            f"{PREFIX}{name.upper()} is {text!r}, but must be a number."
        ) from None
    if number < 0 or number > 1_000_000 or (name.endswith("_share") and number > 1):
        raise LoadSettingError(f"{PREFIX}{name.upper()} is {text}, which is out of range.")
    return number
