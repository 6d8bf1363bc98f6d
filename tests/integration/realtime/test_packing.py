"""Large frames are compressed once for all who asked for it; the others get them plain."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

import pytest
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
)

from realtime.gateway.limits import GatewayLimits
from tests.integration.realtime.house import Client, House, Served, serve


@pytest.fixture
async def packing(house: House, redis_url: str, redis_prefix: str) -> AsyncIterator[Served]:
    """One gateway that offers compression."""
    limits = GatewayLimits(is_packing_offered=True)
    async with serve(house, redis_url, redis_prefix, limits=limits) as one:
        yield one


def negotiated(client: Client) -> list[PerMessageDeflate]:
    found = client.socket.protocol.extensions
    return [each for each in found if isinstance(each, PerMessageDeflate)]


async def test_packed_and_plain_clients_read_the_same(packing: Served, house: House) -> None:
    house.padding = "moon cups " * 500
    packed = await packing.open(compression="deflate")
    plain = await packing.open("guest/bob")
    assert negotiated(packed)
    assert negotiated(packed)[0].remote_no_context_takeover
    assert not negotiated(plain)
    for client in (packed, plain):
        assert (await client.until("Z"))[3]["padding"] == house.padding
    before = packing.gateway.counters.bytes_out
    entries = [house.commit("bag.changed", {"pad": "tea tray " * 300}) for _ in range(3)]
    await packing.gateway.publisher.sale("r1", entries)
    for client in (packed, plain):
        await client.until_offset(3)
    assert packed.frames[-1] == plain.frames[-1]
    # 8 KB for the one who takes it plain, a few hundred bytes for the other.
    assert packing.gateway.counters.bytes_out - before < 10_000


async def test_what_a_client_packs_is_understood(packing: Served) -> None:
    client = await packing.open(compression="deflate")
    await client.until("Z")
    await client.send("q", 1, "echo", {"text": "tea " * 50}, "key-1")
    assert (await client.until("r"))[2]["args"] == {"text": "tea " * 50}


async def test_a_small_packed_frame_that_unpacks_to_a_megabyte_is_refused(
    packing: Served,
) -> None:
    client = await packing.open(compression="deflate")
    await client.until("Z")
    bomb = "x" * 1_000_000
    assert len(zlib.compress(bomb.encode())) < 4096
    await client.socket.send(bomb)
    assert await client.close_code() == 4009


async def test_a_client_with_a_smaller_window_gets_plain_frames(
    packing: Served, house: House
) -> None:
    house.padding = "moon cups " * 500
    factory = ClientPerMessageDeflateFactory(server_max_window_bits=10)
    client = await packing.open(compression=None, extensions=[factory])
    assert negotiated(client)[0].remote_max_window_bits == 10
    # A window of 1 KB could not unpack what was packed with 32 KB.
    assert (await client.until("Z"))[3]["padding"] == house.padding


async def test_nothing_is_offered_unless_asked_for(served: Served) -> None:
    client = await served.open(compression="deflate")
    assert not negotiated(client)
