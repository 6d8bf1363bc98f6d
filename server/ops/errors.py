"""Say an operational failure in one clear line.

Invariant: the text is meant for the person at the terminal; it is printed without a traceback.
"""

from __future__ import annotations

EXIT_FAILED = 1  # The world is not as needed: a taken port, a server that cannot be reached.
EXIT_USAGE = 2  # The caller asked for something wrong: a setting, a flag, a missing tool.


class OperationalError(Exception):
    """End a command with one line on stderr and `exit_code`."""

    def __init__(self, line: str, *, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(line)
        self.exit_code = exit_code
