"""What counts as a difference, and what is only on its way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from commerce.orders.payments.model import ProviderPayment
from commerce.orders.reconciliation.model import (
    KINDS,
    Difference,
    Kind,
    OurPayment,
    Reconciliation,
    Sums,
)

# A person reads no more of them; the counts are exact anyway.
DIFFERENCES_SHOWN_MAX = 1_000
# Webhooks, the poller and the jobs have brought both sides together long before.
GRACE_MS = 10 * 60_000
# No money is anywhere: how an attempt came to nothing is told by each side in its own words.
NOTHING = frozenset({"created", "declined", "voided"})
TAKEN = frozenset({"captured", "refunded"})
HAS_MONEY = frozenset({"paid", "refunded"})


def compare(
    ours: Sequence[OurPayment],
    theirs: Mapping[tuple[str, str], ProviderPayment],
    *,
    now_ms: int,
) -> list[Difference]:
    """Return what differs; `theirs` is keyed by provider and the provider's id.

    A payment that changed within the grace, or waits for a call, is left out of what may be on
    its way; other money than agreed never is.
    """
    found: list[Difference] = []
    known = set()
    for payment in ours:
        key = (payment.provider, payment.provider_ref or "")
        known.add(key)
        found += _compare_one(payment, theirs.get(key), now_ms=now_ms)
    for (provider, provider_ref), remote in theirs.items():
        if (provider, provider_ref) not in known:
            found.append(
                Difference(
                    kind="missing_here",
                    provider=provider,
                    payment=remote.payment_id,
                    provider_ref=provider_ref,
                    order=None,
                    ours="",
                    theirs=_say(remote.state, remote.amount_minor, remote.currency),
                )
            )
    return found


def _compare_one(
    payment: OurPayment, remote: ProviderPayment | None, *, now_ms: int
) -> Iterator[Difference]:
    """Yield what differs in one payment of ours."""
    is_calm = not payment.is_settling and payment.updated_at_ms <= now_ms - GRACE_MS
    if remote is None:
        # Where no money was ever tried, a provider need not list it.
        if is_calm and payment.state not in NOTHING:
            yield _differ("missing_there", payment, _say_ours(payment), "")
        return
    amounts = {payment.amount_minor}
    if remote.state not in TAKEN and payment.authorised_minor is not None:
        amounts.add(payment.authorised_minor)
    is_ours = remote.amount_minor in amounts or (
        # Taken in full before we took less: the difference goes back once we hear of it.
        payment.state == "authorised"
        and not is_calm
        and payment.authorised_minor is not None
        and payment.amount_minor < remote.amount_minor <= payment.authorised_minor
    )
    if not is_ours or remote.currency != payment.currency:
        theirs = f"{remote.amount_minor} {remote.currency}"
        yield _differ("other_amount", payment, f"{payment.amount_minor} {payment.currency}", theirs)
    if not is_calm:
        return
    if _money(payment.state) != _money(remote.state):
        yield _differ("other_state", payment, payment.state, remote.state)
    if payment.refunded_minor != remote.refunded_minor:
        yield _differ(
            "other_refunds", payment, str(payment.refunded_minor), str(remote.refunded_minor)
        )
    is_kept = remote.state in TAKEN and remote.refunded_minor < remote.amount_minor
    if is_kept and payment.order_state not in HAS_MONEY:
        theirs = _say(remote.state, remote.amount_minor, remote.currency)
        yield _differ("captured_not_paid", payment, f"order {payment.order_state}", theirs)


def report(
    differences: Sequence[Difference], *, window: tuple[int, int], compared: int, older: int
) -> Reconciliation:
    """Return the report on a window of (since, until) in Unix ms, but for the sums.

    It lists the gravest differences, `DIFFERENCES_SHOWN_MAX` at most, and counts them all.
    """
    counts = Counter(one.kind for one in differences)
    shown = sorted(differences, key=lambda one: KINDS.index(one.kind))[:DIFFERENCES_SHOWN_MAX]
    return Reconciliation(
        ok=not differences,
        since_ms=window[0],
        at_ms=window[1],
        compared=compared,
        older=older,
        counts={kind: counts[kind] for kind in KINDS if counts[kind]},
        differences=shown,
        truncated=len(shown) < len(differences),
        sums=[],
    )


def add_up(
    ours: Sequence[OurPayment], theirs: Mapping[tuple[str, str], ProviderPayment]
) -> list[Sums]:
    """Return what was taken and given back, by currency, by each side's word."""
    sums: dict[str, Sums] = {}
    for payment in ours:
        mine = sums.setdefault(payment.currency, Sums(payment.currency))
        mine.ours_in_minor += payment.amount_minor if payment.state in TAKEN else 0
        mine.ours_out_minor += payment.refunded_minor
    for remote in theirs.values():
        their = sums.setdefault(remote.currency, Sums(remote.currency))
        their.theirs_in_minor += remote.amount_minor if remote.state in TAKEN else 0
        their.theirs_out_minor += remote.refunded_minor
    return [sums[currency] for currency in sorted(sums)]


def _money(state: str) -> str:
    """Return where the money is by a state: nowhere, held or taken; refunds are compared apart."""
    if state in NOTHING:
        return "nothing"
    return "taken" if state in TAKEN else state


def _differ(kind: Kind, payment: OurPayment, ours: str, theirs: str) -> Difference:
    return Difference(
        kind=kind,
        provider=payment.provider,
        payment=payment.id,
        provider_ref=payment.provider_ref,
        order=payment.order_id,
        ours=ours,
        theirs=theirs,
    )


def _say_ours(payment: OurPayment) -> str:
    return _say(payment.state, payment.amount_minor, payment.currency)


def _say(state: str, amount_minor: int, currency: str) -> str:
    return f"{state} {amount_minor} {currency}"
