"""Bugs planted into the core, one a class: a simulation that does not find them proves nothing."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import msgspec

from commerce.goods.inventory.model import BatchResult, Outcome, Request
from commerce.goods.inventory.rules import PoolState, SaleTerms
from commerce.orders.checkout.model import LateLine
from commerce.orders.payments.model import Settled, Settlement
from tests.simulation.core import UNITS, ProviderDesk
from tests.simulation.model_core import ModelCore
from tests.simulation.model_rows import Entry, Order
from tests.simulation.processes import Gateway, Reply, told
from tests.simulation.world import LostConnectionError


class NoLock(ModelCore):
    """A batch decides by what was free before the last batch: nobody locked the row."""

    def __init__(
        self, provider: ProviderDesk, start_ms: int, buyers: int, units: int = UNITS
    ) -> None:
        super().__init__(provider, start_ms, buyers, units)
        self.seen_claimed = 0

    def pool_state(self, requests: Sequence[Request]) -> PoolState:
        """Return what a batch without the lock finds."""
        state = super().pool_state(requests)
        stale = msgspec.structs.replace(state, claimed=self.seen_claimed)
        self.seen_claimed = self.claimed
        return stale


class NoLimit(ModelCore):
    """The limit per buyer is not asked."""

    def __init__(
        self, provider: ProviderDesk, start_ms: int, buyers: int, units: int = UNITS
    ) -> None:
        super().__init__(provider, start_ms, buyers, units)
        ends_at_ms = self.terms.ends_at_ms
        self.terms = SaleTerms(self.sale_id, "open", start_ms, ends_at_ms, None)


class ForgetsRetries(ModelCore):
    """An id that was granted already is granted again."""

    def reserve(self, requests: list[Request]) -> BatchResult:
        """Decide as if nobody ever repeated a press."""
        known = {request.id: self.holds.pop(request.id, None) for request in requests}
        result = super().reserve(requests)
        for id, held in known.items():
            if held is not None:
                self.holds.setdefault(id, held)
        return result


class RefusesWhatIsFree(ModelCore):
    """Whoever asks for more than there is hears that there is nothing."""

    def reserve(self, requests: list[Request]) -> BatchResult:
        """Decide, and say `sold_out` for `not_enough_left`."""
        result = super().reserve(requests)
        said = {int(Outcome.NOT_ENOUGH_LEFT): int(Outcome.SOLD_OUT)}
        outcomes = [said.get(outcome, outcome) for outcome in result.outcomes]
        return msgspec.structs.replace(result, outcomes=outcomes)


class SweepsTwice(ModelCore):
    """Two sweepers read what is due, and both give it back."""

    def sweep(self) -> None:
        """End due holds, and once more by the list that was read before."""
        due = self.due()
        super().sweep()
        for id in due:
            if self.holds[id].state == "expired":
                self.step(-self.holds[id].qty, 0)


class SellsLateMoneyAnything(ModelCore):
    """Late money gets its units again whether they are free or not."""

    def decide_late(self, lines: Sequence[LateLine]) -> bool:
        """Say yes."""
        return True


class SettlesDeadHolds(ModelCore):
    """Money pays an order whose hold has ended, and nobody takes the units again."""

    def settle(self, order: Order) -> Settlement:
        """Make the order paid."""
        if order.state != "paid":
            order.state = "paid"
            for id in order.reservation_ids:
                self.holds[id].state = "sold"
            self.sold_now = None
        return Settled()


class JumpsTheLine(ModelCore):
    """What comes free is for anybody; the line is served when the worker comes by."""

    is_tending = False

    def serve(self) -> None:
        """Serve nobody but in the worker's round."""
        if self.is_tending:
            super().serve()

    def tend(self) -> None:
        """Serve the line."""
        self.is_tending = True
        super().tend()
        self.is_tending = False


class ServesLastFirst(ModelCore):
    """Whoever came last is served first."""

    def in_line(self) -> list[Entry]:
        """Turn the line round."""
        return super().in_line()[::-1]


class ForgetsMoney(ModelCore):
    """Money that cannot buy anything is not sent back."""

    def owe(self, payment_id: str, kind: str, delay_ms: int) -> None:
        """Owe anything but a void."""
        if kind != "void":
            super().owe(payment_id, kind, delay_ms)


class NeverAsks(ModelCore):
    """Nobody asks after payments: a lost webhook is a lost payment."""

    def poll(self) -> None:
        """Ask nobody."""


class BelievesTheNode(ModelCore):
    """Holds are ended by the clock of whoever asks."""

    def due(self) -> list[str]:
        """Return what is due by the node's clock."""
        now_ms, self.now_ms = self.now_ms, self.now_ms + self.skew_ms
        due = super().due()
        self.now_ms = now_ms
        return due


class AnswersBeforeCommit(Gateway):
    """Buyers hear what the batch will decide; then it is committed, or not."""

    def _decide(self, batch: list[tuple[Request, Reply]], first_ms: int) -> None:
        core = self.world.core
        assert isinstance(core, ModelCore)
        # A copy decides; the provider and the world are not part of it.
        memo = {id(core.provider): core.provider}
        foreseen = copy.deepcopy(core, memo).reserve([request for request, _ in batch])
        for (_, reply), answer in zip(batch, told(batch, foreseen), strict=True):
            self.answer(reply, answer)
        try:
            self.ask([request for request, _ in batch])
        except LostConnectionError:
            self.world.note(f"{self.name} forgets a batch")
        self.is_busy = False
        self.next_batch()


class RetriesWithFreshIds(Gateway):
    """An unknown outcome is asked again under new ids."""

    def again(self, batch: list[tuple[Request, Reply]]) -> list[tuple[Request, Reply]]:
        """Return the presses with other ids."""
        return [
            (msgspec.structs.replace(request, id=f"{request.id}/again"), reply)
            for request, reply in batch
        ]
