"""The decisions of group buys as pure functions.

`join_group_batch` in the database decides the same way; a Hypothesis test holds one against the
other. Invariants: 0 <= joined <= need; every open team can still be filled out of the pool.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import msgspec

from commerce.goods.inventory.model import Outcome
from commerce.goods.inventory.rules import SaleTerms, decide_window
from commerce.goods.press_rules.rules import check_rules
from commerce.kernel.errors import CommerceError, invalid
from commerce.kernel.money import PRICE_MINOR_MAX
from commerce.sales.flash_sales.rules import SALE
from commerce.sales.group_buys.model import (
    Batch,
    CampaignTerms,
    Joining,
    JoinRequest,
    Team,
    Wish,
)
from commerce.sales.pricing.rules import check_guard_limits

# The shortest time for which a card authorisation is good.
LASTS_S_MAX = 5 * 86_400
# (lowest, highest) of each figure.
LIMITS = {
    "price_minor": (0, PRICE_MINOR_MAX),
    "need": (2, 100),
    "quantity": (2, 1_000_000),
    "per_buyer": (1, 1_000),
    "lasts_s": (1, LASTS_S_MAX),
    "duration_s": (1, 7 * 86_400),
    "hold_s": (1, 900),
    "grace_s": (0, 300),
}
# Terms that came after the first stored digests.
ADDED_LATER = ("guard", "rules")
# What the window answers, in the words of this feature.
OF_WINDOW = {
    Outcome.NO_SUCH_SALE: Joining.NO_SUCH_SALE,
    Outcome.NOT_OPEN: Joining.NOT_OPEN,
    Outcome.ENDED: Joining.ENDED,
    Outcome.HALTED: Joining.HALTED,
}


def check_terms(terms: CampaignTerms) -> None:
    """Raise `invalid_request` naming the first figure that is out of its range."""
    for name, (lowest, highest) in LIMITS.items():
        if not lowest <= getattr(terms, name) <= highest:
            raise invalid(f"{name} must be {lowest} to {highest}.", field=name)
    if terms.quantity % terms.need:
        raise invalid(f"quantity must be whole teams of {terms.need}.", field="quantity")
    check_guard_limits(terms.guard)
    if terms.rules is not None:
        check_rules(terms.rules)


def hash_terms(terms: CampaignTerms) -> str:
    """Return a digest of the terms: a retry must ask for the same.

    What came later and was not asked for is left out: the digest of plain terms stays what it was.
    """
    asked = msgspec.to_builtins(terms)
    # The answer to a question of ours is no term: with or without it, the same is meant.
    del asked["confirm_price_minor"]
    for name in ADDED_LATER:
        if asked[name] is None:
            del asked[name]
    return hashlib.sha256(msgspec.json.encode(asked)).hexdigest()


def check_same(stored_hash: str, terms: CampaignTerms) -> None:
    """Raise `idempotency_conflict` when a key comes back with other terms."""
    if stored_hash != hash_terms(terms):
        raise CommerceError("idempotency_conflict", "This key was used for another campaign.")


def mask_leader(name: str) -> str:
    """Return the first letter of a name: enough for friends, nothing for strangers."""
    return f"{name[:1]}***"


def count_promised(teams: Sequence[Team]) -> int:
    """Return the units that forming teams still need: nobody else may have them."""
    return sum(team.need - team.joined for team in teams if team.state == "forming")


def is_joinable(team: Team, now_ms: int) -> bool:
    """Say whether somebody can take a seat; a deadline passed is one, with or without a job."""
    return team.state == "forming" and team.joined < team.need and now_ms < team.deadline_ms


class _Seats:
    """The running remainder of one batch."""

    def __init__(self, batch: Batch, now_ms: int) -> None:
        self.free = batch.free
        self.promised = count_promised(batch.teams)
        self.left = {t.id: t.need - t.joined for t in batch.teams if is_joinable(t, now_ms)}

    def take(self, team_id: str) -> str:
        """Take a seat."""
        self.left[team_id] -= 1
        self.promised -= 1
        self.free -= 1
        return team_id

    def find_open(self) -> str | None:
        """Return the team soonest to end with a seat."""
        return next((id for id, left in self.left.items() if left), None)


def decide_joins(
    batch: Batch,
    terms: tuple[SaleTerms | None, int],
    requests: Sequence[JoinRequest],
    fresh_ids: Iterator[str],
    now_ms: int,
) -> list[tuple[Joining, str | None]]:
    """Decide wishes in arrival order; `terms` are the sale's and the size of its teams.

    Returns each answer with its team. No two wishes may share an id or a buyer.
    """
    sale, need = terms
    window = decide_window(sale, now_ms)
    seats = _Seats(batch, now_ms)
    answers: list[tuple[Joining, str | None]] = []
    for request in requests:
        refused = _refuse(batch, sale, window, request)
        if refused is not None:
            answers.append((refused, batch.granted.get(request.id)))
            continue
        team_id: str | None = None
        if request.wish is Wish.NAMED:
            team_id = request.group_id
            if team_id is None or not seats.left.get(team_id):
                answers.append((_why_not(batch, team_id, now_ms), None))
                continue
        elif request.wish is Wish.ANY:
            team_id = seats.find_open()
        if team_id is None:
            if window is not Outcome.RESERVED:
                answers.append((OF_WINDOW[window], None))
                continue
            if seats.free - seats.promised < need:
                answers.append((Joining.HELD_OUT, None))
                continue
            team_id = next(fresh_ids)
            seats.left[team_id] = need
            seats.promised += need
        answers.append((Joining.JOINED, seats.take(team_id)))
    is_over = not batch.unsold and not seats.promised
    if is_over and all(answer is not Joining.JOINED for answer, _ in answers):
        return [(Joining.SOLD_OUT if a is Joining.HELD_OUT else a, t) for a, t in answers]
    return answers


def _refuse(
    batch: Batch, sale: SaleTerms | None, window: Outcome, request: JoinRequest
) -> Joining | None:
    """Return the answer that needs no seat to be looked for, or None."""
    if request.id in batch.granted:
        is_other = request.wish is Wish.NAMED and batch.granted[request.id] != request.group_id
        return Joining.CONFLICT if is_other else Joining.REPLAYED
    # A team that was opened in time goes on until its own deadline, unless the host stopped that.
    is_stopped = sale is None or sale.state in ("cancelled", "halted") or batch.was_halted
    goes_on = window is Outcome.ENDED and not is_stopped
    if window is not Outcome.RESERVED and not goes_on:
        return OF_WINDOW[window]
    assert sale is not None
    if request.user_id in batch.seated:
        return Joining.ALREADY_IN_GROUP
    bought = batch.bought.get(request.user_id, 0)
    if sale.per_buyer is not None and bought + 1 > sale.per_buyer:
        return Joining.LIMIT_REACHED
    return None


def _why_not(batch: Batch, team_id: str | None, now_ms: int) -> Joining:
    """Say why a named team has no seat."""
    team = next((team for team in batch.teams if team.id == team_id), None)
    if team is None:
        return Joining.NO_SUCH_GROUP
    if team.state == "failed" or (team.state == "forming" and team.deadline_ms <= now_ms):
        return Joining.GROUP_OVER
    return Joining.GROUP_FULL


def decide_finish(state: str, event: str, *, has_open_teams: bool) -> str | None:
    """Return what a campaign becomes by "end" or "cancel", or None where it stays as it is.

    One that has ended can still be cancelled, as long as a team of it forms: people go on joining
    that, for days.
    """
    if state == "ended" and event == "cancel" and has_open_teams:
        return "cancelled"
    return None if state in ("ended", "cancelled") else SALE.next(state, event)


def decide_leader(leader_id: str, stay: Sequence[str]) -> str:
    """Return who leads those who stay, in the order in which they joined."""
    return leader_id if leader_id in stay or not stay else stay[0]


def check_complete(team: Team, now_ms: int) -> bool:
    """Say whether the shop still has to complete a team; False when that is done.

    Raises `group_over` for a team that has failed, and `wrong_state` for one in which nobody has
    paid: there is nobody to complete it for.
    """
    if team.state == "formed":
        return False
    if team.state == "failed" or team.deadline_ms <= now_ms:
        raise CommerceError("group_over", "The team is over.")
    if team.paid == 0:
        raise CommerceError("wrong_state", "Nobody of the team has paid.")
    return True
