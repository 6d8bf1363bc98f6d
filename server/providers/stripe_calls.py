"""How a call to Stripe is asked, and what its errors mean to the port.

Stripe keeps what it answered under an idempotency key for a day, errors too, and says it again
(https://docs.stripe.com/api/idempotent_requests): a capture that met a fault of a moment would fail
for as long. What can happen only once, however often it is asked, has more keys than one therefore.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

import stripe

from commerce.orders.payments.ports import ProviderRefusedError, ProviderUnavailableError

# Errors of one call that were kept; with more in a day it waits until Stripe has forgotten them.
KEYS_MAX = 20
Answer = TypeVar("Answer")


def under(key: str) -> stripe.RequestOptions:
    """Return the options of a call with an idempotency key."""
    return {"idempotency_key": key}


async def ask(call: Awaitable[Answer]) -> Answer:
    """Await a call; its errors become the port's two."""
    try:
        return await call
    except stripe.StripeError as error:
        _raise(error)


async def ask_once_only(
    key: str, call: Callable[[stripe.RequestOptions], Awaitable[Answer]]
) -> Answer:
    """Make a call that cannot happen twice, a capture or a void, under its key or the next ones.

    An error that was kept under a key is no answer to this call: then the next one has its turn. An
    answer that was lost is found under its own key. Money must never be given back like this.
    """
    number = 0
    while True:
        try:
            return await call(under(f"{key}:{number}" if number else key))
        except stripe.StripeError as error:
            number += 1
            if number == KEYS_MAX or not _is_kept(error):
                _raise(error)


def _is_kept(error: stripe.StripeError) -> bool:
    """Say whether an error is what Stripe answered to an earlier call."""
    return (error.headers or {}).get("idempotent-replayed") == "true"


def _raise(error: stripe.StripeError) -> NoReturn:
    """Raise the port's error for one of Stripe's.

    A wrong key and a lack of rights are an operator's to mend, so the call is repeated; so is one
    whose key is in use this moment (409).
    """
    words = _words(error)
    is_refusal = isinstance(error, stripe.CardError | stripe.InvalidRequestError)
    if is_refusal and error.http_status not in (409, 429):
        raise ProviderRefusedError(words) from error
    raise ProviderUnavailableError(words) from error


def _words(error: stripe.StripeError) -> str:
    """Return what went wrong for a log: class, status, Stripe's code and words; never a key."""
    said = "" if isinstance(error, stripe.AuthenticationError) else (error.user_message or "")
    return f"{type(error).__name__} {error.http_status or ''} {error.code or ''} {said}".strip()
