"""What has to be true once the world is whole again: nothing lost, nothing twice, nobody forgotten.

Each function returns sentences about what is wrong; an empty list is a proof for one seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations

from commerce.orders.checkout.rules import HELD_MS_MAX
from loadtests.journal_check import check_journal
from tests.simulation.buyers import Shop
from tests.simulation.core import PER_BUYER, Books, OrderBook
from tests.simulation.provider import Account, Provider
from tests.simulation.world import HEAL_MS, START_MS

# What a lost webhook may cost once the world is whole: a silent payment is asked after by then.
ASKED_WITHIN_MS = 180_000
LIVE = ("held", "paying", "sold")
MONEY_THERE = ("authorised", "captured")


def check_all(books: Books, shop: Shop) -> list[str]:
    """Return everything that is wrong."""
    granted = {id: one.version for id, one in books.reservations.items()}
    return [
        *books.problems,
        *sorted(f"nobody answered: {question.what}" for question in shop.open),
        *shop.broken,
        *check_journal(books.steps, granted, shop.told),
        *check_holds(books, shop),
        *check_stock(books),
        *check_line(books),
        *check_money(books, shop.provider),
    ]


def check_holds(books: Books, shop: Shop) -> Iterator[str]:
    """Every hold has ended in time, and belongs to a press or an offer."""
    offers = {entry.reservation_id for entry in books.entries}
    for one in books.reservations.values():
        if one.state in ("held", "paying"):
            yield f"reservation {one.id} is {one.state} for ever"
        if one.origin == "walk_in" and one.id not in shop.presses:
            yield f"reservation {one.id} belongs to no press"
        if one.origin == "waiting_list" and one.id not in offers:
            yield f"reservation {one.id} belongs to no entry"
        if one.release_at_ms > one.decided_at_ms + HELD_MS_MAX:
            yield f"reservation {one.id} was held beyond the cap"


def check_stock(books: Books) -> Iterator[str]:
    """The pool, its journal, its reservations and the buyers' sums say the same."""
    live: Counter[str] = Counter()
    for one in books.reservations.values():
        live[one.user_id] += one.qty * (one.state in LIVE)
    in_journal = sum(step.claimed_delta for step in books.steps)
    if not books.claimed == in_journal == live.total():
        yield f"claimed {books.claimed}, journal {in_journal}, reservations {live.total()}"
    if sum(step.total_delta for step in books.steps) != books.total:
        yield "the journal's total is not the pool's"
    if books.claimed > books.total:
        yield f"{books.claimed} claimed of {books.total}"
    for user, qty in live.items():
        if qty > PER_BUYER:
            yield f"{user} has {qty} units, the limit is {PER_BUYER}"
        if books.buyers.get(user, 0) != qty:
            yield f"{user} has {qty} units, counted as {books.buyers.get(user, 0)}"


def check_line(books: Books) -> Iterator[str]:
    """The line was served in order of arrival and before everybody else, and is over."""
    offered = [one for one in books.entries if one.offered_version is not None]
    for first, second in combinations(offered, 2):
        assert first.offered_version is not None
        assert second.offered_version is not None
        if first.qty <= second.qty and first.offered_version > second.offered_version:
            yield f"entry {second.id} was served before {first.id}, who came first"
    for one in books.reservations.values():
        for entry in offered:
            assert entry.offered_version is not None
            is_before = entry.joined_at_ms < one.decided_at_ms
            is_jumped = entry.qty <= one.qty and entry.offered_version > one.version
            if one.origin == "walk_in" and is_before and is_jumped:
                yield f"a press got {one.id} while {entry.id} waited for as little"
    for entry in books.entries:
        held = books.reservations.get(entry.reservation_id or "")
        if entry.state in ("waiting", "offered"):
            yield f"entry {entry.id} is {entry.state} for ever"
        if entry.state == "bought" and (held is None or held.state != "sold"):
            yield f"entry {entry.id} is bought, its reservation is not"


def check_money(books: Books, provider: Provider) -> Iterator[str]:
    """Whoever paid has the goods, whoever has the goods paid, and no money is left hanging."""
    in_orders: Counter[str] = Counter()
    for order in books.orders.values():
        accounts = [provider.accounts[id] for id, _ in order.payments if id in provider.accounts]
        yield from _check_order(books, order, accounts)
        if order.state == "paid":
            in_orders.update(order.reservation_ids)
        for id, state in order.payments:
            there = provider.accounts.get(id)
            if there is not None and there.state != state:
                yield f"payment {id} is {state} here and {there.state} at the provider"
    known = {id for order in books.orders.values() for id, _ in order.payments}
    for id in provider.accounts.keys() - known:
        yield f"the provider has payment {id}, which is not ours"
    for one in books.reservations.values():
        if one.state == "sold" and in_orders[one.id] != 1:
            yield f"reservation {one.id} is sold, on {in_orders[one.id]} paid orders"


def _check_order(books: Books, order: OrderBook, accounts: list[Account]) -> Iterator[str]:
    there = [one for one in accounts if one.state in MONEY_THERE]
    states = {books.reservations[id].state for id in order.reservation_ids}
    if order.state == "paid":
        taken = [one.payment.amount_minor for one in there if one.state == "captured"]
        if taken != [order.total_minor] or len(there) != 1:
            yield f"order {order.id} of {order.total_minor} was paid with {taken}"
        if states != {"sold"}:
            yield f"order {order.id} is paid, its reservations are {sorted(states)}"
    elif order.state == "awaiting_payment":
        yield f"order {order.id} waits for money for ever"
    else:
        if there:
            yield f"order {order.id} is {order.state}, its money is still there"
        if "sold" in states:
            yield f"order {order.id} is {order.state}, with a sold reservation"
    if order.state == "expired" and any(_is_in_time(books, order, one) for one in accounts):
        yield f"order {order.id} is expired, its money came in time"


def _is_in_time(books: Books, order: OrderBook, account: Account) -> bool:
    """Say whether money was there long before the hold's end, and the world whole by then."""
    end_ms = min(books.reservations[id].release_at_ms for id in order.reservation_ids)
    paid_at_ms = account.authorised_at_ms
    healed_at_ms = START_MS + HEAL_MS
    return paid_at_ms is not None and max(paid_at_ms, healed_at_ms) + ASKED_WITHIN_MS < end_ms
