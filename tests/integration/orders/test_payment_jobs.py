"""The calls owed to a provider: several at once, each by one worker, none lost."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from commerce.kernel.ports import Connection
from commerce.orders.payments import service, store
from commerce.orders.payments.model import Payment, PaymentCall, PaymentReport
from server.providers.sandbox import SandboxProvider
from tests.support.till import Till, order_one

CALLS = 20


class SlowProvider:
    """Holds every call of one kind until as many are under way as ever will be, and counts them."""

    def __init__(self, wanted: int, kind: str) -> None:
        self.wanted = wanted
        self.under_way = 0
        self.most = 0
        self.made: Counter[str] = Counter()
        self.is_full = asyncio.Event()
        self.own = getattr(SandboxProvider, kind)

    async def call(self, provider: SandboxProvider, payment: Payment) -> PaymentReport:
        """Count, wait for the others, call."""
        self.made[payment.id] += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        if self.under_way == self.wanted:
            self.is_full.set()
        await self.is_full.wait()
        try:
            report: PaymentReport = await self.own(provider, payment)
            return report
        finally:
            self.under_way -= 1


async def pay_many(till: Till, many: int = CALLS) -> None:
    """Make paid orders whose captures are owed."""
    _, sale = await till.sale()
    for number in range(many):
        buyer = await till.buyer(f"B{number}")
        _, url = await order_one(till, sale, buyer)
        await buyer.press(url, "pay")


def slow_down(monkeypatch: pytest.MonkeyPatch, wanted: int, kind: str = "capture") -> SlowProvider:
    """Let every call of a kind wait until `wanted` are under way."""
    slow = SlowProvider(wanted, kind)

    async def call(self: SandboxProvider, payment: Payment) -> PaymentReport:
        return await slow.call(self, payment)

    monkeypatch.setattr(SandboxProvider, kind, call)
    return slow


async def test_a_slow_provider_is_called_eight_at_a_time(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exactly that many overlap, never more, and every call is made once."""
    await pay_many(till)
    slow = slow_down(monkeypatch, service.CALLS_AT_ONCE)
    async with asyncio.timeout(60):
        assert await till.payments.run_payment_calls() == CALLS
    assert slow.most == service.CALLS_AT_ONCE == 8
    assert len(slow.made) == CALLS
    assert set(slow.made.values()) == {1}


async def test_two_workers_share_the_calls(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as many overlap; still each call is made once."""
    await pay_many(till)
    slow = slow_down(monkeypatch, 2 * service.CALLS_AT_ONCE)
    async with asyncio.timeout(60):
        tried = await asyncio.gather(
            till.payments.run_payment_calls(), till.payments.run_payment_calls()
        )
    assert sum(tried) == CALLS
    assert slow.most == 2 * service.CALLS_AT_ONCE
    assert set(slow.made.values()) == {1}
    assert set(await till.values("SELECT state FROM payments")) == {"captured"}


async def test_a_round_in_vain_asks_once(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven more hands come only when there is a call, each with the one before it."""
    own, asked = store.claim_call, []

    async def claim(connection: Connection, *, lease_ms: int) -> PaymentCall | None:
        asked.append(await own(connection, lease_ms=lease_ms))
        return asked[-1]

    monkeypatch.setattr(store, "claim_call", claim)
    assert await till.payments.run_payment_calls() == 0
    assert asked == [None]
    await pay_many(till, 1)
    asked.clear()
    assert await till.payments.run_payment_calls() == 1
    assert [call is None for call in asked] == [False, True, True]


async def test_a_round_is_bounded(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's other jobs get their turn; the next round goes on."""
    await pay_many(till)
    monkeypatch.setattr(service, "CALLS_A_ROUND_MAX", 13)
    assert [await till.payments.run_payment_calls() for _ in range(2)] == [13, 7]


async def test_a_lost_database_ends_the_round_as_one_error(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker knows what a lost database means; a group of errors would end the process."""

    async def lost(*arguments: object, **more: object) -> None:
        raise ConnectionError("lost")

    monkeypatch.setattr("commerce.orders.payments.store.claim_call", lost)
    with pytest.raises(ConnectionError):
        await till.payments.run_payment_calls()


async def test_one_call_that_breaks_off_leaves_the_others_alone(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection is cut while seven wait for the provider: they are answered."""
    await pay_many(till, service.CALLS_AT_ONCE)
    slow_down(monkeypatch, service.CALLS_AT_ONCE)
    own, cut = store.finish_call, []

    async def finish(connection: Connection, payment_id: str, kind: str) -> None:
        if not cut:
            cut.append(payment_id)
            raise ConnectionError("cut")
        await own(connection, payment_id, kind)

    monkeypatch.setattr(store, "finish_call", finish)
    async with asyncio.timeout(60):
        assert await till.payments.run_payment_calls() == service.CALLS_AT_ONCE
    states = Counter(await till.values("SELECT state FROM payments"))
    assert states == {"captured": 7, "authorised": 1}
    [row] = [
        await till.row(
            "SELECT last_error, next_at_ms - clock_ms() AS pause_ms FROM payment_calls"
            " WHERE payment_id = $1 AND kind = 'capture' AND state = 'pending'",
            payment_id,
        )
        for payment_id in cut
    ]
    assert "ConnectionError" in row["last_error"]
    assert row["pause_ms"] < 5_000, "its own pause, not the lease of a dead worker"
    await till.change("UPDATE payment_calls SET next_at_ms = 0")
    assert await till.payments.run_payment_calls() == 1
    assert set(await till.values("SELECT state FROM payments")) == {"captured"}


BREAK = """
    CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'broken';
    END
    $$;
    CREATE TRIGGER break_off BEFORE UPDATE ON payments FOR EACH ROW
        WHEN (OLD.order_id = '{order}' AND NEW.state <> OLD.state) EXECUTE FUNCTION break_off();
"""


@pytest.mark.parametrize("broken", [0, 1])
async def test_a_silent_payment_that_breaks_makes_no_other_wait(till: Till, broken: int) -> None:
    _, sale = await till.sale()
    orders = []
    for number in range(2):
        buyer = await till.buyer(f"B{number}")
        orders.append((await order_one(till, sale, buyer))[0])
    await till.change("UPDATE sandbox.payments SET state = 'authorised'")
    await till.change(BREAK.format(order=orders[broken]))
    assert await till.payments.poll_silent_payments(silent_ms=0) == 2
    states = [(await till.values("SELECT state FROM orders WHERE id = $1", id))[0] for id in orders]
    assert states == ["awaiting_payment" if n == broken else "paid" for n in range(2)]


async def test_silent_payments_are_asked_after_several_at_once(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider that takes its time with one makes no other wait for all before it."""
    _, sale = await till.sale()
    for number in range(CALLS):
        await order_one(till, sale, await till.buyer(f"B{number}"))
    await till.change("UPDATE sandbox.payments SET state = 'authorised'")
    slow = slow_down(monkeypatch, service.CALLS_AT_ONCE, "status")
    async with asyncio.timeout(60):
        assert await till.payments.poll_silent_payments(silent_ms=0) == CALLS
    assert slow.most == service.CALLS_AT_ONCE
    assert set(slow.made.values()) == {1}
    assert await till.values("SELECT DISTINCT state FROM orders") == ["paid"]


async def test_a_database_lost_while_asking_is_one_loss(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker knows a lost connection, not what several at once do."""
    _, sale = await till.sale()
    for number in range(CALLS):
        await order_one(till, sale, await till.buyer(f"B{number}"))

    async def lost(self: SandboxProvider, payment: Payment) -> PaymentReport:
        raise ConnectionResetError

    monkeypatch.setattr(SandboxProvider, "status", lost)
    with pytest.raises(ConnectionResetError):
        await till.payments.poll_silent_payments(silent_ms=0)
