"""Carry messages over Redis or Valkey, and notice within seconds when they stop flowing.

The only file that imports redis. The link trusts no open socket: a canary travels through the
subscription itself each second, and three misses tear the connection down.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from realtime.brokers.ports import BrokerUnavailableError, LinkEvents, RandomUnit

log = logging.getLogger(__name__)

# A healthy server answers in under a millisecond; a second is a verdict.
CALL_TIMEOUT_S = 1.0
# After a failure, calls fail at once for this long.
FAILED_REST_S = 0.5
# One canary a second, and three misses, as the recovery contract says.
CANARY_EVERY_S = 1.0
CANARY_MISSES_MAX = 3
# Reconnects start quickly, because clients wait, and slow down, because a server may be restarting.
RECONNECT_MIN_S = 0.05
RECONNECT_MAX_S = 2.0
# Enough for a burst of publishes without queueing a slow server's trouble in our memory.
CONNECTIONS_MAX = 32

_FAILURES = (RedisError, OSError, TimeoutError)


class _LinkLostError(Exception):
    """The canary was missed three times."""


def _raise_unexpected(error: BaseException | None) -> None:
    """Raise what is not trouble with Redis: such an error is a bug, and ends the process."""
    expected = (*_FAILURES, _LinkLostError)
    if isinstance(error, BaseExceptionGroup):
        _, error = error.split(expected)
    if error is not None and not isinstance(error, expected):
        raise error


def _client(url: str, *, reads_forever: bool) -> Redis:
    return Redis.from_url(
        url,
        socket_connect_timeout=CALL_TIMEOUT_S,
        socket_timeout=None if reads_forever else CALL_TIMEOUT_S,
        # One immediate retry replaces a pooled connection that a restart has cut.
        retry=Retry(NoBackoff(), 0 if reads_forever else 1),
        max_connections=CONNECTIONS_MAX,
    )


class RedisBroker:
    """A `Broker` over one pooled client."""

    def __init__(self, url: str, *, prefix: str) -> None:
        self._redis = _client(url, reads_forever=False)
        self._prefix = prefix
        self._failed_until_s = 0.0

    @property
    def prefix(self) -> str:
        """What every channel and key of this installation begins with."""
        return self._prefix

    async def publish(self, channel: str, message: bytes) -> None:
        """Send `message` to every process that subscribes to `channel`."""
        await self._call("publish", channel, message)

    async def put_field(self, key: str, field: str, value: bytes, *, ttl_s: int) -> None:
        """Set one field of a hash, and let the hash die `ttl_s` after its last change."""
        await self._call("hset", key, field, value)
        await self._call("expire", key, ttl_s)

    async def drop_field(self, key: str, field: str) -> None:
        """Remove one field of a hash."""
        await self._call("hdel", key, field)

    async def read_fields(self, key: str) -> dict[str, bytes]:
        """Return all fields of a hash; empty when there is none."""
        fields: dict[bytes, bytes] = await self._call("hgetall", key)
        return {name.decode(): value for name, value in fields.items()}

    async def close(self) -> None:
        """Close the pooled connections."""
        await self._redis.aclose()

    async def _call(self, command: str, *args: Any) -> Any:
        loop = asyncio.get_running_loop()
        if loop.time() < self._failed_until_s:
            # Whoever waits for a hanging server, one after the other, hangs as well.
            raise BrokerUnavailableError(f"redis {command} not tried: redis has just failed")
        task = asyncio.current_task()
        cancels = 0 if task is None else task.cancelling()
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                answer = await getattr(self._redis, command)(*args)
            if task is not None and task.cancelling() > cancels:
                # Python 3.11's `wait_for`, which the client uses, swallows a cancellation that
                # comes together with its answer; the caller would run on for ever.
                raise asyncio.CancelledError
            return answer
        except _FAILURES as error:
            if task is not None and task.cancelling() > cancels:
                # A cancelled read may end as a connection error; the caller must stop all the same.
                raise asyncio.CancelledError from error
            self._failed_until_s = loop.time() + FAILED_REST_S
            raise BrokerUnavailableError(f"redis {command} failed: {error}") from error


class RedisLink:
    """A `Link` over one subscriber connection of its own."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        name: str,
        random: RandomUnit,
        canary_every_s: float = CANARY_EVERY_S,
    ) -> None:
        self._url = url
        self._canary_every_s = canary_every_s
        self._canary = f"{prefix}canary:{name}"
        self._random = random
        self._channels: set[str] = set()
        self._confirmations: dict[str, asyncio.Event] = {}
        self._pubsub: PubSub | None = None
        self._ok = False
        self._canaries_missed = 0
        self._seen = 0

    @property
    def link_ok(self) -> bool:
        """Whether a canary came back lately."""
        return self._ok

    @property
    def canaries_missed(self) -> int:
        """How many canaries in all did not come back in time."""
        return self._canaries_missed

    async def subscribe(self, channel: str) -> None:
        """Add `channel`; return once it is confirmed, or at once while the link is down."""
        self._channels.add(channel)
        pubsub = self._pubsub
        if pubsub is None:
            return
        confirmed = self._confirmations.setdefault(channel, asyncio.Event())
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await pubsub.subscribe(channel)
                await confirmed.wait()
        except _FAILURES:
            log.warning("Subscribing to %s failed; the next reconnect repeats it.", channel)
            await self._disconnect(pubsub)
        finally:
            self._confirmations.pop(channel, None)

    async def unsubscribe(self, channel: str) -> None:
        """Remove `channel`."""
        self._channels.discard(channel)
        pubsub = self._pubsub
        if pubsub is None:
            return
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await pubsub.unsubscribe(channel)
        except _FAILURES:
            await self._disconnect(pubsub)

    async def run(self, events: LinkEvents) -> None:
        """Keep the subscription alive until cancelled."""
        failures = 0
        while True:
            # A task of its own: a TaskGroup with an error forgets that it was cancelled as well
            # (Python 3.11), and a loop around it could then not be stopped.
            serving = asyncio.create_task(self._serve(events), name="redis-link")
            try:
                await asyncio.wait([serving])
            finally:
                serving.cancel()
                await asyncio.wait([serving], timeout=2 * CALL_TIMEOUT_S)
                error = None if serving.cancelled() else serving.exception()
            _raise_unexpected(error)
            was_ok, self._ok = self._ok, False
            if was_ok or failures == 0:
                log.warning("The Redis link is down: %r", error)
            if was_ok:
                events.link_down()
            failures = 0 if was_ok else failures + 1
            ceiling_s = min(RECONNECT_MAX_S, RECONNECT_MIN_S * 2**failures)
            await asyncio.sleep(ceiling_s * (0.5 + self._random() / 2))

    async def _serve(self, events: LinkEvents) -> None:
        """Hold one connection until it fails; always ends by an exception."""
        reader = _client(self._url, reads_forever=True)
        sender = _client(self._url, reads_forever=False)
        pubsub = reader.pubsub()
        self._seen = 0
        try:
            async with asyncio.timeout(3 * CALL_TIMEOUT_S):
                subscribed: set[str] = set()
                # A room that is added while this waits would otherwise stay deaf.
                while missing := {self._canary, *self._channels} - subscribed:
                    await pubsub.subscribe(*missing)
                    subscribed |= missing
            self._pubsub = pubsub
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(pubsub, events), name="redis-link-read")
                tasks.create_task(self._send_canaries(sender), name="redis-link-canary")
        finally:
            self._pubsub = None
            await self._disconnect(pubsub)
            await reader.aclose()
            await sender.aclose()

    async def _read(self, pubsub: PubSub, events: LinkEvents) -> None:
        while True:
            message = await pubsub.get_message(timeout=None)
            if message is None:
                continue
            channel = message["channel"].decode()
            if message["type"] == "subscribe":
                if (confirmed := self._confirmations.get(channel)) is not None:
                    confirmed.set()
            elif message["type"] == "message":
                if channel == self._canary:
                    self._hear_canary(int(message["data"]), events)
                else:
                    events.message(channel, message["data"])

    def _hear_canary(self, number: int, events: LinkEvents) -> None:
        self._seen = number
        if not self._ok:
            self._ok = True
            log.info("The Redis link is up, with %d rooms.", len(self._channels))
            events.link_up()

    async def _send_canaries(self, sender: Redis) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        number = 0
        misses = 0
        while True:
            number += 1
            before = self._seen
            due_s = loop.time() + self._canary_every_s
            try:
                async with asyncio.timeout_at(due_s):
                    await sender.publish(self._canary, str(number))
            except _FAILURES:
                pass  # The canary did not fly; the reader will not hear it, which is counted below.
            if task is not None and task.cancelling():
                raise asyncio.CancelledError  # The client swallows it, as `RedisBroker._call` says.
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            if self._seen > before:
                # An older one that comes late is a proof as well: the line works, this process
                # or the server is busy, and a new connection would make neither faster.
                misses = 0
                continue
            misses += 1
            self._canaries_missed += 1
            if misses >= CANARY_MISSES_MAX:
                raise _LinkLostError(f"{misses} canaries were not heard")

    @staticmethod
    async def _disconnect(pubsub: PubSub) -> None:
        """Drop the connection; the reader then fails and the link reconnects."""
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await pubsub.aclose()  # type: ignore[no-untyped-call] # redis-py leaves it untyped.
        except _FAILURES:
            log.debug("Closing the Redis subscription failed.", exc_info=True)
