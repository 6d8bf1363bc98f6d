"""Start the contenders of the fan-out benchmark, each on one core, its crowd on another."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tests.bench.children import Child
from tests.bench.compiled import build
from tests.bench.crowd_client import CrowdClient, ProgressFile
from tests.bench.fanout.publisher import PAYLOAD_BYTES

SERVER_CORE = 0
CROWD_CORE = 1
NCHAN_MODULES = (
    "/usr/lib/nginx/modules/ngx_nchan_module.so",
    "/usr/lib64/nginx/modules/ngx_nchan_module.so",
)
ENGINE_IO_PATH = "/socket.io/?EIO=4&transport=websocket"


class Recipe(msgspec.Struct, frozen=True):
    """How a contender is started: the command, for a progress file and so many clients."""

    name: str
    command: Callable[[Path, int], list[str | Path]]
    core: int = SERVER_CORE
    path: str = "/ws/demo?v=1"
    options: tuple[str, ...] = ()


def _module(name: str, *before: str) -> Callable[[Path, int], list[str | Path]]:
    module = f"tests.bench.fanout.contenders.{name}"
    return lambda progress, clients: [
        sys.executable,
        "-m",
        module,
        *before,
        progress,
        str(clients),
    ]


def send_loop() -> Recipe:
    """Return the bare C program; raises NoCompilerError."""
    program = build("send_loop", ["fanout/send_loop.c"])
    return Recipe("c_loop", lambda progress, _: [program, str(PAYLOAD_BYTES), progress])


def gateway(redis_url: str, prefix: str) -> Recipe:
    """Return our own gateway."""
    return Recipe("hubbub", _module("gateway", redis_url, prefix), options=("--sale",))


def others() -> list[Recipe]:
    """Return what is installed of the others."""
    engine_io = ("--say", "40", "--engine-io")
    recipes = [
        Recipe("websockets_broadcast", _module("websockets_broadcast")),
        Recipe("starlette", _module("starlette_loop")),
        Recipe("python_socketio", _module("socketio_room"), path=ENGINE_IO_PATH, options=engine_io),
    ]
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    module = next((path for path in NCHAN_MODULES if Path(path).exists()), None)
    if nginx is not None and module is not None:
        recipes.append(Recipe("nchan", _module("nchan", nginx, module), core=CROWD_CORE))
    return recipes


class Contender:
    """A running contender with its crowd connected, at rest until it is told to publish."""

    def __init__(self, recipe: Recipe, clients: int, *options: str) -> None:
        self.recipe = recipe
        self.clients = clients
        self._progress = ProgressFile()
        self.server = Child(recipe.command(self._progress.path, clients), core=recipe.core)
        try:
            listening = self.server.hear("listening")
            # nginx is a child of its publisher.
            self.server_pid: int = listening.get("pid", self.server.usage.pid)
            self._port: int = listening["port"]
            self.crowd = self.second_crowd(
                clients, "--progress", str(self._progress.path), *options
            )
        except BaseException:
            self.server.stop()
            raise
        try:
            self.crowd.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def second_crowd(self, clients: int, *options: str) -> CrowdClient:
        """Connect another crowd, which does not count for the publisher."""
        return CrowdClient(
            self._port,
            *self.recipe.options,
            *options,
            clients=clients,
            path=self.recipe.path,
            core=CROWD_CORE,
        )

    def window(self) -> dict[str, Any]:
        """Return what the crowd received since the last call."""
        return self.crowd.window()

    def stop(self) -> None:
        """End both."""
        self.crowd.stop()
        self.server.stop()
        self._progress.close()

    def __enter__(self) -> Contender:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
