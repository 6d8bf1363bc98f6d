"""Redis may die, hang or be flushed: that is loud, and no sale event is lost."""

from __future__ import annotations

import signal

import pytest

from realtime.brokers.ports import BrokerUnavailableError
from realtime.brokers.redis import RedisBroker
from tests.integration.realtime.house import House, Served, eventually
from tests.integration.realtime.valkey import Valkey


async def test_events_of_a_dead_redis_arrive_and_the_link_comes_back(
    fragile: Served, house: House, valkey: Valkey
) -> None:
    hub = fragile.gateway.hub
    client = await fragile.open()
    await client.until("Z")
    valkey.kill()
    await eventually(lambda: not hub.link_ok)
    await client.until_state("degraded", True)
    house.commit("flash.opened")
    await client.until_offset(1)
    late = await fragile.open("guest/late")
    await late.until_state("degraded", True)
    house.commit("flash.sold_out")
    valkey.start()
    await eventually(lambda: hub.link_ok)
    await client.until_state("degraded", False)
    await client.until_offset(2)
    await fragile.gateway.publisher.sale("r1", [house.commit("flash.closed")])
    await client.until_offset(3)
    await late.until_offset(3)
    assert client.offsets == [1, 2, 3]
    assert fragile.gateway.counters.link_losses == 1


async def test_a_redis_that_hangs_is_noticed_by_the_canary(
    fragile: Served, house: House, valkey: Valkey
) -> None:
    client = await fragile.open()
    await client.until("Z")
    valkey.signal(signal.SIGSTOP)
    await eventually(lambda: not fragile.gateway.link_ok)
    await client.until_state("degraded", True)
    with pytest.raises(BrokerUnavailableError):
        await fragile.gateway.publisher.hint("r1", ["likes"])
    broker = fragile.gateway.publisher._broker
    assert isinstance(broker, RedisBroker)
    broker._failed_until_s += 60  # However late the next caller comes on a busy machine.
    # A second caller must not wait as well.
    with pytest.raises(BrokerUnavailableError, match="not tried"):
        await fragile.gateway.publisher.hint("r1", ["likes"])
    house.commit("flash.opened")
    await client.until_offset(1)
    valkey.signal(signal.SIGCONT)
    await eventually(lambda: fragile.gateway.link_ok)
    await client.until_state("degraded", False)
    broker._failed_until_s = 0.0
    await fragile.gateway.publisher.sale("r1", [house.commit("flash.sold_out")])
    await client.until_offset(2)


async def test_a_cut_connection_and_a_flush_lose_nothing(
    fragile: Served, house: House, valkey: Valkey
) -> None:
    client = await fragile.open()
    await client.until("Z")
    with valkey.client() as redis:
        redis.flushall()
        redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # type: ignore[no-untyped-call]
    house.commit("flash.opened")
    await client.until_offset(1)
    await eventually(lambda: fragile.gateway.counters.link_losses == 1)
    await eventually(lambda: fragile.gateway.link_ok)
    await fragile.gateway.publisher.sale("r1", [house.commit("flash.sold_out")])
    await client.until_offset(2)


async def test_chat_without_redis_is_seen_here_and_stored(
    fragile: Served, house: House, valkey: Valkey
) -> None:
    client = await fragile.open()
    await client.until("Z")
    valkey.kill()
    await client.send("c", 1, "anybody there?")
    shown = await client.until("L")
    assert shown[2][0][3] == "anybody there?"
    await eventually(lambda: len(house.saved) == 1)
