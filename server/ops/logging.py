"""Write logs as one JSON object a line, with request and user ids and without secrets.

Invariant: whatever is logged passes `redact`, so a token or password in a URL is never written.
"""

from __future__ import annotations

import logging
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
user_id: ContextVar[str | None] = ContextVar("user_id", default=None)

HIDDEN = "***"
TEXT_CHARACTERS_MAX = 8000  # A runaway traceback or payload must not fill the disk in one line.
SECRETS = (
    (
        re.compile(r"([?&](?:t|token|key|password|secret|signature)=)[^&\s\"'#]+", re.I),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(//[^/\s:@\"']*:)[^/\s@\"']+(@)"), rf"\1{HIDDEN}\2"),
    (re.compile(r"(bearer\s+)[\w.~+/=-]+", re.I), rf"\1{HIDDEN}"),
    (
        re.compile(
            r"((?:password|token|secret|authorization|cookie)[\"']?\s*[:=]\s*[\"']?)[^\s\"',;&}]+",
            re.I,
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]+"), HIDDEN),  # A bare JSON Web Token.
)
STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "color_message",
}


def redact(text: str) -> str:
    """Return the text with tokens and passwords replaced by `***`."""
    for pattern, replacement in SECRETS:
        text = pattern.sub(replacement, text)
    return text


class JsonFormatter(logging.Formatter):
    """Format a record; fields given by `extra=` become keys of the object."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON, redacted and bounded."""
        entry: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": _clean(record.getMessage()),
        }
        for name, variable in (("request", request_id), ("user", user_id)):
            value = variable.get()
            if value is not None:
                entry[name] = value
        for name, value in vars(record).items():
            if name not in STANDARD_FIELDS:
                is_plain = isinstance(value, int | float) or value is None
                entry[name] = value if is_plain else _clean(str(value))
        if record.exc_info:
            entry["error"] = _clean(self.formatException(record.exc_info))
        return orjson.dumps(entry, default=str).decode()


def is_not_logged_already(record: logging.LogRecord) -> bool:
    """Drop uvicorn's echo of an exception that `server/routes/errors.py` logged with its ids."""
    return not record.getMessage().startswith("Exception in ASGI application")


def configure_logging(level: str, process: str) -> None:
    """Send all logs of this process to stderr; call once, before anything is logged."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("uvicorn.error").addFilter(is_not_logged_already)
    noisy = ("aioice", "aiortc", "asyncio", "httpcore", "httpx", "uvicorn.access", "uvicorn.error")
    for quiet in noisy:
        logging.getLogger(quiet).setLevel(max(logging.WARNING, root.level))


def _clean(text: str) -> str:
    return redact(text[:TEXT_CHARACTERS_MAX])
