"""The installation's one secret key, shared by every process of it.

Invariant: the file is complete before it has its name, so two processes that start together
read the same key; only its owner can read it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

SECRET_FILE = "secret.key"  # noqa: S105 - the name of the file, not the key in it.
# HS256 keys shorter than the hash weaken it (RFC 7518 section 3.2).
SECRET_BYTES_MIN = 32


class SecretError(Exception):
    """The configured or stored key cannot be used; the message is for the operator."""


def load_secret(data_dir: Path, configured: str | None) -> bytes:
    """Return the configured key, else the one in `data_dir`, made at the first start.

    Raises SecretError for a key of fewer than 32 bytes.
    """
    if configured is not None:
        return _checked(configured.encode(), "HUBBUB_SECRET")
    path = data_dir / SECRET_FILE
    if not path.exists():
        _create(path)
    path.chmod(0o600)
    return _checked(path.read_bytes().strip(), str(path))


def derive_key(secret: bytes, purpose: str) -> str:
    """Return a key for one purpose, so that no two protocols share a key."""
    return hmac.new(secret, purpose.encode(), hashlib.sha256).hexdigest()


def keyed_hash(key: str, text: str) -> str:
    """Return a hash that nobody can guess a text from without the key: 64 hex digits."""
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def _create(path: Path) -> None:
    """Write a new key under another name, then link it: the first process wins."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_hex(SECRET_BYTES_MIN).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            return
    finally:
        draft.unlink()


def _checked(key: bytes, where: str) -> bytes:
    if len(key) < SECRET_BYTES_MIN:
        raise SecretError(f"{where} must have at least {SECRET_BYTES_MIN} bytes.")
    return key
