"""Each way in which Redis stops carrying: it is loud, clients are told, nobody misses an event.

The field's well-known failure is the opposite: sockets open, health green, and nobody receives.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from redis import Redis

from realtime.brokers.redis import RedisLink
from realtime.gateway.limits import GatewayLimits
from realtime.rooms.envelope import SaleEnvelope, encode_envelope
from realtime.rooms.limits import RoomLimits
from tests.integration.realtime.house import Client, House, Served, eventually, serve
from tests.integration.realtime.valkey import Valkey

CHANNEL = "t:room:r1"
# Little enough for a replay (128 KiB), yet more than the kernel and Redis keep for a subscriber.
BURST = 400
PAD_BYTES = 250


def command(redis: Redis, *words: str) -> None:
    """Run an administrator's command."""
    redis.execute_command(*words)  # type: ignore[no-untyped-call]


def announce(redis: Redis, house: House, *, padding: int = 0) -> None:
    """Commit an event and publish it, as another process would."""
    entry = house.commit("flash.opened", {"pad": "x" * padding})
    redis.publish(CHANNEL, encode_envelope(SaleEnvelope((entry,))))


async def is_well_again(served: Served, house: House, client: Client, redis: Redis) -> None:
    """The link is back, the client was told both times, and has everything exactly once."""
    await eventually(lambda: served.gateway.link_ok)
    await client.until_state("degraded", False)
    announce(redis, house)
    await client.until_offset(house.offset)
    assert client.offsets == list(range(1, house.offset + 1))


async def test_client_kill_of_the_subscriber_again_and_again(
    fragile: Served, house: House, valkey: Valkey
) -> None:
    client = await fragile.open()
    await client.until("Z")
    with valkey.client() as redis:

        async def kill_for_ever() -> None:
            while True:
                command(redis, "CLIENT", "KILL", "TYPE", "pubsub")
                announce(redis, house)
                await asyncio.sleep(0.02)

        killing = asyncio.create_task(kill_for_ever())
        await client.until_state("degraded", True)
        killing.cancel()
        await is_well_again(fragile, house, client, redis)
    assert fragile.gateway.counters.link_losses >= 1


async def test_flushall_costs_nothing_at_all(fragile: Served, house: House, valkey: Valkey) -> None:
    client = await fragile.open()
    await client.until("Z")
    with valkey.client() as redis:
        for _ in range(20):
            announce(redis, house)
            redis.flushall()
        await client.until_offset(20)
    assert client.offsets == list(range(1, 21))
    assert fragile.gateway.link_ok
    assert fragile.gateway.counters.link_losses == 0


async def test_a_subscriber_that_redis_itself_cuts_for_its_output_buffer(
    fragile: Served, house: House, valkey: Valkey
) -> None:
    client = await fragile.open()
    await client.until("Z")
    with valkey.client() as redis:
        command(redis, "CONFIG", "SET", "client-output-buffer-limit", "pubsub 4kb 0 0")
        # This very loop is the gateway's: it reads nothing until the burst is over.
        for _ in range(BURST):
            announce(redis, house, padding=PAD_BYTES)
        await eventually(lambda: fragile.gateway.counters.link_losses == 1)
        await client.until_offset(BURST)
        assert fragile.gateway.counters.repairs >= 1
        await eventually(lambda: fragile.gateway.link_ok)
        announce(redis, house)
        await client.until_offset(BURST + 1)
    assert client.offsets == list(range(1, BURST + 2))


async def test_a_burst_that_is_lost_comes_as_a_snapshot_when_it_is_large(
    fragile: Served, house: House, valkey: Valkey
) -> None:
    client = await fragile.open()
    await client.until("Z")
    with valkey.client() as redis:
        # Nothing of it is heard, as if the line had been cut just before: the kernel's buffers
        # would let through of a burst whatever they can hold.
        for _ in range(100):
            house.commit("flash.opened", {"pad": "x" * 20_000})
        command(redis, "CLIENT", "KILL", "TYPE", "pubsub")
        # One frame of two megabytes is more than many clients take.
        while (await client.until("Z"))[2] < 100:
            pass
        announce(redis, house)
        await client.until_offset(101)
        assert client.offsets[-1] == 101


async def test_a_subscriber_that_lost_its_rights_is_loud_until_it_has_them_again(
    fragile: Served, house: House, valkey: Valkey
) -> None:
    client = await fragile.open()
    await client.until("Z")
    with valkey.client() as redis:
        # The canary may still fly: a link that trusted it alone would call itself well.
        command(redis, "ACL", "SETUSER", "default", "resetchannels", "&t:canary:*")
        await client.until_state("degraded", True)
        assert not fragile.gateway.link_ok
        house.commit("flash.opened")
        await client.until_offset(1)
        assert not fragile.gateway.link_ok
        command(redis, "ACL", "SETUSER", "default", "allchannels")
        await is_well_again(fragile, house, client, redis)


class DeafLine:
    """A way to the server that can swallow all that comes back to those who have subscribed."""

    def __init__(self, folder: Path, valkey: Valkey) -> None:
        self._here = folder / "line.sock"
        self._there = valkey.url.removeprefix("unix://")
        self.url = f"unix://{self._here}"
        self._subscribed: list[asyncio.StreamWriter] = []
        self._deaf: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[DeafLine]:
        """Carry until the end of the block."""
        server = await asyncio.start_unix_server(self._carry, self._here)
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def swallow(self) -> None:
        """From now on nobody who has subscribed hears anything; the sockets stay open."""
        self._deaf.update(self._subscribed)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_server = await asyncio.open_unix_connection(self._there)
        ways = [
            asyncio.create_task(self._pass(reader, to_server[1], writer)),
            asyncio.create_task(self._pass(to_server[0], writer, writer)),
        ]
        self._tasks.update(ways)
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, to_server[1]):
            end.close()

    async def _pass(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65_536):
                if b"SUBSCRIBE" in data and sink is not client:
                    self._subscribed.append(client)
                if sink is client and client in self._deaf:
                    continue
                sink.write(data)
                await sink.drain()


async def test_a_subscriber_whose_line_swallows_everything_is_found_out(
    house: House, valkey: Valkey, tmp_path: Path
) -> None:
    async with (
        DeafLine(tmp_path, valkey).open() as line,
        serve(house, line.url, "t:") as served,
    ):
        client = await served.open()
        await client.until("Z")
        line.swallow()
        with valkey.client() as redis:
            announce(redis, house)
            await client.until_state("degraded", True)
            assert served.gateway.counters.link_losses == 1
            await is_well_again(served, house, client, redis)
        assert served.gateway.counters.link_canaries_missed >= 3


async def test_a_subscription_that_is_gone_altogether_is_found_out(
    fragile: Served, house: House, valkey: Valkey
) -> None:
    client = await fragile.open()
    await client.until("Z")
    await unsubscribe_behind_its_back(fragile)
    with valkey.client() as redis:
        announce(redis, house)
        await client.until_state("degraded", True)
        assert fragile.gateway.counters.link_losses == 1
        await is_well_again(fragile, house, client, redis)


async def test_one_deaf_room_under_a_singing_canary_is_found_out_by_its_log(
    house: House, valkey: Valkey
) -> None:
    limits = GatewayLimits(rooms=RoomLimits(check_every_ms=300))
    async with serve(house, valkey.url, "t:", limits=limits) as served:
        client = await served.open()
        await client.until("Z")
        with valkey.client() as redis:
            await unsubscribe_behind_its_back(served, CHANNEL)
            assert redis.pubsub_numsub(CHANNEL) == [(CHANNEL.encode(), 0)]
            announce(redis, house)
            await client.until_offset(1)
            assert served.gateway.link_ok
            await eventually(lambda: redis.pubsub_numsub(CHANNEL) == [(CHANNEL.encode(), 1)])
            announce(redis, house)
            await client.until_offset(2)


async def unsubscribe_behind_its_back(served: Served, *channels: str) -> None:
    """Take channels, or all of them, off the link's connection without its knowledge."""
    link = served.gateway.hub._link
    assert isinstance(link, RedisLink)
    assert link._pubsub is not None
    await link._pubsub.execute_command("UNSUBSCRIBE", *channels)  # type: ignore[no-untyped-call]


async def test_who_joins_meanwhile_is_told_at_once(fragile: Served, valkey: Valkey) -> None:
    first = await fragile.open()
    await first.until("Z")
    valkey.kill()
    await first.until_state("degraded", True)
    late = await fragile.open("guest/late")
    await late.until_state("degraded", True)
    valkey.start()
    await late.until_state("degraded", False)
