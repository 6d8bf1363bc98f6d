"""Whatever people do in whatever order, the services on PostgreSQL do what the pure model does.

Hypothesis writes the story and, when one goes wrong, finds its shortest form. Nothing breaks in
here but the provider, which is away at times: what breaks is the simulation's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from commerce.goods.inventory.model import Outcome, Request
from commerce.kernel.errors import CommerceError
from commerce.kernel.ids import entry_id, order_id, reservation_id
from tests.simulation import planted
from tests.simulation.core import UNITS, Books, Core
from tests.simulation.model_core import ModelCore
from tests.simulation.postgres_core import PostgresCore, make_postgres_core
from tests.simulation.provider import Cashier

START_MS = 1_800_000_000_000
BUYERS = 4
# Over the end of a countdown, of a hold, of an offer, of an extension; and of the whole sale.
PAUSES_S = [1, 1, 35, 35, 121, 121, 181, 181, 901, 1_801]
BUYER = st.integers(0, BUYERS - 1)
KEY = st.sampled_from(["a", "b"])
QTY = st.integers(1, 3)
WHICH = st.integers(0, 5)


class Side:
    """One of the two cores with its own provider, seen through names that both share."""

    def __init__(self, core: Core, cashier: Cashier) -> None:
        self.core = core
        self.cashier = cashier

    def press_id(self, buyer: int, key: str) -> str:
        """Return the id of a press."""
        return reservation_id(self.core.users[buyer], self.core.sale_id, key)

    def entry_id(self, buyer: int, key: str) -> str:
        """Return the id of a place in the line."""
        return entry_id(self.core.users[buyer], self.core.sale_id, key)

    def order_id(self, buyer: int, key: str) -> str:
        """Return the id of an order."""
        return order_id(self.core.users[buyer], key)

    def offer_id(self, buyer: int, key: str) -> str:
        """Return the id of the reservation that was offered to a place in the line."""
        _, offer = self.core.look(self.entry_id(buyer, key))
        if offer is None:
            raise CommerceError("not_found", "Nothing was offered.")
        return offer

    def payment(self, buyer: int, key: str, place: int) -> str:
        """Return the id of one of an order's attempts to pay, in the order they were made."""
        return self.core.read_order(self.order_id(buyer, key)).payments[place][0]

    def has_silent_money(self, buyer: int, key: str) -> bool:
        """Say whether the provider has money for an order that waits for it."""
        order = self.core.read_order(self.order_id(buyer, key))
        accounts = [self.cashier.accounts.get(id) for id, _ in order.payments]
        return order.state == "awaiting_payment" and any(
            one is not None and one.state in ("authorised", "captured") for one in accounts
        )

    def tell(self) -> dict[str, Any]:
        """Return everything that is committed, by names instead of ids."""
        books: Books = self.core.read()
        assert list(books.problems) == []
        names = {
            self.press_id(buyer, key): f"press {buyer}{key}"
            for buyer in range(BUYERS)
            for key in "ab"
        }
        people = {user: buyer for buyer, user in enumerate(self.core.users)}
        entries = []
        for entry in books.entries:
            name = f"{people[entry.user_id]} {entry.joined_at_ms}"
            entries.append((name, entry.qty, entry.state, entry.offered_version))
            if entry.reservation_id is not None:
                names[entry.reservation_id] = f"offer {name}"
        mine = [order for order in books.orders.values() if order.user_id in people]
        return {
            "total": books.total,
            "claimed": books.claimed,
            "steps": [(step.version, step.claimed_delta, step.total_delta) for step in books.steps],
            "entries": entries,
            "bought": {people[user]: qty for user, qty in books.buyers.items() if qty},
            "reservations": {
                names[one.id]: (
                    people[one.user_id],
                    one.qty,
                    one.state,
                    one.origin,
                    one.version,
                    one.decided_at_ms,
                    one.release_at_ms,
                )
                for one in books.reservations.values()
            },
            "orders": sorted(
                (
                    people[order.user_id],
                    order.state,
                    order.total_minor,
                    sorted(names[id] for id in order.reservation_ids),
                    [state for _, state in order.payments],
                )
                for order in mine
            ),
        }


class SideBySide(RuleBasedStateMachine):
    """Do the same to both cores, and compare what they say and what they keep."""

    def __init__(self, real: PostgresCore, cashier: Cashier, model: type[ModelCore]) -> None:
        super().__init__()
        self.now_ms = real.now_ms
        real.begin_anew(BUYERS)
        cashier.is_away = False
        modelled = Cashier()
        pure = model(modelled, self.now_ms, BUYERS)
        self.sides = (Side(pure, modelled), Side(real, cashier))
        self.reserved: list[tuple[int, str]] = []
        self.placed: list[tuple[int, str]] = []
        self.joined: list[tuple[int, str]] = []
        self.events = 0

    def both(self, work: Callable[[Side], Any]) -> Any:
        """Do the same on both sides; both must say the same."""
        said = [say(work, side) for side in self.sides]
        assert said[0] == said[1], f"the model says {said[0]}, the database {said[1]}"
        return said[0]

    @invariant()
    def agree_on_the_stock(self) -> None:
        """Compare what is cheap to compare, after every act."""
        self.both(lambda side: side.core.figures())

    @initialize(units=st.integers(1, 6))
    def make_scarce(self, units: int) -> None:
        """Leave fewer units than people may want."""
        self.both(lambda side: side.core.adjust(units - UNITS, "at first"))

    @rule(presses=st.lists(st.tuples(BUYER, KEY, QTY), min_size=1, unique_by=lambda one: one[0]))
    def press(self, presses: list[tuple[int, str, int]]) -> None:
        """Decide a batch."""

        def decide(side: Side) -> Any:
            requests = [
                Request(side.press_id(buyer, key), side.core.sale_id, side.core.users[buyer], qty)
                for buyer, key, qty in presses
            ]
            result = side.core.reserve(requests)
            return list(result.outcomes), result.total, result.claimed, result.pool_version

        outcomes = self.both(decide)[0]
        for (buyer, key, _), outcome in zip(presses, outcomes, strict=True):
            if outcome == Outcome.RESERVED:
                self.reserved.append((buyer, key))

    @precondition(lambda self: self.reserved)
    @rule(which=WHICH)
    def release(self, which: int) -> None:
        """Give a hold back."""
        buyer, key = one_of(self.reserved, which)
        self.both(lambda side: side.core.release(side.core.users[buyer], side.press_id(buyer, key)))

    @rule(buyer=BUYER, key=KEY, qty=st.integers(1, 2))
    def join(self, buyer: int, key: str, qty: int) -> None:
        """Wait in line."""

        def wait(side: Side) -> str:
            side.core.join(side.core.users[buyer], qty, key)
            return "joined"

        if self.both(wait) == "joined" and (buyer, key) not in self.joined:
            self.joined.append((buyer, key))

    @precondition(lambda self: self.joined)
    @rule(which=WHICH)
    def leave(self, which: int) -> None:
        """Leave the line, or pass an offer on."""
        buyer, key = one_of(self.joined, which)
        self.both(lambda side: side.core.leave(side.core.users[buyer], side.entry_id(buyer, key)))

    @precondition(lambda self: self.reserved)
    @rule(which=WHICH, key=KEY)
    def order(self, which: int, key: str) -> None:
        """Order what was pressed for."""
        buyer, press = one_of(self.reserved, which)
        self._order(buyer, key, lambda side: [side.press_id(buyer, press)])

    @precondition(lambda self: self.reserved)
    @rule(which=WHICH, key=KEY)
    def order_everything(self, which: int, key: str) -> None:
        """Order all that one has pressed for."""
        buyer, _ = one_of(self.reserved, which)
        presses = sorted({press for who, press in self.reserved if who == buyer})
        self._order(buyer, key, lambda side: [side.press_id(buyer, press) for press in presses])

    @precondition(lambda self: self.joined)
    @rule(which=WHICH, key=KEY)
    def order_offer(self, which: int, key: str) -> None:
        """Order what was offered."""
        buyer, entry = one_of(self.joined, which)
        self._order(buyer, key, lambda side: [side.offer_id(buyer, entry)])

    def _order(self, buyer: int, key: str, choose: Callable[[Side], list[str]]) -> None:
        def place(side: Side) -> str:
            side.core.place_order(side.core.users[buyer], key, choose(side))
            return "placed"

        if self.both(place) == "placed" and (buyer, key) not in self.placed:
            self.placed.append((buyer, key))

    @precondition(lambda self: self.placed)
    @rule(which=WHICH, state=st.sampled_from(["authorised", "declined"]))
    def pay(self, which: int, state: str) -> None:
        """Press a button on the payment page; the webhook comes at once."""
        self._act(which, state, is_told=True)

    @precondition(lambda self: self.placed)
    @rule(which=WHICH)
    def pay_in_silence(self, which: int) -> None:
        """Pay, and the webhook is lost."""
        self._act(which, "authorised", is_told=False)

    @precondition(lambda self: self.placed)
    @rule(which=WHICH, state=st.sampled_from(["authorised", "captured"]), is_told=st.booleans())
    def pay_by_another_card(self, which: int, state: str, is_told: bool) -> None:
        """Pay on the page of the first card, which was declined; a fresh page is open by then."""
        self._act(which, state, is_told=is_told, was="declined")

    def _act(self, which: int, state: str, *, is_told: bool, was: str = "created") -> None:
        buyer, key = one_of(self.placed, which)
        self.events += 1
        event = f"{self.now_ms} {self.events}"

        def act(side: Side) -> str:
            payment = side.payment(buyer, key, -1 if was == "created" else 0)
            account = side.cashier.accounts.get(payment)
            if account is None or account.state != was:
                return "no such page"
            if not is_told and side.has_silent_money(buyer, key):
                return "one page at a time: of two in silence either may be asked after first"
            account.state = state
            if is_told:
                side.core.take_webhook(event, side.cashier.report(payment))
            return state

        self.both(act)

    @precondition(lambda self: self.placed)
    @rule(which=WHICH)
    def cancel(self, which: int) -> None:
        """Cancel an order."""
        buyer, key = one_of(self.placed, which)
        self.both(lambda side: side.core.cancel(side.core.users[buyer], side.order_id(buyer, key)))

    @rule(delta=st.sampled_from([-3, -1, 1, 2]))
    def adjust(self, delta: int) -> None:
        """Change the stock."""
        self.events += 1
        key = f"{self.events}"
        self.both(lambda side: side.core.adjust(delta, key))

    @rule(seconds=st.sampled_from(PAUSES_S))
    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.now_ms += seconds * 1000
        for side in self.sides:
            side.core.now_ms = self.now_ms

    @rule(is_away=st.booleans())
    def provider_goes_or_comes(self, is_away: bool) -> None:
        """The provider is away for a while."""
        for side in self.sides:
            side.cashier.is_away = is_away

    @rule(job=st.sampled_from(["sweep", "expire_orders", "run_calls", "poll", "tend"]))
    def job(self, job: str) -> None:
        """Let the worker come by; what is not due changes nothing, so worlds may leave it out."""
        idle = [
            (side, side.core.figures()) for side in self.sides if job not in side.core.due_jobs()
        ]
        self.both(lambda side: getattr(side.core, job)())
        assert all(side.core.figures() == figures for side, figures in idle)

    @rule()
    def look(self) -> None:
        """Compare everything that is kept; the auditor has a look at the real one."""
        model, real = (side.tell() for side in self.sides)
        assert model == real, f"the model says {model}, the database {real}"

    def teardown(self) -> None:
        """Compare the end, and leave nothing that the next story would meet."""
        self.look()
        self.sides[1].cashier.is_away = False
        self.wait(2_000)
        for _ in range(2):
            for job in ("sweep", "tend", "expire_orders", "run_calls"):
                getattr(self.sides[1].core, job)()


def one_of(names: list[tuple[int, str]], which: int) -> tuple[int, str]:
    """Choose one, the newest most simply."""
    return names[-1 - which % len(names)]


def say(work: Callable[[Side], Any], side: Side) -> Any:
    """Return what work says, or the code of its refusal."""
    try:
        return work(side)
    except CommerceError as error:
        return error.code


@pytest.fixture
def real(database_url: str) -> Iterator[tuple[PostgresCore, Cashier]]:
    """The services on a database for all stories."""
    logging.disable(logging.CRITICAL)  # A provider that is away is no news here.
    cashier = Cashier()
    core = make_postgres_core(database_url)(cashier, START_MS, 0)
    yield core, cashier
    core.close()
    logging.disable(logging.NOTSET)


def play(real: tuple[PostgresCore, Cashier], model: type[ModelCore], *phases: Phase) -> None:
    """Play stories of up to sixty acts; a control has the same each time, and no luck."""
    run_state_machine_as_test(
        lambda: SideBySide(*real, model),
        settings=settings(
            max_examples=25,
            stateful_step_count=60,
            deadline=None,
            derandomize=model is not ModelCore,
            phases=phases,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.integration
@pytest.mark.slow
def test_database_and_model_tell_one_story(real: tuple[PostgresCore, Cashier]) -> None:
    play(real, ModelCore, *Phase)


@pytest.mark.integration
@pytest.mark.slow
def test_a_model_that_knows_no_limit_tells_another(real: tuple[PostgresCore, Cashier]) -> None:
    """The negative control: stories that miss it would be blind."""
    with pytest.raises(AssertionError, match="the model says"):
        play(real, planted.NoLimit, Phase.generate)
