"""The verdict: compare what every client saw with what the server's own audit says.

Invariant: a promise that cannot be checked counts as broken; the last line is `PASS`, or `FAIL:`
with the reasons. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from loadtests.evidence import RESERVED, UNANSWERED, BuyerSeen, ClientSeen, Evidence
from loadtests.journal_check import Told, check_journal

# A broken promise usually breaks for many at once; the first few say it.
SHOWN_MAX = 3


def judge(evidence: Evidence) -> list[str]:
    """Return every broken promise as one phrase; none means PASS."""
    return [
        *_group("the run was not carried out:", evidence.troubles),
        *_group("request failed", evidence.failures),
        *_judge_audit(evidence),
        *_judge_log(evidence),
        *_judge_clients(evidence),
        *_judge_sale(evidence),
        *_judge_buyers(evidence),
        *_judge_journal(evidence),
    ]


def verdict_line(problems: list[str]) -> str:
    """Return the last line of a run."""
    return "PASS" if not problems else f"FAIL: {'; '.join(problems)}"


def render(evidence: Evidence) -> str:
    """Return the run as a table: what ran where, what it measured, what came of it."""
    lines = [
        f"machine   {evidence.machine}",
        f"commit    {evidence.commit}",
        f"command   {evidence.command}",
        f"mix       {evidence.mix_name}: {_describe_mix(evidence)}; took {evidence.took_s:.0f} s",
        f"outcome   {_describe_outcome(evidence)}",
        f"room      {_describe_room(evidence)}",
        f"delivery  {_describe_delivery(evidence)}",
        f"own lag   p99 {evidence.client_lag_p99_ms:.0f} ms (this process's timers)",
        "",
        f"{'ms':<34}{'count':>9}{'failed':>8}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>8}",
    ]
    lines += [
        f"{m.name:<34}{m.count:>9}{m.failures:>8}"
        f"{m.p50_ms:>8.0f}{m.p95_ms:>8.0f}{m.p99_ms:>8.0f}{m.max_ms:>8.0f}"
        for m in evidence.measures
    ]
    return "\n".join(lines)


def _describe_delivery(evidence: Evidence) -> str:
    """Say what the console's light would; a measurement, which no run is judged by."""
    read = evidence.delivery
    if read is None or read["asked"] == 0:
        return "not measured"
    p99 = "over 2 s" if read["p99_ms"] is None else f"{read['p99_ms']} ms"
    return (
        f"{read['within_400'] * 100 / read['asked']:.1f} % within 400 ms, p99 {p99}, "
        f"{read['reports']} of {read['asked']} reports in the last minute"
    )


def _judge_audit(evidence: Evidence) -> Iterator[str]:
    audit = evidence.audit
    if audit is None:
        yield "the audit could not be read"
        return
    for one in audit["violations"]:
        yield f"the audit found {one['check']} ×{one['count']}"
    if not audit["ok"] and not audit["violations"]:
        yield "the audit is not ok and does not say why"


def _judge_log(evidence: Evidence) -> Iterator[str]:
    log = evidence.log
    if log is None:
        yield "the room's log could not be read"
    elif set(log) != set(range(evidence.base_offset + 1, evidence.end_offset + 1)):
        yield "the room's log has gaps"


def _judge_clients(evidence: Evidence) -> Iterator[str]:
    mix, clients = evidence.mix, evidence.clients
    joined = sum(client.joined for client in clients)
    if joined < mix.users:
        yield f"{mix.users - joined} of {mix.users} clients never joined"
    broken = [
        f"{client.name}: {problem}"
        for client in clients
        if client.joined
        for problem in _judge_client(client, evidence)
    ]
    yield from _group("client", broken)


def _judge_client(client: ClientSeen, evidence: Evidence) -> Iterator[str]:
    if client.epoch != evidence.epoch:
        yield f"is in epoch {client.epoch}, the room in {evidence.epoch}"
        return
    if evidence.log is not None:
        yield from _compare_with_log(client, evidence.log, evidence.end_offset)
    for count, what in (
        (client.repeats, "sale event(s) came twice"),
        (client.conflicts, "sale event(s) changed"),
        (client.versions_back, "state version(s) went back"),
        (client.malformed, "frame(s) were malformed"),
        (client.own_lines_missing, "own line(s) never shown"),
    ):
        if count:
            yield f"{count} {what}"


def _compare_with_log(client: ClientSeen, log: dict[int, int], end_offset: int) -> Iterator[str]:
    excused = {offset for after, up_to in client.covered for offset in range(after + 1, up_to + 1)}
    lost = [o for o in log if o > client.based_at and o not in client.events and o not in excused]
    if lost:
        yield f"lost {len(lost)} sale event(s), first {min(lost)}"
    if any(log.get(offset, seen) != seen for offset, seen in client.events.items()):
        yield "saw a sale event that differs from the log"
    if client.events and max(client.events) > end_offset:
        yield "saw a sale event that the log does not have"


def _judge_sale(evidence: Evidence) -> Iterator[str]:
    sale = evidence.sale
    if sale is None:
        yield "there was no sale"
        return
    committed = sum(len(_committed(buyer)) for buyer in evidence.buyers)
    if committed > sale.units:
        yield f"oversold: {committed} reserved of {sale.units}"
    wanted = min(sale.units, evidence.mix.buyers * evidence.mix.per_buyer)
    if committed < wanted:
        yield f"{committed} reserved, but {wanted} of {sale.units} units were wanted"
    available, held, sold = sale.stock
    if available + held + sold != sale.units or held + sold != committed:
        yield f"the stock says {sale.stock} of {sale.units}, the buyers have {committed}"


def _judge_buyers(evidence: Evidence) -> Iterator[str]:
    phantom, lost, orphans, unpaid, twice, silent = [], [], [], [], [], []
    for buyer in evidence.buyers:
        committed, acked = _committed(buyer), buyer.acked
        silent += [p.key for p in buyer.presses if p.outcome == UNANSWERED]
        lost += sorted(acked - set(buyer.released) - committed)
        phantom += sorted(committed - acked)
        if len(committed) > evidence.mix.per_buyer:
            twice.append(buyer.user)
        twice += _keys_with_two_answers(buyer)
        for order in buyer.orders:
            if not order.reservations or not set(order.reservations) <= acked:
                orphans.append(order.id)
        states = {order.id: order.state for order in buyer.orders}
        unpaid += [order for order in buyer.paid if states.get(order) != "paid"]
    yield from _count(silent, "press(es) were never answered")
    yield from _count(lost, "acknowledged reservation(s) do not exist")
    yield from _count(phantom, "reservation(s) exist that nobody was promised")
    yield from _count(twice, "buyer(s) or press(es) got more than their limit")
    yield from _count(orphans, "order(s) without a reservation")
    yield from _count(unpaid, "paid order(s) are not paid")


def _judge_journal(evidence: Evidence) -> Iterator[str]:
    """Hold every answer against the version of the pool that it names."""
    journal = evidence.journal
    if journal is None:
        yield "the stock journal could not be read"
        return
    told = [
        Told(p.outcome, p.version, p.reservation, p.pressed_ms, p.answered_ms, p.key)
        for buyer in evidence.buyers
        for p in buyer.presses
        if p.outcome != UNANSWERED
    ]
    yield from check_journal(journal.steps, journal.granted, told)


def _committed(buyer: BuyerSeen) -> set[str]:
    """Return the reservations that a buyer really has: live holds, and lines of live orders."""
    in_orders = {
        reservation
        for order in buyer.orders
        if order.state in {"awaiting_payment", "paid"}
        for reservation in order.reservations
        if reservation is not None
    }
    return set(buyer.holds) | in_orders


def _keys_with_two_answers(buyer: BuyerSeen) -> list[str]:
    answers: dict[str, set[str]] = {}
    for press in buyer.presses:
        if press.reservation is not None:
            answers.setdefault(press.key, set()).add(press.reservation)
    return [key for key, reservations in answers.items() if len(reservations) > 1]


def _group(what: str, found: list[str]) -> list[str]:
    more = len(found) - SHOWN_MAX
    shown = [f"{what} {one}" for one in found[:SHOWN_MAX]]
    return [*shown, f"{more} more like that"] if more > 0 else shown


def _count(found: list[str], what: str) -> Iterator[str]:
    if found:
        yield f"{len(found)} {what} ({', '.join(found[:SHOWN_MAX])})"


def _describe_mix(evidence: Evidence) -> str:
    mix = evidence.mix
    return (
        f"{mix.viewers} viewers, {mix.chatters} chatters, {mix.buyers} buyers for {mix.units} "
        "units, 1 host"
    )


def _describe_outcome(evidence: Evidence) -> str:
    outcomes = Counter(p.outcome for buyer in evidence.buyers for p in buyer.presses)
    reserved = sum(len(_committed(buyer)) for buyer in evidence.buyers)
    states = Counter(order.state for buyer in evidence.buyers for order in buyer.orders)
    told = ", ".join(f"{count} {name}" for name, count in outcomes.most_common())
    orders = ", ".join(f"{count} {name}" for name, count in states.most_common()) or "none"
    released = sum(len(buyer.released) for buyer in evidence.buyers)
    checks = evidence.audit["checked"].get("checks", "?") if evidence.audit else "no"
    return (
        f"{reserved} {RESERVED} at the end, {released} given back; presses: {told}; "
        f"orders: {orders}; {checks} audit checks"
    )


def _describe_room(evidence: Evidence) -> str:
    recoveries: Counter[str] = Counter()
    processes: Counter[str] = Counter()
    closes: Counter[str] = Counter()
    for client in evidence.clients:
        recoveries.update(client.recoveries)
        processes.update(client.processes)
        closes.update(client.closes)
    dropped = max((client.lines_dropped for client in evidence.clients), default=0)
    return (
        f"{evidence.end_offset - evidence.base_offset} sale events to each; "
        f"hellos {dict(recoveries)}; processes {dict(processes)}; closes {dict(closes)}; "
        f"gaps {sum(c.gaps for c in evidence.clients)}, "
        f"syncs {sum(c.syncs for c in evidence.clients)}; "
        f"chat left out at most {dropped}"
    )
