"""The people of a live room as Locust users; each plays one script and then stays in the room.

Numbers come from the mix of `canonical`, by `fixed_count`; `Crowd` is the shape that brings them.
"""

from __future__ import annotations

import os
import sys
import time

import gevent  # type: ignore[import-untyped]  # gevent ships no types.
from gevent.event import Event  # type: ignore[import-untyped]  # As above.
from locust import LoadTestShape, User, task
from locust.env import Environment

from loadtests.buyer_script import BuyerScript
from loadtests.canonical import LoadSettingError, read_load_settings
from loadtests.flash_run import Run
from loadtests.host_script import HostScript
from loadtests.protocol_client import NoAnswerError, RefusedError, RoomClient
from loadtests.shop_api import ShopApi

try:
    SETTINGS = read_load_settings(os.environ)
except LoadSettingError as wrong:
    sys.exit(f"load: {wrong}")
MIX = SETTINGS.mix
WORDS = ("glaze", "kiln", "bowl", "celadon", "tea", "lamp", "foot", "rim", "crackle", "clay")
REFUSED_LINES = {"slow_down", "duplicate"}


def run_of(environment: Environment) -> Run:
    """Return the run that `locustfile` attached to this environment."""
    run: Run = environment.flash_run  # type: ignore[attr-defined]  # Locust lets hooks add to it.
    return run


class RoomUser(User):
    """Somebody in the room, with an HTTP side and a live connection."""

    abstract = True
    kind = ""
    is_guest = True
    _count = 0

    def on_start(self) -> None:
        """Enter the shop, and the room."""
        self.flash = run_of(self.environment)
        type(self)._count += 1
        self.name = f"{self.kind} {type(self)._count}"
        self.random = self.flash.random_for(self.name)
        self.api = ShopApi(self.flash.base_url, watch=self.flash.reporter("HTTP"))
        if self.is_guest:
            self.api.enter_as_guest(self.name)
        self.client: RoomClient = self.flash.connect(self.name, token=self.api.token)

    def on_stop(self) -> None:
        """Leave the room."""
        self.client.close()

    def stay(self) -> None:
        """Stay until Locust stops this user."""
        Event().wait()


class SilentViewer(RoomUser):
    """Watches; some lose their connection once around T0."""

    kind = "viewer"
    fixed_count = MIX.viewers

    def on_start(self) -> None:
        """Come as a visitor every second time."""
        self.is_guest = SilentViewer._count % 2 == 0
        super().on_start()

    @task
    def watch(self) -> None:
        """Watch the evening."""
        if self.random.random() < MIX.cut_share:
            lane = self.client.view
            if self.client.wait_until(lambda: self.flash.sale_id in lane.sales, MIX.run_s_max):
                gevent.sleep(self.random.uniform(0, MIX.countdown_s + 5))
                self.client.cut(self.random.uniform(0.5, 3.0))
        self.stay()


class Chatter(RoomUser):
    """Writes and likes."""

    kind = "chatter"
    fixed_count = MIX.chatters

    @task
    def chat(self) -> None:
        """Write a line now and then, and like in between."""
        likes = gevent.spawn(self._like)
        try:
            while not self.flash.closing.wait(self.random.uniform(0.5, 1.5) * MIX.chat_every_s):
                self._say(" ".join(self.random.choices(WORDS, k=5)) + self.random.choice(".?!"))
        finally:
            likes.kill()
        self.stay()

    def _say(self, text: str) -> None:
        try:
            self.client.say(text)
        except RefusedError as refused:
            if refused.code not in REFUSED_LINES:
                self.flash.reporter("WS")("say", 0, refused)
        except NoAnswerError as silence:
            self.flash.reporter("WS")("say", 0, silence)

    def _like(self) -> None:
        while True:
            gevent.sleep(self.random.uniform(0.5, 1.5) * MIX.likes_every_s)
            self.client.like(self.random.randint(1, 9))


class Buyer(RoomUser):
    """Presses at T0, then orders and pays, or does not."""

    kind = "buyer"
    fixed_count = MIX.buyers

    @task
    def buy(self) -> None:
        """Play the buyer's script."""
        script = BuyerScript(self.flash, self.client, self.api, self.name)
        self.flash.buyers.append((script.seen, self.api))
        self.flash.busy_buyers += 1
        try:
            script.play()
        finally:
            self.flash.busy_buyers -= 1
        self.stay()


class Host(User):
    """Runs the evening and ends the run."""

    fixed_count = 1

    @task
    def lead(self) -> None:
        """Play the host's script, then gather the evidence."""
        run = run_of(self.environment)
        try:
            HostScript(run).play()
        except Exception as error:  # Whatever it is, Locust would only start the evening again.
            run.give_up(f"the host could not go on: {error!r}")
        else:
            run.finish()
        Event().wait()


class Crowd(LoadTestShape):
    """Brings everybody in, and ends the test when the run is over or takes too long."""

    def reset_time(self) -> None:
        """Begin a fresh run; Locust calls this before each test, before anything else."""
        super().reset_time()  # type: ignore[no-untyped-call]  # Locust's.
        assert self.runner is not None, "Locust sets the runner before it starts a shape"
        environment = self.runner.environment
        environment.flash_run = Run(SETTINGS, environment)  # type: ignore[attr-defined]

    def tick(self) -> tuple[int, float] | None:
        """Return how many users there should be and how fast they come; None ends the test."""
        assert self.runner is not None, "Locust sets the runner before it starts a shape"
        run = run_of(self.runner.environment)
        took_s = time.monotonic() - run.started_s
        if not run.over and took_s > MIX.run_s_max:
            run.give_up(f"it took longer than {MIX.run_s_max} s")
        return None if run.over else (MIX.users, MIX.spawn_per_s)
