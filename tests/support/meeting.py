"""Two transactions that look before either writes: what a control without a lock needs to show.

A pause between look and writing is long enough on most machines and most days. This is a meeting:
whoever comes first waits for the second, and nobody after these two waits.
"""

from __future__ import annotations

from commerce.kernel.ports import Transaction

# Lines for a function in PL/pgSQL. What a sequence counts is seen before anybody commits.
MEET = """
    PERFORM nextval('looks');
    FOR tries IN 1 .. 100 LOOP
        EXIT WHEN (SELECT last_value > 1 FROM looks);
        PERFORM pg_sleep(0.02);
    END LOOP;
"""


async def arrange(transaction: Transaction) -> None:
    """Make what the meeting is counted by."""
    await transaction.execute("CREATE SEQUENCE looks")
