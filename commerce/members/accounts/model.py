"""Who can come in: a guest with a name, or staff with a login."""

from __future__ import annotations

import msgspec


class User(msgspec.Struct, frozen=True):
    """A person; `role` is guest, host, moderator or operator, `avatar` a URL path."""

    id: str
    name: str
    role: str
    avatar: str | None = None


class Staff(msgspec.Struct, frozen=True):
    """A staff account that is to exist."""

    login: str
    password: str
    name: str
    role: str
    avatar: str | None = None
    is_demo: bool = False


class Credential(msgspec.Struct, frozen=True):
    """A login with its password's hash and the person behind it."""

    password_hash: str
    user: User


class Failures(msgspec.Struct, frozen=True):
    """The times (Unix ms, oldest first) of failed logins inside the window."""

    of_login: list[int]
    of_address: list[int]
    now_ms: int


# Published in the README: `serve` refuses to run with them unless told that this is a demo.
DEMO_STAFF = (
    Staff(
        login="host",
        password="demo-host",  # noqa: S106 - published, and refused without --demo.
        name="Xiaoman Ceramics",
        role="host",
        avatar="/static/img/host/xiaoman.svg",
        is_demo=True,
    ),
    Staff(
        login="moderator",
        password="demo-moderator",  # noqa: S106 - published, and refused without --demo.
        name="Moderator Mei",
        role="moderator",
        is_demo=True,
    ),
    Staff(
        login="operator",
        password="demo-operator",  # noqa: S106 - published, and refused without --demo.
        name="Operator",
        role="operator",
        is_demo=True,
    ),
)
