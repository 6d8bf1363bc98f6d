"""A coupon's life: dropped, claimed, locked by an order, used, and back; money to the cent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from commerce.goods.inventory.sweeper import sweep
from commerce.goods.press_rules.model import Press
from commerce.insight.audit.service import audit
from commerce.kernel.errors import CommerceError
from commerce.sales.coupons import service, store
from commerce.sales.coupons.model import Claimed
from commerce.sales.coupons.service import Drops
from server.wiring.sources import monotonic_ms
from tests.support.coupons import Stand
from tests.support.shop import make_user
from tests.support.till import Till, told_by


@pytest.fixture
async def stand(till: Till) -> Stand:
    """A shop with an open flash sale of twenty bowls at 199.00."""
    shop, sale = await till.sale(per_buyer=9)
    return Stand(till, shop, sale)


def code_of(answer: Any) -> Any:
    """Return (code, reason) of a refusal."""
    error = answer["error"]
    return error["code"], (error.get("detail") or {}).get("reason")


async def is_sound(till: Till) -> bool:
    """Say whether the auditor finds nothing."""
    report = await audit(till.database)
    assert report.violations == []
    return report.ok


async def test_a_claim_is_locked_used_and_never_used_again(stand: Stand) -> None:
    buyer = await stand.till.buyer()
    claim = await stand.claimed(buyer)
    assert await stand.seen(claim) == ("claimed", 0, 0)
    answer = await stand.order(buyer, claim)
    assert answer["order"]["total_minor"] == 16_900
    [discount] = answer["order"]["parts"]["discounts"]
    assert (discount["coupon"], discount["title"], discount["amount_minor"]) == (
        claim,
        "30 off",
        3_000,
    )
    assert await stand.seen(claim) == ("locked", 3_000, 3_000)
    assert code_of(await stand.order(buyer, claim)) == ("coupon_not_usable", "locked")
    await stand.pay(buyer, answer)
    assert await stand.seen(claim) == ("used", 3_000, 3_000)
    assert (await stand.till.remote(answer["order"]["id"]))["amount_minor"] == 16_900
    assert code_of(await stand.order(buyer, claim)) == ("coupon_not_usable", "used")
    assert await is_sound(stand.till)


async def test_a_quote_offers_the_best_coupon_first_and_says_why_others_do_not_apply(
    stand: Stand,
) -> None:
    buyer = await stand.till.buyer()
    small = await stand.claimed(buyer)
    best = await stand.claimed(buyer, amount_minor=0, percent=50)
    far = await stand.claimed(buyer, amount_minor=9_000, threshold_minor=50_000)
    plain = await stand.claimed(buyer, sources=("list",))
    held = await stand.till.reserve(stand.sale, buyer.id)

    async def ask(coupon: str | None) -> Any:
        body = {"reservations": [held], "coupon": coupon}
        return (await buyer.client.post("/api/quotes", json=body)).json()

    options = (await ask(None))["coupons"]
    assert [one["id"] for one in options][:2] == [best, small]
    by_id = {one["id"]: one for one in options}
    assert (by_id[best]["off_minor"], by_id[small]["off_minor"]) == (9_950, 3_000)
    assert (by_id[far]["why"], by_id[far]["missing_minor"]) == ("below_threshold", 30_100)
    assert by_id[plain]["why"] == "price_source"
    quoted = (await ask(best))["quote"]
    order = (await buyer.order([held], coupon=best)).json()["order"]
    assert (order["total_minor"], order["parts"]) == (quoted["total_minor"], quoted["parts"])
    assert quoted["total_minor"] == 9_950


async def test_a_coupon_comes_back_when_its_order_is_cancelled_or_expires(stand: Stand) -> None:
    buyer = await stand.till.buyer()
    claim = await stand.claimed(buyer)
    for end in ("cancel", "expire"):
        answer = await stand.order(buyer, claim)
        if end == "cancel":
            await buyer.client.post(
                f"/api/orders/{answer['order']['id']}/cancel", headers={"Idempotency-Key": "c"}
            )
        else:
            await stand.till.end_holds(stand.sale)
            await stand.till.settlement.expire_orders()
        assert await stand.seen(claim) == ("claimed", 0, 0)
    assert await is_sound(stand.till)


async def test_a_partial_refund_gives_its_share_and_only_the_whole_gives_the_coupon_back(
    stand: Stand,
) -> None:
    """Whose refunds give the full price back lose money; whose lose the coupon cheat the buyer."""
    buyer = await stand.till.buyer()
    claim = await stand.claimed(buyer, amount_minor=1_000)
    answer = await stand.order(buyer, claim, qty=3)
    assert answer["order"]["total_minor"] == 3 * 19_900 - 1_000
    await stand.pay(buyer, answer)
    [line] = answer["order"]["lines"]
    await stand.refund(answer, lines=[{"reservation": line["reservation"], "qty": 1}])
    assert (await buyer.read(answer["order"]["id"]))["refunded_minor"] == 19_566
    assert await stand.seen(claim) == ("used", 1_000, 1_000)
    await stand.refund(answer)
    order = await buyer.read(answer["order"]["id"])
    assert (order["state"], order["refunded_minor"]) == ("refunded", 58_700)
    assert await stand.seen(claim) == ("claimed", 0, 0)
    assert await is_sound(stand.till)


async def test_a_coupon_whose_time_is_over_takes_nothing_off(stand: Stand) -> None:
    buyer = await stand.till.buyer()
    claim = await stand.claimed(buyer)
    await stand.till.change("UPDATE coupon_claims SET expires_at_ms = clock_ms()")
    assert code_of(await stand.order(buyer, claim)) == ("coupon_not_usable", "expired")
    [mine] = await stand.drops.list_claims(buyer.id)
    assert mine.state == "expired"


async def test_somebody_elses_coupon_is_not_there_and_another_rooms_does_not_apply(
    stand: Stand,
) -> None:
    buyer, other = await stand.till.buyer(), await stand.till.buyer()
    claim = await stand.claimed(buyer)
    assert code_of(await stand.order(other, claim)) == ("not_found", None)
    shop, sale = await stand.till.sale()
    elsewhere = Stand(stand.till, shop, sale)
    assert code_of(await elsewhere.order(buyer, claim)) == ("coupon_not_usable", "other_room")


async def test_a_retried_order_meets_its_own_and_another_coupon_is_another_wish(
    stand: Stand,
) -> None:
    buyer = await stand.till.buyer()
    claim = await stand.claimed(buyer)
    held = await stand.till.reserve(stand.sale, buyer.id)
    first = (await buyer.order([held], coupon=claim, key="one")).json()
    again = (await buyer.order([held], coupon=claim, key="one")).json()
    assert first["order"]["id"] == again["order"]["id"]
    assert code_of((await buyer.order([held], key="one")).json())[0] == "idempotency_conflict"


async def test_late_money_takes_the_coupon_again_unless_it_was_used_meanwhile(stand: Stand) -> None:
    buyer = await stand.till.buyer()
    claim = await stand.claimed(buyer)
    late = await stand.order(buyer, claim)
    await stand.till.end_holds(stand.sale)
    await stand.till.settlement.expire_orders()
    other = await stand.order(buyer, claim)
    body = told_by(await stand.till.remote(late["order"]["id"]), "authorised")
    assert (await stand.till.webhook(body)).status_code == 200
    assert stand.till.news("payment.voided")[-1]["reason"] == "coupon_gone"
    assert await stand.till.values(
        "SELECT state FROM orders WHERE id = $1", late["order"]["id"]
    ) == ["expired"]
    await buyer.client.post(
        f"/api/orders/{other['order']['id']}/cancel", headers={"Idempotency-Key": "c"}
    )
    again = await stand.order(buyer, claim)
    await stand.till.end_holds(stand.sale)
    await stand.till.settlement.expire_orders()
    # The coupon has run out since; its total was promised.
    await stand.till.change("UPDATE coupon_claims SET expires_at_ms = clock_ms()")
    body = told_by(await stand.till.remote(again["order"]["id"]), "authorised")
    assert (await stand.till.webhook(body)).status_code == 200
    assert (await buyer.read(again["order"]["id"]))["state"] == "paid"
    assert await stand.seen(claim) == ("used", 3_000, 3_000)
    assert await is_sound(stand.till)


async def test_a_hold_that_late_money_finds_ended_is_told_of_once(stand: Stand) -> None:
    """Also when that money buys nothing: what it undoes of its own leaves the ended hold ended."""
    till, buyer, other = stand.till, await stand.till.buyer(), await stand.till.buyer("Mo")
    claim = await stand.claimed(buyer)
    late = await stand.order(buyer, claim)
    await till.end_holds(stand.sale)
    await till.settlement.expire_orders()
    await stand.order(buyer, claim)
    held = await till.reserve(stand.sale, other.id)
    await till.change("UPDATE reservations SET release_at_ms = clock_ms() - 1 WHERE id = $1", held)
    body = told_by(await till.remote(late["order"]["id"]), "authorised")
    assert (await till.webhook(body)).status_code == 200
    assert till.news("payment.voided")[-1]["reason"] == "coupon_gone"
    await sweep(till.database)
    ended = [one for one in till.news("reservation.expired") if one["reservation"] == held]
    assert len(ended) == 1
    assert await till.values("SELECT state FROM reservations WHERE id = $1", held) == ["expired"]
    assert await is_sound(till)


async def test_a_budget_counts_what_is_locked(stand: Stand) -> None:
    coupon = await stand.coupon(budget_minor=5_000)
    dropped = await stand.drop(coupon)
    buyers = [await stand.till.buyer() for _ in range(2)]
    claims = [(await stand.claim(dropped.id, buyer.id)).id for buyer in buyers]
    first = await stand.order(buyers[0], claims[0])
    assert code_of(await stand.order(buyers[1], claims[1])) == ("coupon_not_usable", "budget_spent")
    await buyers[0].client.post(
        f"/api/orders/{first['order']['id']}/cancel", headers={"Idempotency-Key": "c"}
    )
    assert (await stand.order(buyers[1], claims[1]))["order"]["total_minor"] == 16_900
    assert await is_sound(stand.till)


async def test_claims_are_bound_by_the_window_the_person_and_the_number(stand: Stand) -> None:
    till = stand.till
    coupon = await stand.coupon()
    dropped = await stand.drop(coupon, quantity=2, countdown_s=60)
    users = [await make_user(till.database) for _ in range(4)]

    async def refusal(user: str, key: str = "k") -> str:
        with pytest.raises(CommerceError) as caught:
            await stand.claim(dropped.id, user, key)
        return caught.value.code

    assert await refusal(users[0]) == "not_open"
    await till.change("UPDATE coupon_drops SET opens_at_ms = clock_ms()")
    first = await stand.claim(dropped.id, users[0])
    assert await stand.claim(dropped.id, users[0]) == Claimed(
        first.id, dropped.id, "claimed", pytest.approx(first.expires_in_ms, abs=60_000)
    )
    assert await refusal(users[0], "another") == "limit_reached"
    await stand.claim(dropped.id, users[1])
    assert await refusal(users[2]) == "coupons_gone"
    # Whoever has one asks for it again, also where everybody else is answered without a question.
    assert (await stand.claim(dropped.id, users[0])).id == first.id
    assert await refusal(users[3]) == "coupons_gone"
    await service.open_due_drops(till.database)
    await service.close_due_drops(till.database)
    async with till.database.reading() as connection:
        assert (await store.select_drop(connection, dropped.id)).state == "gone"
    # A process that saw nothing of it asks the database, which says the same.
    stand.drops = Drops(till.database, till.inventory, monotonic_ms)
    assert await refusal(users[3]) == "coupons_gone"
    assert (await stand.claim(dropped.id, users[0])).id == first.id
    again = await stand.drop(coupon)
    with pytest.raises(CommerceError, match="limit_reached"):
        await stand.claim(again.id, users[0])
    assert await is_sound(till)


async def test_a_closed_drop_gives_back_what_nobody_claimed_and_its_claims_stand(
    stand: Stand,
) -> None:
    coupon = await stand.coupon(quantity=10)
    dropped = await stand.drop(coupon, quantity=8)
    buyer = await stand.till.buyer()
    claim = await stand.claim(dropped.id, buyer.id)
    with pytest.raises(CommerceError, match="already_dropping"):
        await stand.drop(coupon, quantity=1)
    with pytest.raises(CommerceError) as caught:
        await stand.drop(coupon, quantity=3)
    assert (caught.value.code, caught.value.detail) == ("not_enough_coupons", {"left": 2})
    for _ in range(2):
        async with stand.till.database.transaction() as transaction:
            closed = await service.close(transaction, dropped.id, "cancel")
        assert (closed.state, closed.quantity, closed.left) == ("cancelled", 1, 0)
    with pytest.raises(CommerceError, match="ended"):
        await stand.claim(dropped.id, (await stand.till.buyer()).id)
    assert (await stand.order(buyer, claim.id))["order"]["total_minor"] == 16_900
    assert (await stand.drop(coupon, quantity=9)).quantity == 9
    assert await is_sound(stand.till)


async def test_new_names_and_hasty_addresses_are_kept_out(stand: Stand) -> None:
    buyer = await stand.till.buyer()
    dropped = await stand.drop(await stand.coupon(), min_age_s=60)
    with pytest.raises(CommerceError, match="account_too_new"):
        await stand.claim(dropped.id, buyer.id)
    await stand.till.change("UPDATE users SET created_at_ms = created_at_ms - 60000")
    await stand.claim(dropped.id, buyer.id)

    # A clock that stands: both claims are of one second, however slow the machine is.
    stand.drops = Drops(stand.till.database, stand.till.inventory, lambda: 0)
    paced = await stand.drop(await stand.coupon(), claims_per_address_s=1)
    press = Press(address="10.0.0.7")
    first = await stand.claim(paced.id, buyer.id, press=press)
    with pytest.raises(CommerceError, match="slow_down"):
        await stand.claim(paced.id, (await stand.till.buyer()).id, press=press)
    assert (await stand.claim(paced.id, buyer.id, press=press)).id == first.id, "a retry passes"


@pytest.mark.parametrize(
    "terms",
    [
        {"amount_minor": 0},
        {"percent": 10},
        {"amount_minor": 0, "percent": 100},
        {"max_minor": 5},
        {"title": " "},
        {"quantity": 0},
        {"sources": ()},
        {"valid_s": 1},
    ],
)
async def test_terms_that_make_no_sense_are_refused(stand: Stand, terms: dict[str, Any]) -> None:
    with pytest.raises(CommerceError, match="invalid_request"):
        await stand.coupon(**terms)


async def test_many_claim_at_once_and_no_more_than_there_are(stand: Stand) -> None:
    dropped = await stand.drop(await stand.coupon(), quantity=25)
    users = [await make_user(stand.till.database) for _ in range(60)]
    others = Drops(stand.till.database, stand.till.inventory, monotonic_ms)
    answers = await asyncio.gather(
        *(
            drops.claim(user_id=user, drop_id=dropped.id, key=key)
            for drops, key in ((stand.drops, "a"), (others, "b"), (stand.drops, "a"))
            for user in users
        ),
        return_exceptions=True,
    )
    won = {answer.id for answer in answers if isinstance(answer, Claimed)}
    refused = {answer.code for answer in answers if isinstance(answer, CommerceError)}
    assert (len(won), refused) == (25, {"coupons_gone", "limit_reached"})
    assert await is_sound(stand.till)


async def test_answers_stand_when_the_list_of_claimers_cannot_be_read(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is committed by then; only the short cut for the next losers is missing."""

    async def fail(*_: Any, **__: Any) -> frozenset[str]:
        raise CommerceError("unknown_outcome", "No answer.")

    monkeypatch.setattr(store, "select_claimers", fail)
    dropped = await stand.drop(await stand.coupon(), quantity=1)
    people = [await make_user(stand.till.database) for _ in range(3)]
    answers = await asyncio.gather(
        *(stand.claim(dropped.id, user) for user in people), return_exceptions=True
    )
    assert [type(one) for one in answers].count(Claimed) == 1
    codes = [one.code for one in answers if isinstance(one, CommerceError)]
    assert codes == ["coupons_gone"] * 2


async def test_who_has_a_claim_of_a_drop_that_is_gone_is_kept_within_bounds(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest drops are forgotten; their claimers are answered as before, by the database."""
    monkeypatch.setattr(service, "CLAIMERS_MAX", 3)
    gone = []
    for _ in range(3):
        dropped = await stand.drop(await stand.coupon(), quantity=2)
        users = [(await stand.till.buyer(f"U{n}")).id for n in range(3)]
        claims = [await stand.claim(dropped.id, user) for user in users[:2]]
        with pytest.raises(CommerceError, match="coupons_gone"):
            await stand.claim(dropped.id, users[2])
        gone.append((dropped.id, users, claims))
    assert list(stand.drops._gone) == [gone[-1][0]]
    for drop, users, claims in gone:
        assert (await stand.claim(drop, users[0])).id == claims[0].id
        with pytest.raises(CommerceError, match="coupons_gone"):
            await stand.claim(drop, users[2], key="other")


async def test_one_card_uses_a_coupon_as_often_as_it_may_whoever_has_claimed_it(
    stand: Stand,
) -> None:
    """Names are free, cards are not; what was given back whole counts no more."""
    dropped = await stand.drop(await stand.coupon(per_card=1))
    assert dropped.coupon.per_card == 1

    async def buy(name: str, card: str) -> Any:
        buyer = await stand.till.buyer(name)
        claim = await stand.claim(dropped.id, buyer.id)
        answer = await stand.order(buyer, claim.id)
        await buyer.client.post(answer["payment"]["url"], data={"act": "pay", "card": card})
        await stand.settle_calls()
        return answer, (await buyer.read(answer["order"]["id"]))["state"]

    first, state = await buy("Lena", "test-1")
    assert state == "paid"
    assert (await buy("Mika", "test-1"))[1] == "cancelled"
    assert stand.till.news("payment.voided")[-1]["reason"] == "card_limit"
    assert (await buy("Tao", "test-2"))[1] == "paid"
    await stand.refund(first)
    await stand.settle_calls()
    assert (await buy("Nils", "test-1"))[1] == "paid"
    assert (await audit(stand.till.database)).violations == []
