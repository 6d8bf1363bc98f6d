"""Export the evidence of an order from the command line, and check a file that was exported."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from commerce.insight.evidence.digest import verify
from commerce.insight.evidence.service import export_evidence
from commerce.kernel.errors import CommerceError
from server.arguments import parse_id
from server.db.database import PgDatabase, open_pool
from server.ops.errors import EXIT_USAGE, OperationalError
from server.settings import Settings

# Ten windows of chat and twenty lines of an order are a megabyte; anything above is another file.
FILE_BYTES_MAX = 64 * 1024 * 1024


async def run_export(settings: Settings, order: str, out: Path | None) -> str:
    """Write an order's evidence to a new file and return a line about it; without one, the text.

    Raises OperationalError when there is no such order, or the file is there already.
    """
    order_id = parse_id(order)
    if order_id is None:
        raise OperationalError(f"{order!r} is no order's id.", exit_code=EXIT_USAGE)
    assert settings.database_url is not None
    database = PgDatabase(await open_pool(settings.database_url))
    try:
        bundle = await export_evidence(database, order_id)
    except CommerceError as error:
        raise OperationalError(f"{order_id}: {error.message}") from error
    finally:
        await database.close()
    text = json.dumps(bundle, ensure_ascii=False, indent=2)
    if out is None:
        return text
    _write_new(out, text + "\n")
    return f"wrote {out}, {bundle['digest']}"


def verify_file(path: Path) -> str:
    """Return a line that says that a file is as it was exported; raises OperationalError if not."""
    bundle = _read(path)
    reason = verify(bundle)
    if reason is not None:
        raise OperationalError(f"{path}: {reason}.")
    return f"{path} is as it was exported: {bundle['view']}, {bundle['digest']}"


def _write_new(path: Path, text: str) -> None:
    """Write a file that only its owner reads: it has what people said, under their names."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise OperationalError(f"{path} is there already; evidence is not overwritten.") from None
    except OSError as error:
        raise OperationalError(f"cannot write {path}: {error.strerror}.") from None


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise OperationalError(f"{path} is too large to be evidence.")
        text = path.read_text(encoding="utf-8")
        return json.loads(text, object_pairs_hook=_once_each)
    except OSError as error:
        raise OperationalError(f"cannot read {path}: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise OperationalError(f"{path}: this is no evidence of an order.") from None


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; raises ValueError for a name twice, of which readers see one or other."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name stands twice")
    return fields
