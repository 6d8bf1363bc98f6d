"""Buyers: they press, wait, order, pay, change their minds, and ask again until they hear."""

from __future__ import annotations

from collections.abc import Callable

from commerce.goods.inventory.model import Request
from commerce.orders.checkout.rules import PAYING_MS
from loadtests.journal_check import Told
from tests.simulation.core import HOLD_MS, reservation_id
from tests.simulation.processes import Answer, Gateway
from tests.simulation.provider import Provider
from tests.simulation.world import World

PATIENCE_MS = 6_000
LOOK_MS = 50_000
# Some buyers pay in the very seconds in which their time ends, before or after.
LAST_MOMENT_MS = 25_000
LINE_IS_OPEN_TO = ("held_out", "not_enough_left")


class Shop:
    """What buyers see, and what they were told; the checks read it."""

    def __init__(self, world: World, gateways: list[Gateway], provider: Provider) -> None:
        self.world = world
        self.gateways = gateways
        self.provider = provider
        self.told: list[Told] = []
        self.open: set[Question] = set()
        """What was asked and is not answered."""
        self.presses: set[str] = set()
        """The ids of all reservations that a press may have."""
        self.broken: list[str] = []
        """Promises that buyers saw broken."""

    def ask(
        self,
        what: str,
        send: Callable[[Gateway, Callable[[Answer], None]], None],
        then: Callable[[Answer], None],
    ) -> None:
        """Ask any gateway, and again until an answer says something."""
        question = Question(self, what, send, then)
        self.open.add(question)
        question.attempt()


class Question:
    """What somebody asks until they hear; no cycle of closures, so that it is freed at once."""

    __slots__ = ("_send", "_then", "shop", "what")

    def __init__(
        self,
        shop: Shop,
        what: str,
        send: Callable[[Gateway, Callable[[Answer], None]], None],
        then: Callable[[Answer], None],
    ) -> None:
        self.shop = shop
        self.what = what
        self._send = send
        self._then = then

    def attempt(self) -> None:
        """Ask any gateway, unless there is an answer, and once more when patience ends."""
        shop = self.shop
        if self not in shop.open:
            return
        world, gateway = shop.world, shop.world.pick(shop.gateways)
        world.send(lambda: self._send(gateway, self.hear))
        world.after(PATIENCE_MS, self.attempt)

    def hear(self, answer: Answer) -> None:
        """Take an answer that says something, once."""
        if answer.code != "unknown_outcome" and self in self.shop.open:
            self.shop.open.remove(self)
            self._then(answer)


class Buyer:
    """One buyer; `user_id` may belong to several presses."""

    def __init__(self, shop: Shop, user_id: str) -> None:
        self.shop = shop
        self.world = shop.world
        self.user_id = user_id
        self.keys = 0

    def key(self) -> str:
        """Return a fresh idempotency key."""
        self.keys += 1
        return f"k{self.keys}"

    def request(
        self,
        what: str,
        work: Callable[[], str | None],
        then: Callable[[Answer], None] = lambda answer: None,
    ) -> None:
        """Ask for anything but a press."""
        name = f"{what} of {self.user_id[-2:]}"
        self.shop.ask(name, lambda gateway, hear: gateway.serve(lambda: work() or "", hear), then)

    def press(self) -> None:
        """Press once, under one key however often it is sent."""
        qty, key, sale_id = self.world.pick([1, 1, 1, 2]), self.key(), self.shop_sale()
        id = reservation_id(self.user_id, sale_id, key)
        self.shop.presses.add(id)
        # Whatever the answer was decided, it was not before the press.
        until_ms = self.world.now_ms + HOLD_MS
        request = Request(id, sale_id, self.user_id, qty)

        def send(gateway: Gateway, hear: Callable[[Answer], None]) -> None:
            pressed_ms = self.world.now_ms

            def record(answer: Answer) -> None:
                if answer.code != "unknown_outcome":
                    self.shop.told.append(
                        Told(
                            answer.code,
                            answer.version,
                            answer.reservation,
                            pressed_ms,
                            self.world.now_ms,
                            id,
                        )
                    )
                hear(answer)

            gateway.press(request, record)

        def then(answer: Answer) -> None:
            if answer.code == "reserved" and answer.reservation is not None:
                self.use(answer.reservation, until_ms)
            elif answer.code in LINE_IS_OPEN_TO and self.world.roll() < 0.8:
                self.wait(qty)

        self.shop.ask(f"press {id[:8]}", send, then)

    def shop_sale(self) -> str:
        """Return the sale that everybody wants."""
        return self.world.core.sale_id

    def wait(self, qty: int) -> None:
        """Join the waiting list, and look now and then whether it is one's turn."""
        key, core = self.key(), self.world.core

        def then(answer: Answer) -> None:
            if answer.code == "ok" and answer.reservation:
                self.look(answer.reservation)

        self.request(f"join {key}", lambda: core.join(self.user_id, qty, key), then)

    def look(self, entry_id: str) -> None:
        """Read one's entry, use an offer, or go."""
        state, offer = self.world.core.look(entry_id)
        if state == "offered" and offer is not None:
            if self.world.roll() < 0.15:
                self.request(
                    f"pass {entry_id}", lambda: self.world.core.leave(self.user_id, entry_id)
                )
            else:
                self.use(offer)
        elif state == "waiting":
            if self.world.roll() < 0.01:
                self.request(
                    f"leave {entry_id}", lambda: self.world.core.leave(self.user_id, entry_id)
                )
            else:
                self.world.after(LOOK_MS, lambda: self.look(entry_id))

    def use(self, reservation_id: str, until_ms: int = 0) -> None:
        """Order what is held at least until then, give it back, or forget it."""
        fate, core = self.world.roll(), self.world.core
        delay_ms = self.world.between(1_000, 100_000)
        if fate < 0.15:
            return
        if fate < 0.3:
            what = f"release {reservation_id}"
            self.world.after(
                delay_ms,
                lambda: self.request(what, lambda: core.release(self.user_id, reservation_id)),
            )  # type: ignore[func-returns-value]
            return
        self.world.after(delay_ms, lambda: self.order(reservation_id, until_ms))

    def order(self, reservation_id: str, until_ms: int) -> None:
        """Place an order, and go to pay, soon or too late."""
        key, core, world = self.key(), self.world.core, self.world

        def then(answer: Answer) -> None:
            order_id = answer.reservation
            if answer.code == "reservation_gone" and self.world.now_ms < until_ms:
                self.shop.broken.append(f"{reservation_id} was gone while it was promised")
            if answer.code != "ok" or not order_id:
                return
            if world.roll() < 0.1:
                self.world.after(
                    world.between(1_000, 300_000),
                    lambda: self.request(
                        f"cancel {order_id}", lambda: core.cancel(self.user_id, order_id)
                    ),
                )  # type: ignore[func-returns-value]
            if world.roll() < 0.9:
                is_late = world.roll() < 0.4
                delay_ms = world.between(1_000, 120_000)
                if is_late:
                    delay_ms = PAYING_MS + world.between(-LAST_MOMENT_MS, LAST_MOMENT_MS)
                self.world.after(delay_ms, lambda: self.pay(order_id))

        work = lambda: core.place_order(self.user_id, key, [reservation_id])  # noqa: E731
        self.request(f"order {key}", work, then)

    def pay(self, order_id: str) -> None:
        """Press a button of the newest payment page; a declined card is tried again."""
        order = self.world.core.read_order(order_id)
        for payment_id, _ in reversed(order.payments):
            is_declined = self.world.roll() < 0.1
            if self.shop.provider.act(payment_id, "declined" if is_declined else "authorised"):
                if is_declined:
                    self.world.after(20_000, lambda: self.pay(order_id))
                return
