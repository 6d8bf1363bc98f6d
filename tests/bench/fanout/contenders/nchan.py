"""Serve the crowd with nginx and its nchan module: one worker, published to over HTTP.

nginx is pinned to the first core like every contender; this publisher runs beside the crowd.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import uvloop

from tests.bench.fanout.publisher import PAYLOAD_BYTES, Publisher, say, stamped_text

STOP_TIMEOUT_S = 5.0
LISTENING_TIMEOUT_S = 10.0
SERVER_CORE = 0
CONFIG = """
load_module {module};
worker_processes 1;
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
worker_rlimit_nofile 20000;
events {{ worker_connections 19000; }}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  keepalive_requests 1000000000;
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location = /pub {{
      nchan_publisher http; nchan_channel_id room; nchan_message_buffer_length 16;
    }}
    location = /ws/demo {{
      nchan_subscriber websocket; nchan_channel_id room; nchan_subscriber_first_message newest;
    }}
  }}
}}
"""


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class HttpPublisher:
    """Posts one message after the other over one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def publish(self, stamp_ns: int) -> None:
        """Post one message and read the answer."""
        body = stamped_text(stamp_ns, PAYLOAD_BYTES).encode()
        self._writer.write(
            b"POST /pub HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        await self._reader.readexactly(length)


async def contend(nginx: str, module: str, progress_path: str, clients: int) -> None:
    """Serve until stdin ends."""
    with tempfile.TemporaryDirectory(prefix="hubbub-nchan-") as folder:
        port = free_port()
        config = Path(folder) / "nginx.conf"
        config.write_text(CONFIG.format(module=module, folder=folder, port=port), encoding="utf-8")
        server = subprocess.Popen(  # noqa: ASYNC220 # Before anything else runs here.
            [nginx, "-p", folder, "-e", f"{folder}/error.log", "-c", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        os.sched_setaffinity(server.pid, {SERVER_CORE})
        try:
            publisher = HttpPublisher(*await _connect(port))
            say("listening", port=port, pid=server.pid)
            await Publisher(progress_path, clients, publisher.publish).run()
        finally:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(STOP_TIMEOUT_S)


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(LISTENING_TIMEOUT_S):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)


if __name__ == "__main__":
    uvloop.run(contend(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
