"""A proxy before the real program that breaks one promise of the contract at a time.

Invariant: what it does not break passes through unchanged, so that a red check has one cause.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

READ_BYTES = 64 * 1024
TEXT, CLOSE, PONG = 0x1, 0x8, 0xA
# What becomes of one message from the server; and of the bytes of an HTTP answer.
Messages = Callable[[list[Any]], list[list[Any]]]
Bytes = Callable[[bytes], bytes]


class Tampering:
    """What is broken; by default nothing."""

    def __init__(
        self,
        message: Messages | None = None,
        *,
        answer: Bytes | None = None,
        close_code: int | None = None,
        without: int | None = None,
    ) -> None:
        self.message = message or (lambda parts: [parts])
        self.answer = answer or (lambda data: data)
        self.close_code = close_code
        self.without = without


@asynccontextmanager
async def tampering_proxy(port: int, tampering: Tampering) -> AsyncIterator[str]:
    """Serve in front of 127.0.0.1:`port`; yields the address."""
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            forth = asyncio.create_task(_copy(reader, up_writer))
            back = asyncio.create_task(_answer(up_reader, writer, tampering))
            await asyncio.wait([forth, back], return_when=asyncio.FIRST_COMPLETED)
            if not back.done():
                await asyncio.wait([back], timeout=1)
            for half in (forth, back):
                half.cancel()
            await asyncio.wait([forth, back])
        finally:
            for side in (up_writer, writer):
                side.close()
            talks.discard(task)

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        if talks:
            await asyncio.wait(talks, timeout=5)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(READ_BYTES):
            writer.write(data)
            await writer.drain()


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tampering: Tampering
) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            writer.write(tampering.answer(head + await reader.read()))
            await writer.drain()
            return
        writer.write(head)
        while True:
            opcode, data = await _read_frame(reader)
            writer.write(_tamper(opcode, data, tampering))
            await writer.drain()


def _tamper(opcode: int, data: bytes, tampering: Tampering) -> bytes:
    if opcode == tampering.without:
        return b""
    if opcode == CLOSE and tampering.close_code is not None:
        return _frame(CLOSE, tampering.close_code.to_bytes(2, "big"))
    if opcode != TEXT:
        return _frame(opcode, data)
    told = tampering.message(json.loads(data))
    return b"".join(_frame(TEXT, json.dumps(parts).encode()) for parts in told)


async def _read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read one of the server's frames: whole, and unmasked."""
    first, size = await reader.readexactly(2)
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    elif size == 127:
        size = int.from_bytes(await reader.readexactly(8), "big")
    return first & 0x0F, await reader.readexactly(size)


def _frame(opcode: int, data: bytes) -> bytes:
    size = len(data)
    head = bytes((0x80 | opcode,))
    if size < 126:
        return head + bytes((size,)) + data
    if size < 2**16:
        return head + b"\x7e" + size.to_bytes(2, "big") + data
    return head + b"\x7f" + size.to_bytes(8, "big") + data
