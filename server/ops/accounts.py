"""Choose an unprivileged user for the embedded servers and open only the folders it must reach.

Invariant: permissions are only ever widened by `x` on a folder or `r` on a wheel's own files, and
each widening is said aloud.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec

from server.ops.errors import OperationalError

Say = Callable[[str], None]

UNPRIVILEGED_NAMES = ("nobody", "daemon")  # The first that the machine knows is taken.


class Account(msgspec.Struct, frozen=True):
    """A user that owns nothing of value."""

    name: str
    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """Return the user for the servers when we are root; None when we are not and need none."""
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED_NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise OperationalError(
        "PostgreSQL does not run as root and there is no user "
        f"{' or '.join(UNPRIVILEGED_NAMES)} here; run hubbub as an ordinary user."
    )


def make_folder(path: Path, account: Account | None) -> Path:
    """Make a 0700 folder that belongs to the account (or to us); refuse somebody else's.

    Raises OperationalError when it exists with another owner or is not a real folder.
    """
    owner = os.geteuid() if account is None else account.uid
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if account is not None and path.lstat().st_uid == os.geteuid():
            os.chown(path, account.uid, account.gid)
        info = path.lstat()
        if stat.S_ISDIR(info.st_mode) and info.st_uid == owner:
            path.chmod(0o700)
            return path
    except OSError as error:
        raise OperationalError(f"cannot make the folder {path}: {error.strerror}.") from error
    raise OperationalError(
        f"{path} belongs to another user (uid {info.st_uid}); "
        "start hubbub as the user who made it, or choose another DATA."
    )


def open_way_to(path: Path, account: Account | None, say: Say) -> None:
    """Let the account walk to `path`: add `o+x` to those folders above it that lack it."""
    if account is None:
        return
    for folder in reversed(path.resolve().parents):
        if not _has_access(folder.stat(), account, need=0o1):
            _widen(folder, 0o001)
            say(f"added o+x to {folder}, so that user {account.name} can reach {path}")


def open_tree(root: Path, account: Account | None, say: Say) -> None:
    """Let the account read a program's own files below `root`, and run those that we may run."""
    if account is None:
        return
    open_way_to(root, account, say)
    changed = 0
    for folder, _, names in os.walk(root):
        for path in (Path(folder), *(Path(folder, name) for name in names)):
            info = path.stat()
            need = 0o5 if info.st_mode & 0o100 else 0o4
            if not _has_access(info, account, need=need):
                _widen(path, need)
                changed += 1
    if changed:
        say(f"made {changed} files below {root} readable, so that user {account.name} can run them")


def _has_access(info: os.stat_result, account: Account, *, need: int) -> bool:
    if info.st_uid == account.uid:
        return (info.st_mode >> 6) & need == need
    if info.st_gid == account.gid:
        return (info.st_mode >> 3) & need == need
    return info.st_mode & need == need


def _widen(path: Path, bits: int) -> None:
    try:
        path.chmod(stat.S_IMODE(path.stat().st_mode) | bits)
    except OSError as error:
        raise OperationalError(
            f"cannot open {path} to the database's user: {error.strerror}; run as an ordinary user."
        ) from error
