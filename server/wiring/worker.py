"""Build one worker process: the jobs, each with its pace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from commerce.goods.inventory.sweeper import sweep
from commerce.goods.waiting_list.service import tell_waiters, tend_lines
from commerce.insight.audit.service import audit_and_keep
from commerce.kernel.ports import Database
from commerce.records.rounds.service import Rounds
from commerce.sales.coupons.service import close_due_drops, open_due_drops
from commerce.sales.draws.service import hold_due_draws, tell_entrants
from commerce.sales.group_buys.campaigns import end_campaigns, fail_due_teams, return_spare_units
from commerce.sales.unlocks.service import note_missed
from realtime.chat.rules import ChatLimits
from realtime.chat.sender import LineSender
from realtime.presence.service import count_viewers
from realtime.protocol.counters import Counters
from server.jobs import sales
from server.jobs.samples import sample_viewers
from server.jobs.video import end_video_of_ended_shows
from server.jobs.worker import Job, Worker
from server.settings import Settings
from server.wiring.commerce import build_carrier, build_till
from server.wiring.recording import forget_recordings
from server.wiring.sources import SystemClock
from server.wiring.video import build_engine

# A round costs what has changed, a slice of the turn what it is given. Resting five times as long
# keeps both together to a sixth of one connection in the worst of rushes.
AUDIT_EVERY_S = 2.0
AUDIT_REST_PER_WORK = 5.0


async def build_worker(settings: Settings, process_name: str) -> Worker:
    """Connect and return the worker; raises when PostgreSQL is out of reach."""
    carrier = await build_carrier(settings)
    till = build_till(settings, carrier.database)
    database, clock = carrier.database, SystemClock()
    # A worker confirms payments too; it has no viewers, so it never learns how many share a room.
    limits = ChatLimits()
    house = LineSender(
        clock.now_ms, publisher=carrier.publisher, limits=limits, counters=Counters()
    )
    carrier.announcer.carry_line = house.carry

    async def viewers(room_id: str) -> int:
        return await count_viewers(carrier.broker, room_id, now_ms=clock.now_ms())

    engine = build_engine(settings, carrier)

    async def close() -> None:
        await engine.close()
        await till.close()
        await carrier.broker.close()
        await database.close()

    # Fast where people watch a clock or a figure, slow where a webhook has told already.
    jobs = [
        *build_rounds(database),
        Job("relay the log", 0.25, partial(sales.relay_log, database, carrier.announcer)),
        Job("lines of the house", limits.flush_ms / 1000, house.flush),
        Job("pay formed teams", 0.25, till.settlement.pay_formed),
        Job("pay decided thresholds", 0.25, till.settlement.pay_decided),
        Job("tell the waiting list", 0.1, partial(tell_waiters, database)),
        Job("expire orders", 0.5, till.settlement.expire_orders),
        Job("payment calls", 0.5, till.payments.run_payment_calls),
        Job("silent payments", 5.0, till.payments.poll_silent_payments),
        Job("sandbox webhooks", 1.0, till.webhooks.deliver_due),
        Job("end video", 2.0, partial(end_video_of_ended_shows, database, engine)),
        Job("forget recordings", 600.0, partial(forget_recordings, settings, database)),
        Job("sample viewers", 10.0, partial(sample_viewers, database, viewers)),
        Job(
            "audit",
            AUDIT_EVERY_S,
            partial(audit_and_keep, database),
            rest_per_work=AUDIT_REST_PER_WORK,
        ),
    ]
    return Worker(jobs, close)


def build_rounds(database: Database) -> list[Job]:
    """Return the jobs over rows that are due, each row apart from the others."""
    paces: list[tuple[str, float, Callable[[Database, Rounds], Awaitable[object]]]] = [
        ("open sales", 0.1, sales.open_due_sales),
        ("end sales", 0.1, sales.end_due_sales),
        ("open drops", 0.1, open_due_drops),
        ("close drops", 0.1, close_due_drops),
        ("hold draws", 0.1, hold_due_draws),
        ("tell entrants", 0.1, tell_entrants),
        ("fail teams", 0.25, fail_due_teams),
        ("end group buys", 0.5, end_campaigns),
        ("return spare units", 0.5, return_spare_units),
        ("note missed thresholds", 0.25, note_missed),
        ("sweep holds", 0.25, sweep),
        ("tend the waiting list", 0.25, tend_lines),
        ("note sold out", 0.25, sales.note_sold_out),
        ("return leftovers", 1.0, sales.return_leftovers),
    ]
    return [
        Job(name, every_s, partial(run, database, Rounds(name))) for name, every_s, run in paces
    ]
