"""The link hears every channel that was ever subscribed, whenever that was."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from realtime.brokers.redis import RedisBroker, RedisLink
from tests.integration.realtime.house import eventually


class Ears:
    """Remembers what the link tells."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.ups = 0
        self.downs = 0

    def link_up(self) -> None:
        self.ups += 1

    def link_down(self) -> None:
        self.downs += 1

    def message(self, channel: str, data: bytes) -> None:
        self.heard.append((channel, data))


async def test_channels_added_while_the_link_connects_are_heard(
    redis_url: str, redis_prefix: str
) -> None:
    link = RedisLink(redis_url, prefix=redis_prefix, name="g", random=lambda: 0.5)
    broker = RedisBroker(redis_url, prefix=redis_prefix)
    ears = Ears()
    running = asyncio.create_task(link.run(ears))
    channels = []
    while not link.link_ok:
        channels.append(f"{redis_prefix}room:{len(channels)}")
        await link.subscribe(channels[-1])
        await asyncio.sleep(0)
    await eventually(lambda: ears.ups == 1)
    for channel in channels:
        await broker.publish(channel, b"hello")
    await eventually(lambda: len(ears.heard) == len(channels))
    assert {channel for channel, _ in ears.heard} == set(channels)
    running.cancel()
    await asyncio.wait([running])
    await broker.close()


async def test_an_unsubscribed_channel_is_silent(redis_url: str, redis_prefix: str) -> None:
    link = RedisLink(redis_url, prefix=redis_prefix, name="g", random=lambda: 0.5)
    broker = RedisBroker(redis_url, prefix=redis_prefix)
    ears = Ears()
    running = asyncio.create_task(link.run(ears))
    await eventually(lambda: link.link_ok)
    for name in ("a", "b"):
        await link.subscribe(redis_prefix + name)
    await link.unsubscribe(redis_prefix + "a")
    await broker.publish(redis_prefix + "a", b"1")
    await broker.publish(redis_prefix + "b", b"2")
    await eventually(lambda: ears.heard)
    assert ears.heard == [(redis_prefix + "b", b"2")]
    running.cancel()
    await asyncio.wait([running])
    await broker.close()


async def test_hash_fields_are_put_read_and_dropped(redis_url: str, redis_prefix: str) -> None:
    broker = RedisBroker(redis_url, prefix=redis_prefix)
    key = redis_prefix + "viewers:r1"
    await broker.put_field(key, "g1", b"1", ttl_s=60)
    await broker.put_field(key, "g2", b"2", ttl_s=60)
    await broker.drop_field(key, "g1")
    assert await broker.read_fields(key) == {"g2": b"2"}
    assert await broker.read_fields(redis_prefix + "nothing") == {}
    await broker.close()


async def test_a_call_that_is_cancelled_as_its_answer_comes_is_cancelled_all_the_same(
    redis_url: str, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = RedisBroker(redis_url, prefix=redis_prefix)

    async def swallow(*_: object) -> int:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return 1

    monkeypatch.setattr(broker._redis, "hdel", swallow)
    call = asyncio.create_task(broker.drop_field("key", "field"))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.wait([call], timeout=30)
    assert call.cancelled()
    await broker.close()
