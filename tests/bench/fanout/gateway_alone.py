"""Measure what only our gateway is asked: lines a second, idle memory, the Redis link."""

from __future__ import annotations

import time

import msgspec
import redis

from realtime.rooms.envelope import DirectEnvelope, encode_envelope, room_channel
from tests.bench.fanout.contenders.gateway import ROOM_ID
from tests.bench.fanout.field import Contender, Recipe
from tests.bench.fanout.rounds import Load, saturate

LINES_PER_FRAME = 8
WARM_UP_CONNECTIONS = 200
# Slow enough that the gateway does not take the handshakes for an overload and refuse visitors.
IDLE_RAMP_PER_S = "1000"
# Enough messages that the reader's cost stands out from the process's rest.
LINK_MESSAGES = 20_000
LINK_BATCH = 200
LINK_TIMEOUT_S = 30.0


class LinkCost(msgspec.Struct, frozen=True):
    """What one message costs the gateway's core: reading it, routing it, and nothing else."""

    us_per_message: float
    messages_per_s: float


def measure_lines(contender: Contender, seconds: float) -> Load:
    """Saturate with frames of eight lines, as a busy chat's ticks have them."""
    contender.server.tell(f"lines {LINES_PER_FRAME}")
    load = saturate(contender, seconds)
    contender.server.tell("lines 1")
    return load


def measure_idle(recipe: Recipe, connections: int, hold_s: float) -> float:
    """Return the resident bytes that each idle viewer costs, after being held for a while.

    A first, small crowd has already come and gone: what the process loads on first use is not
    counted as a viewer's.
    """
    with Contender(recipe, WARM_UP_CONNECTIONS) as contender:
        time.sleep(1)
        before = contender.server.resident_bytes()
        with contender.second_crowd(connections, "--ramp", IDLE_RAMP_PER_S) as crowd:
            crowd.wait_until_ready()
            time.sleep(hold_s)
            return (contender.server.resident_bytes() - before) / connections


def measure_link(contender: Contender, redis_url: str, prefix: str) -> LinkCost:
    """Publish messages for a user who is not here, and see what hearing them costs the gateway."""
    payload = msgspec.json.encode({"text": "x" * 120})
    message = encode_envelope(DirectEnvelope("nobody", "bench", payload))
    channel = room_channel(prefix, ROOM_ID)
    client = redis.Redis.from_url(redis_url)
    time.sleep(0.5)
    heard_before = _heard(contender)
    cpu_before, begun = contender.server.cpu_s(), time.monotonic()
    for _ in range(LINK_MESSAGES // LINK_BATCH):
        pipeline = client.pipeline(transaction=False)
        for _ in range(LINK_BATCH):
            pipeline.publish(channel, message)
        pipeline.execute()
    while _heard(contender) - heard_before < LINK_MESSAGES:
        if time.monotonic() - begun > LINK_TIMEOUT_S:
            raise SystemExit(f"the gateway did not hear {LINK_MESSAGES:,} messages in time")
        time.sleep(0.05)
    took_s = time.monotonic() - begun
    client.close()
    used_s = contender.server.cpu_s() - cpu_before
    return LinkCost(used_s / LINK_MESSAGES * 1e6, LINK_MESSAGES / took_s)


def _heard(contender: Contender) -> int:
    return int(contender.server.ask("heard", "heard")["messages"])
