"""Run the auditor from the command line, with a bar or a line every few seconds."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from commerce.insight.audit.model import AuditReport
from commerce.insight.audit.service import audit
from server.db.database import PgDatabase, open_pool
from server.settings import Settings

BAR_WIDTH = 30
# A log gets a line this often; a terminal redraws its line as fast as eyes can follow.
LINE_EVERY_S = 5.0
DRAW_EVERY_S = 0.1


class ProgressBar:
    """Shows how far a full run is: a bar on a terminal, otherwise a plain line now and then."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._started_s = self._shown_s = time.monotonic()

    def show(self, walk: str, done: int, total: int) -> None:
        """Show that `done` of `total` keys were looked at, if it is time to."""
        now_s = time.monotonic()
        pause_s = DRAW_EVERY_S if self._is_terminal else LINE_EVERY_S
        is_last = done >= total and walk == "done"
        if now_s - self._shown_s < pause_s and not (is_last and self._is_terminal):
            return
        self._shown_s = now_s
        share = done / total if total else 1.0
        text = f"{walk:<8} {share:4.0%} of {total:,} · {now_s - self._started_s:.0f} s"
        if not self._is_terminal:
            self._stream.write(f"audit: {text}\n")
        else:
            filled = round(share * BAR_WIDTH)
            bar = "█" * filled + "░" * (BAR_WIDTH - filled)
            self._stream.write(f"\r{bar} {text}\x1b[K" + ("\n" if is_last else ""))
        self._stream.flush()


async def run_audit(settings: Settings) -> AuditReport:
    """Audit the database from its rows once; progress goes to stderr."""
    assert settings.database_url is not None
    database = PgDatabase(await open_pool(settings.database_url))
    try:
        return await audit(database, ProgressBar(sys.stderr).show)
    finally:
        await database.close()
