"""The payment provider: where money is, whatever the shop believes."""

from __future__ import annotations

import msgspec

from commerce.orders.payments.model import PAYMENT, Payment, PaymentReport
from commerce.orders.payments.ports import ProviderRefusedError, ProviderUnavailableError
from tests.simulation.processes import Gateway
from tests.simulation.world import Killed, World

STEPS = {"capture": "captured", "void": "voided", "refund": "refunded"}
WEBHOOK_PAUSE_MS = 10_000
# Money that no order could take can be captured then: it has to go back by a refund.
CAPTURES_BY_ITSELF = 0.1
CAPTURES_WITHIN_MS = 20_000
# Then it gives up: what a shop has not heard by now it has to ask for.
WEBHOOKS_MAX = 3


class Account(msgspec.Struct):
    """A payment as the provider has it."""

    payment: Payment
    state: str = "created"
    authorised_at_ms: int | None = None


class Provider:
    """A provider that is away at times, and whose answers get lost."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.gateways: list[Gateway] = []
        self.accounts: dict[str, Account] = {}
        self.events = 0
        self.acked: set[str] = set()

    def call(self, kind: str, payment: Payment) -> PaymentReport:
        """Make one call; idempotent by the payment's id."""
        world = self.world
        if world.strikes(world.storm.provider_away):
            raise ProviderUnavailableError("away")
        account = self.accounts.get(payment.id)
        if kind == "create" and account is None:
            account = self.accounts[payment.id] = Account(payment)
        if account is None:
            raise ProviderRefusedError("no such payment")
        is_nothing_there = kind == "void" and account.state == "declined"
        if kind in STEPS and account.state != STEPS[kind] and not is_nothing_there:
            if not PAYMENT.allows(account.state, kind):
                raise ProviderRefusedError(f"{account.state}: no {kind}")
            self.move(account, STEPS[kind])
        if world.strikes(world.storm.kill_in_call):
            raise Killed
        if world.strikes(world.storm.provider_answer_lost):
            raise ProviderUnavailableError("no answer")
        return self.report(account)

    def act(self, payment_id: str, state: str) -> bool:
        """Let the buyer press a button of the payment page; False when it is over."""
        account = self.accounts.get(payment_id)
        if account is None or account.state != "created":
            return False
        self.move(account, state)
        if state == "authorised" and self.world.roll() < CAPTURES_BY_ITSELF:
            pause_ms = self.world.between(0, CAPTURES_WITHIN_MS - 1)
            self.world.after(pause_ms, lambda: self.capture_by_itself(account))
        return True

    def capture_by_itself(self, account: Account) -> None:
        """Take held money unasked, as a person in the dashboard may."""
        if account.state == "authorised":
            self.move(account, "captured")

    def move(self, account: Account, state: str) -> None:
        """Change a payment, and say so."""
        self.world.note(f"{account.payment.id[-8:]} is {state} at the provider")
        account.state = state
        if state == "authorised":
            account.authorised_at_ms = self.world.now_ms
        self.events += 1
        self.tell(f"event-{self.events}", self.report(account), 1)

    def report(self, account: Account) -> PaymentReport:
        """Say what a payment is now."""
        payment = account.payment
        return PaymentReport(
            payment_id=payment.id,
            provider_ref=f"ref-{payment.id}",
            state=account.state,
            amount_minor=payment.amount_minor,
            currency=payment.currency,
            url=f"https://pay.test/{payment.id}",
        )

    def tell(self, event_id: str, report: PaymentReport, attempt: int) -> None:
        """Send a webhook, and again until it is acknowledged or hopeless."""
        if event_id in self.acked or attempt > WEBHOOKS_MAX:
            return
        world = self.world
        gateway = world.pick(self.gateways)
        world.send(lambda: gateway.webhook(event_id, report, lambda: self.acked.add(event_id)))
        world.after(WEBHOOK_PAUSE_MS * attempt, lambda: self.tell(event_id, report, attempt + 1))


class Cashier:
    """A provider that does what it is told, unless it is away; the core's `ProviderDesk`."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.is_away = False

    def call(self, kind: str, payment: Payment) -> PaymentReport:
        """Make one call; idempotent by the payment's id."""
        if self.is_away:
            raise ProviderUnavailableError("away")
        account = self.accounts.get(payment.id)
        if account is None:
            if kind != "create":
                raise ProviderRefusedError("no such payment")
            account = self.accounts[payment.id] = Account(payment)
        if kind in STEPS and account.state not in (STEPS[kind], "declined"):
            if not PAYMENT.allows(account.state, kind):
                raise ProviderRefusedError(f"{account.state}: no {kind}")
            account.state = STEPS[kind]
        return self.report(payment.id)

    def report(self, payment_id: str) -> PaymentReport:
        """Say what a payment is."""
        account = self.accounts[payment_id]
        return PaymentReport(
            payment_id=payment_id,
            provider_ref=f"ref-{payment_id}",
            state=account.state,
            amount_minor=account.payment.amount_minor,
            currency=account.payment.currency,
        )
