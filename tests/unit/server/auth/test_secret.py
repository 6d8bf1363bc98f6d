"""One key for all processes of an installation."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server.auth.secret import SECRET_FILE, SecretError, derive_key, load_secret


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    """A second start reads the first one's key; a careless mode is corrected."""
    first = load_secret(tmp_path, None)
    path = tmp_path / SECRET_FILE
    path.chmod(0o644)
    assert load_secret(tmp_path, None) == first
    assert len(first) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [SECRET_FILE]


def test_processes_that_start_together_share_the_key(tmp_path: Path) -> None:
    """Whoever links first wins."""
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: load_secret(tmp_path, None), range(32)))
    assert len(keys) == 1


def test_a_configured_key_needs_no_file(tmp_path: Path) -> None:
    """And writes none."""
    assert load_secret(tmp_path, "k" * 32) == b"k" * 32
    assert list(tmp_path.iterdir()) == []


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    """Configured or on disk."""
    with pytest.raises(SecretError, match="HUBBUB_SECRET"):
        load_secret(tmp_path, "short")
    (tmp_path / SECRET_FILE).write_text("short")
    with pytest.raises(SecretError, match=SECRET_FILE):
        load_secret(tmp_path, None)


def test_each_purpose_has_its_own_key() -> None:
    """Derived, stable, different."""
    assert derive_key(b"s", "a") == derive_key(b"s", "a")
    assert len({derive_key(b"s", "a"), derive_key(b"s", "b"), derive_key(b"t", "a")}) == 3
