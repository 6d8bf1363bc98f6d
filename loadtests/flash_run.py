"""The one run that all users of a Locust process share: who is there, what happened, what is true.

Invariant: evidence outlives the users; Locust may kill them at any moment. Runs on greenlets.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import gevent  # type: ignore[import-untyped]  # gevent ships no types.
import msgspec
from gevent.event import Event  # type: ignore[import-untyped]  # As above.
from gevent.pool import Pool  # type: ignore[import-untyped]  # As above.
from locust.env import Environment

from loadtests.canonical import ROOM, LoadSettings
from loadtests.evidence import (
    BuyerSeen,
    ClientSeen,
    Evidence,
    JournalSeen,
    Measure,
    OrderSeen,
    SaleSeen,
    see_client,
)
from loadtests.journal_check import Step
from loadtests.protocol_client import RoomClient
from loadtests.shop_api import DEMO_OPERATOR, ShopApi, UnexpectedReplyError

Read = TypeVar("Read")
LAG_PERIOD_S = 0.05
READERS_MAX = 8
CATCH_UP_TIMEOUT_S = 10.0
# The worker audits every 2 s; after a rush it has some rounds to catch up.
AUDIT_TIMEOUT_S = 30.0
LOG_READERS_MAX = 8


class Run:
    """A flash sale under load, from the first connection to the evidence."""

    def __init__(self, settings: LoadSettings, environment: Environment) -> None:
        self.settings = settings
        self.mix = settings.mix
        self.environment = environment
        self.started_s = time.monotonic()
        self.closing = Event()
        """The sale is over: nobody presses or pays any more."""
        self.over = False
        self.evidence: Evidence | None = None
        self.troubles: list[str] = []
        self.clients: list[tuple[str, RoomClient]] = []
        self.buyers: list[tuple[BuyerSeen, ShopApi]] = []
        self.busy_buyers = 0
        self.sale_id: str | None = None
        self.base: tuple[str, int] | None = None
        self._lags_ms: list[float] = []
        self._lag_greenlet = gevent.spawn(self._measure_lag)

    @property
    def base_url(self) -> str:
        """Return the server's address."""
        return str(self.environment.host)

    def random_for(self, name: str) -> Random:
        """Return randomness that is this user's alone and the same in every run of a seed."""
        return Random(f"{self.settings.seed}:{name}")

    def reporter(self, kind: str) -> Callable[[str, float, Exception | None], None]:
        """Return what reports a measurement into Locust's statistics."""

        def report(name: str, duration_ms: float, failure: Exception | None) -> None:
            self.environment.events.request.fire(  # type: ignore[no-untyped-call]  # Locust's.
                request_type=kind,
                name=name,
                response_time=max(0.0, duration_ms),
                response_length=0,
                exception=failure,
                context={},
            )

        return report

    def connect(self, name: str, *, token: str | None) -> RoomClient:
        """Let a user enter the room."""
        client = RoomClient(
            self.base_url,
            ROOM,
            token=token,
            report=self.reporter("WS"),
            random=self.random_for(name),
        )
        self.clients.append((name, client))
        client.start()
        return client

    def joined(self) -> int:
        """Return how many clients have the room's state."""
        return sum(client.view.lane.based_at is not None for _, client in self.clients)

    def finish(self) -> None:
        """Gather the evidence and end the run; users may then be stopped."""
        self.evidence = self._gather()
        self.over = True

    def give_up(self, why: str) -> None:
        """End a run that cannot go on."""
        self.troubles.append(why)
        self.evidence = self._describe(clients=self._see_clients(), log=None)
        self.over = True

    def stop(self) -> None:
        """Close every connection."""
        self.closing.set()
        self._lag_greenlet.kill()
        for _, client in self.clients:
            client.close()

    def _gather(self) -> Evidence:
        log = self._read_log()
        end_offset = max(log) if log else 0
        deadline_s = time.monotonic() + CATCH_UP_TIMEOUT_S
        while time.monotonic() < deadline_s and not self._is_quiet(end_offset):
            gevent.sleep(0.1)
        clients = self._see_clients()
        Pool(READERS_MAX).map(lambda pair: self._read(lambda: self._read_buyer(*pair)), self.buyers)
        evidence = self._describe(
            clients=clients,
            log=log,
            sale=self._read(self._read_sale),
            audit=self._read(self._read_audit),
            journal=self._read(self._read_journal),
        )
        return msgspec.structs.replace(evidence, delivery=self._read(self._read_delivery))

    def _is_quiet(self, end_offset: int) -> bool:
        """Say whether nothing is on its way any more: every client has all that it is owed."""
        views = [client.view for _, client in self.clients]
        return all(v.lane.offset >= end_offset and not v.own_lines for v in views)

    def _read(self, what: Callable[[], Read]) -> Read | None:
        """Return what could be read; otherwise the run has a trouble, and the rest goes on."""
        try:
            return what()
        except (OSError, UnexpectedReplyError) as error:
            self.troubles.append(f"evidence could not be read: {error}")
            return None

    def _read_audit(self) -> dict[str, Any]:
        """Return an audit of a moment after the run; the server's audit goes on by itself."""
        deadline_s = time.monotonic() + AUDIT_TIMEOUT_S
        report = self._read_as_operator("/api/audit")
        asked_ms = report.get("now_ms", 0)
        while (report["at_ms"] or 0) <= asked_ms or report["behind"]:
            if time.monotonic() > deadline_s:
                self.troubles.append("no audit of a moment after the run came in time")
                break
            gevent.sleep(0.5)
            report = self._read_as_operator("/api/audit")
        return report

    def _read_journal(self) -> JournalSeen | None:
        """Read the sale's whole journal, page by page."""
        if self.sale_id is None:
            return None
        seen = JournalSeen([], {})
        is_end, after = False, 0
        while not is_end:
            page = self._read_as_operator(f"/api/sales/{self.sale_id}/journal?after={after}")
            seen.steps.extend(Step(*row) for row in page["steps"])
            seen.granted.update({id: version for id, version, *_ in page["granted"]})
            is_end = page["is_end"]
            after = seen.steps[-1].version if seen.steps else after
        return seen

    def _read_delivery(self) -> dict[str, Any]:
        delivery: dict[str, Any] = self._read_as_operator(f"/api/rooms/{ROOM}/console")["delivery"]
        return delivery

    def _read_as_operator(self, path: str) -> dict[str, Any]:
        operator = ShopApi(self.base_url)
        operator.log_in(*DEMO_OPERATOR)
        read: dict[str, Any] = operator.expect(200, f"GET {path}")
        return read

    def _read_sale(self) -> SaleSeen | None:
        state = ShopApi(self.base_url).expect(200, f"GET /api/rooms/{ROOM}")
        stocks = {sale["id"]: sale["stock"] for sale in state["sales"]}
        if self.sale_id is None or self.sale_id not in stocks:
            return None
        return SaleSeen(self.sale_id, self.mix.units, stocks[self.sale_id])

    def _read_log(self) -> dict[int, int] | None:
        """Read the log as a returning client would: everything after the base is replayed.

        A gateway that was restarted in between has no replay for it; another one is tried.
        """
        if self.base is None:
            return None
        logs = (self._read_log_once(*self.base) for _ in range(LOG_READERS_MAX))
        return next((log for log in logs if log is not None), None)

    def _read_log_once(self, epoch: str, offset: int) -> dict[int, int] | None:
        reader = RoomClient(
            self.base_url,
            ROOM,
            token=None,
            report=lambda name, duration_ms, failure: None,
            random=self.random_for("reader"),
        )
        lane = reader.view.lane
        lane.snapshot(epoch, offset)
        lane.notice(max(client.view.lane.offset for _, client in self.clients), 0)
        reader.start()
        try:
            is_here = reader.wait_until(
                lambda: bool(reader.view.recoveries) and not lane.is_behind, CATCH_UP_TIMEOUT_S
            )
            was_replayed = set(reader.view.recoveries) == {"replayed"}
            return dict(lane.events) if is_here and was_replayed else None
        finally:
            reader.close()

    def _read_buyer(self, buyer: BuyerSeen, api: ShopApi) -> None:
        holds = api.expect(200, "GET /api/reservations", name="GET /api/reservations")
        buyer.holds = [h["id"] for h in holds["reservations"] if h["sale"] == self.sale_id]
        orders = api.expect(200, "GET /api/orders", name="GET /api/orders")
        buyer.orders = [
            OrderSeen(o["id"], o["state"], [line["reservation"] for line in o["lines"]])
            for o in orders["orders"]
        ]

    def _see_clients(self) -> list[ClientSeen]:
        return [
            see_client(name, c.view, closes=dict(c.closes), processes=dict(c.processes))
            for name, c in self.clients
        ]

    def _describe(
        self,
        *,
        clients: list[ClientSeen],
        log: dict[int, int] | None,
        sale: SaleSeen | None = None,
        audit: dict[str, Any] | None = None,
        journal: JournalSeen | None = None,
    ) -> Evidence:
        epoch, base_offset = self.base or (None, 0)
        lags = sorted(self._lags_ms) or [0.0]
        return Evidence(
            machine=describe_machine(),
            commit=describe_commit(),
            command=" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            mix_name=self.settings.mix_name,
            mix=self.mix,
            took_s=time.monotonic() - self.started_s,
            troubles=list(self.troubles),
            failures=self._failures(),
            client_lag_p99_ms=lags[int(len(lags) * 0.99)],
            epoch=epoch,
            base_offset=base_offset,
            end_offset=max(log) if log else base_offset,
            log=log,
            clients=clients,
            buyers=[buyer for buyer, _ in self.buyers],
            sale=sale,
            audit=audit,
            journal=journal,
            measures=self._measures(),
        )

    def _failures(self) -> list[str]:
        errors = self.environment.stats.errors.values()
        runner = self.environment.runner
        crashes = runner.exceptions.values() if runner is not None else ()
        return [
            *(f"{e.method} {e.name} ×{e.occurrences}: {e.error}" for e in errors),
            *(f"by a user that crashed ×{c['count']}: {c['msg']}" for c in crashes),
        ]

    def _measures(self) -> list[Measure]:
        return [
            Measure(
                entry.name if entry.name.startswith("WS ") else f"{entry.method} {entry.name}",
                entry.num_requests,
                entry.num_failures,
                entry.get_response_time_percentile(0.5),
                entry.get_response_time_percentile(0.95),
                entry.get_response_time_percentile(0.99),
                entry.max_response_time,
            )
            for _, entry in sorted(self.environment.stats.entries.items())
        ]

    def _measure_lag(self) -> None:
        while True:
            due_s = time.perf_counter() + LAG_PERIOD_S
            gevent.sleep(LAG_PERIOD_S)
            self._lags_ms.append((time.perf_counter() - due_s) * 1000)


def describe_machine() -> str:
    """Return system, processor count and Python, as a published number needs them."""
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, "
        f"Python {platform.python_version()}"
    )


def describe_commit() -> str:
    """Return the commit that was run, marked when the files differ from it."""
    git = ["git", "-C", str(Path(__file__).resolve().parent)]
    try:
        commit = subprocess.run(
            [*git, "describe", "--always", "--dirty", "--abbrev=10"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return commit.stdout.strip()


def write_evidence(evidence: Evidence, path: str) -> None:
    """Write the evidence for another process to judge."""
    Path(path).write_bytes(msgspec.json.encode(evidence))
