"""The digest by which an exported file is known again. Pure.

Canonical JSON: keys sorted, no space, UTF-8, whole numbers. It says that a file is what was
exported to whoever kept the digest elsewhere; it does not say who made the file.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from commerce.insight.evidence.model import FORMATS


def canonical(data: Mapping[str, Any]) -> bytes:
    """Return JSON-ready data as the one text that is hashed; raises ValueError for NaN."""
    text = json.dumps(
        data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def digest_of(bundle: Mapping[str, Any]) -> str:
    """Return `sha256:` and the digest of a bundle without its `digest`."""
    facts = {name: value for name, value in bundle.items() if name != "digest"}
    return f"sha256:{hashlib.sha256(canonical(facts)).hexdigest()}"


def verify(bundle: Any) -> str | None:
    """Return why this is no evidence as it was exported, or None when it is."""
    if not isinstance(bundle, dict) or "format" not in bundle:
        return "this is no evidence of an order"
    if bundle["format"] not in FORMATS:
        return f"the format is not one of {', '.join(FORMATS)}"
    stored = bundle.get("digest")
    if not isinstance(stored, str):
        return "it has no digest"
    try:
        actual = digest_of(bundle)
    except (ValueError, RecursionError):
        return "it cannot be read as it was written"
    return (
        None
        if hmac.compare_digest(stored.encode(), actual.encode())
        else ("the digest is another: it was changed after it was exported")
    )
