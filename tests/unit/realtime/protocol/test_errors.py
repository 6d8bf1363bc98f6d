"""Refusals carry the code, the sentence and the retry advice of the one table."""

from __future__ import annotations

from realtime.protocol.errors import ERROR_CODES, CommandError, refuse


def test_a_refusal_takes_its_sentence_from_the_table() -> None:
    refusal = refuse("muted", retry_ms=10)
    assert isinstance(refusal, CommandError)
    assert refusal.message == ERROR_CODES["muted"].meaning
    assert (refusal.retryable, refusal.retry_ms, refusal.detail) == (True, 10, None)


def test_a_refusal_may_say_more() -> None:
    assert str(refuse("bad_frame", "Frames are text.")) == "Frames are text."
