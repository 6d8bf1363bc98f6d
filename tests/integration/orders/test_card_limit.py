"""Units of a sale for each card, counted as the money is confirmed; the sandbox has test cards."""

from __future__ import annotations

import uuid

import pytest

from commerce.goods.press_rules.model import PressRules
from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from commerce.orders.payments.model import Payment, PaymentEvent, PaymentReport
from commerce.orders.payments.ports import ProviderUnavailableError
from tests.support.shop import read_stock
from tests.support.till import Buyer, Till, open_till, order_one, told_by


async def limited_sale(till: Till, per_card: int = 2, quantity: int = 10) -> str:
    """Open a sale that limits cards."""
    rules = PressRules(per_card=per_card)
    _, sale = await till.sale(quantity=quantity, per_buyer=5, rules=rules)
    return sale


async def buy(till: Till, sale: str, card: str, *, buyer: Buyer | None = None, qty: int = 1) -> str:
    """Reserve, order and pay with a test card; return the order's id."""
    buyer = buyer or await till.buyer()
    reservation = await till.reserve(sale, buyer.id, qty)
    answer = (await buyer.order([reservation])).json()
    url = answer["payment"]["url"]
    pressed = await buyer.client.post(url, data={"act": "pay", "card": card})
    assert pressed.status_code == 303, pressed.text
    await till.sender.deliver_due()
    order: str = answer["order"]["id"]
    return order


async def state_of(till: Till, order: str) -> str:
    """Return an order's state."""
    return str((await till.row("SELECT state FROM orders WHERE id = $1", order))[0])


async def test_one_card_buys_its_share_whoever_holds_it(till: Till) -> None:
    sale = await limited_sale(till)
    orders = [await buy(till, sale, "test-1") for _ in range(3)]
    assert [await state_of(till, order) for order in orders] == ["paid", "paid", "cancelled"]
    assert await state_of(till, await buy(till, sale, "test-2")) == "paid"
    assert (await audit(till.database)).violations == []


async def test_whoever_is_refused_is_told_and_the_units_are_free_at_once(till: Till) -> None:
    sale = await limited_sale(till, per_card=1, quantity=2)
    await buy(till, sale, "test-1")
    refused = await buy(till, sale, "test-1")
    assert till.news("payment.voided") == [{"order": refused, "reason": "card_limit"}]
    [news] = till.news("order.cancelled")
    assert (news["order"]["id"], news["order"]["state"]) == (refused, "cancelled")
    assert (await read_stock(till.database, sale))["claimed"] == 1
    while await till.payments.run_payment_calls():
        pass
    assert (await till.remote(refused))["state"] == "voided"
    buyers = await till.values("SELECT user_id::text FROM orders WHERE id = $1", refused)
    read = await till.sign_in(buyers[0], name="Lena", role="guest").read(refused)
    assert (read["payment"]["state"], read["payment"]["reason"]) == ("voided", "card_limit")
    assert (await audit(till.database)).violations == []


async def test_an_order_of_more_than_a_card_may_is_refused_whole(till: Till) -> None:
    sale = await limited_sale(till)
    buyer = await till.buyer()
    assert await state_of(till, await buy(till, sale, "test-1", buyer=buyer, qty=3)) == "cancelled"
    assert await state_of(till, await buy(till, sale, "test-1", buyer=buyer, qty=2)) == "paid"


async def test_what_was_refunded_counts_no_more(till: Till) -> None:
    sale = await limited_sale(till, per_card=1)
    first = await buy(till, sale, "test-1")
    await till.change(
        "UPDATE reservations SET state = 'refunded', refunded_qty = qty WHERE id IN"
        " (SELECT reservation_id FROM order_lines WHERE order_id = $1)",
        first,
    )
    assert await state_of(till, await buy(till, sale, "test-1")) == "paid"


async def test_other_sales_do_not_count_and_ask_nothing(till: Till) -> None:
    limited = await limited_sale(till, per_card=1)
    _, free = await till.sale(quantity=5, per_buyer=5)
    for sale in (free, free, limited, free):
        assert await state_of(till, await buy(till, sale, "test-1")) == "paid"
    other = await limited_sale(till, per_card=1)
    assert await state_of(till, await buy(till, other, "test-1")) == "paid"


async def test_a_card_of_its_own_shares_nothing(till: Till) -> None:
    sale = await limited_sale(till, per_card=1)
    for card in ("", "", "made up"):
        assert await state_of(till, await buy(till, sale, card)) == "paid"


async def test_the_fingerprint_itself_is_never_stored(till: Till) -> None:
    sale = await limited_sale(till)
    await buy(till, sale, "test-1")
    await buy(till, sale, "test-1")
    cards = await till.values("SELECT card FROM payments")
    assert len(set(cards)) == 1
    assert len(cards[0]) == 64
    assert "test" not in cards[0]


async def test_a_duplicate_webhook_counts_once(till: Till) -> None:
    sale = await limited_sale(till, per_card=1)
    order = await buy(till, sale, "test-1")
    remote = await till.remote(order)
    for _ in range(2):
        body = told_by(remote, "authorised", card="test-1")
        assert (await till.webhook(body)).status_code == 200
    assert await state_of(till, order) == "paid"


async def test_late_money_of_a_card_that_has_its_share_goes_back(till: Till) -> None:
    sale = await limited_sale(till, per_card=1)
    await buy(till, sale, "test-1")
    buyer = await till.buyer()
    order, url = await order_one(till, sale, buyer)
    await till.end_holds(sale)
    await till.settlement.expire_orders()
    body = told_by(await till.remote(order), "authorised", card="test-1")
    assert (await till.webhook(body)).status_code == 200
    assert url
    assert await state_of(till, order) == "expired"
    assert till.news("payment.voided")[-1] == {"order": order, "reason": "card_limit"}
    assert (await audit(till.database)).violations == []


class MuteProvider:
    """A provider whose webhooks name no card, as Stripe's; its status does."""

    signature_header = "X-Mute"

    def __init__(self) -> None:
        self.fingerprint = "fp-1"
        self.asked = 0
        self.is_away = False
        self.wanted: Payment | None = None

    def refuse_total(self, _amount_minor: int, _currency: str) -> str | None:
        """Take any sum."""
        return None

    async def create(self, payment: Payment) -> PaymentReport:
        """Open the payment."""
        return self._report(payment, "created")

    async def status(self, payment: Payment) -> PaymentReport:
        """Say what the payment is, with its card."""
        self.asked += 1
        if self.is_away:
            raise ProviderUnavailableError("away")
        return self._report(payment, "authorised", self.fingerprint)

    def read_webhook(self, body: bytes, _signature: str, _now_ms: int) -> PaymentEvent:
        """Believe everything."""
        assert self.wanted is not None
        report = self._report(self.wanted, "authorised")
        return PaymentEvent(body.decode(), "authorised", report)

    @staticmethod
    def _report(payment: Payment, state: str, fingerprint: str = "") -> PaymentReport:
        ref = f"m_{payment.id}"
        return PaymentReport(
            payment.id, ref, state, payment.amount_minor, payment.currency, None, fingerprint
        )


async def test_a_provider_that_names_no_card_is_asked_only_where_it_decides(
    database_url: str,
) -> None:
    mute = MuteProvider()
    async with open_till(database_url, {"mute": mute}) as till:

        async def pay(sale: str) -> str:
            buyer = await till.buyer()
            order, _ = await order_one(till, sale, buyer)
            [payment] = await till.values(
                "SELECT id::text FROM payments WHERE order_id = $1", order
            )
            mute.wanted = await till.payments.find(payment)
            await till.payments.receive_webhook("mute", str(uuid.uuid4()).encode(), "")
            return order

        _, free = await till.sale(quantity=3)
        assert await state_of(till, await pay(free)) == "paid"
        assert mute.asked == 0
        sale = await limited_sale(till, per_card=1)
        assert await state_of(till, await pay(sale)) == "paid"
        assert mute.asked == 1
        assert await state_of(till, await pay(sale)) == "cancelled"
        mute.fingerprint = ""
        unknown = await pay(sale)
        assert await state_of(till, unknown) == "cancelled"
        assert till.news("payment.voided")[-1] == {"order": unknown, "reason": "card_unknown"}
        mute.is_away = True
        with pytest.raises(CommerceError, match="provider_unavailable"):
            await pay(sale)
        assert mute.wanted is not None
        assert await state_of(till, mute.wanted.order_id) == "awaiting_payment"
        # It comes again.
        mute.is_away, mute.fingerprint = False, "fp-2"
        await till.payments.receive_webhook("mute", b"again", "")
        assert await state_of(till, mute.wanted.order_id) == "paid"
