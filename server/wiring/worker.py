"""Build one worker process: the jobs, each with its pace."""

from __future__ import annotations

from functools import partial

from commerce.goods.inventory.sweeper import sweep
from commerce.goods.waiting_list.service import tell_waiters, tend_lines
from commerce.insight.audit.service import audit_and_keep
from commerce.sales.coupons.service import close_due_drops, open_due_drops
from commerce.sales.draws.service import hold_due_draws, tell_entrants
from commerce.sales.group_buys.campaigns import end_campaigns, fail_due_teams
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
        Job("open and end sales", 0.1, partial(sales.open_and_end_sales, database)),
        Job("open drops", 0.1, partial(open_due_drops, database)),
        Job("close drops", 0.1, partial(close_due_drops, database)),
        Job("hold draws", 0.1, partial(hold_due_draws, database)),
        Job("tell entrants", 0.1, partial(tell_entrants, database)),
        Job("relay the log", 0.25, partial(sales.relay_log, database, carrier.announcer)),
        Job("lines of the house", limits.flush_ms / 1000, house.flush),
        Job("fail teams", 0.25, partial(fail_due_teams, database)),
        Job("end group buys", 0.5, partial(end_campaigns, database)),
        Job("pay formed teams", 0.25, till.settlement.pay_formed),
        Job("note missed thresholds", 0.25, partial(note_missed, database)),
        Job("pay decided thresholds", 0.25, till.settlement.pay_decided),
        Job("sweep holds", 0.25, partial(sweep, database)),
        Job("tell the waiting list", 0.1, partial(tell_waiters, database)),
        Job("tend the waiting list", 0.25, partial(tend_lines, database)),
        Job("note sold out", 0.25, partial(sales.note_sold_out, database)),
        Job("expire orders", 0.5, till.settlement.expire_orders),
        Job("payment calls", 0.5, till.payments.run_payment_calls),
        Job("silent payments", 5.0, till.payments.poll_silent_payments),
        Job("sandbox webhooks", 1.0, till.webhooks.deliver_due),
        Job("return leftovers", 1.0, partial(sales.return_leftovers, database)),
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
