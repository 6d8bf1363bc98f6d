"""The media process over HTTP, for gateways alone: JSON, one key, no browser ever comes here.

Invariant: without the installation's key nothing is answered but `/healthz` and `/metrics`.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from commerce.kernel.errors import CommerceError
from realtime.video.config import VideoCounters
from server.media.desk import MediaDesk
from server.routes.errors import EXCEPTION_HANDLERS, json_response
from server.routes.requests import path_id, path_text, read_body
from server.video.engine import Offer
from server.video.tickets import Act

# What the forwarder has now; the rest of its figures only grow.
NOW = frozenset({"publishers", "viewers", "late_ms"})
COUNTED = {
    "publishers_begun": "Offers to publish that were answered.",
    "viewers_begun": "Offers to play that were answered.",
    "sessions_ended": "Sessions that were ended by request.",
    "trickles": "Bodies with candidates that were taken.",
    "stalls": "Times that a publisher's packets stopped to come.",
    "redis_failures": "Rounds of news that Redis did not take; they are repeated.",
}


class BeginBody(msgspec.Struct, frozen=True):
    """An offer, whose and from where; whether it takes a publisher's place or gives way to any."""

    act: Act
    offer: str
    holder: str
    take_over: bool = False
    address: str = ""
    gives_way: bool = False


class TrickleBody(msgspec.Struct, frozen=True):
    """Candidates."""

    fragment: str


class EndBody(msgspec.Struct, frozen=True):
    """Whose sessions are to end; None: all."""

    holder: str | None = None


def media_app(
    desk: MediaDesk, *, key: str, process_name: str, carried: VideoCounters | None = None
) -> Starlette:
    """Build the application; `key` is what gateways send as a bearer token.

    `carried` are the forwarder's own counters, for the page of metrics; what else the process
    counts is added to `app.state.collectors`.
    """
    check_key = partial(_check_key, key)

    async def begin(request: Request) -> Response:
        check_key(request)
        body = await read_body(request, BeginBody)
        begun = await desk.begin(
            path_id(request, "room"),
            body.act,
            Offer(body.offer, body.address),
            holder=body.holder,
            take_over=body.take_over,
            gives_way=body.gives_way,
        )
        return json_response(begun, status=201)

    async def trickle(request: Request) -> Response:
        check_key(request)
        body = await read_body(request, TrickleBody)
        await desk.trickle(path_text(request, "session"), body.fragment)
        return json_response({})

    async def end(request: Request) -> Response:
        check_key(request)
        await desk.end(path_text(request, "session"))
        return json_response({})

    async def end_room(request: Request) -> Response:
        check_key(request)
        body = await read_body(request, EndBody)
        await desk.end_room(path_id(request, "room"), body.holder)
        return json_response({})

    async def list_rooms(request: Request) -> Response:
        check_key(request)
        pictures = {id: desk.picture(id) for id in desk.rooms}
        return json_response({"rooms": pictures, "publishers": desk.publishers()})

    collectors: list[Collector] = [_MediaCollector(desk, process_name, carried)]
    app = Starlette(
        routes=[
            Route("/media/rooms", list_rooms),
            Route("/media/rooms/{room}/sessions", begin, methods=["POST"]),
            Route("/media/rooms/{room}/end", end_room, methods=["POST"]),
            Route("/media/sessions/{session}", trickle, methods=["PATCH"]),
            Route("/media/sessions/{session}", end, methods=["DELETE"]),
            Route("/healthz", healthz),
            Route("/metrics", _metrics_page(collectors)),
        ],
        exception_handlers=dict(EXCEPTION_HANDLERS),
    )
    app.state.collectors = collectors
    return app


def _check_key(key: str, request: Request) -> None:
    sent = request.headers.get("authorization", "")
    if not hmac.compare_digest(sent.encode(), f"Bearer {key}".encode()):
        raise CommerceError("invalid_token", "Only processes of this installation may ask.")


def _metrics_page(collectors: list[Collector]) -> Callable[[Request], Awaitable[Response]]:
    async def metrics(request: Request) -> Response:
        registry = CollectorRegistry()
        for collector in collectors:
            registry.register(collector)
        return PlainTextResponse(generate_latest(registry), media_type="text/plain; version=0.0.4")

    return metrics


async def healthz(request: Request) -> Response:
    """Say that this process is alive."""
    return PlainTextResponse("ok\n")


class _MediaCollector(Collector):
    """Reads plain integers of the desk and the forwarder when somebody asks."""

    def __init__(self, desk: MediaDesk, process_name: str, carried: VideoCounters | None) -> None:
        self._desk = desk
        self._process_name = process_name
        self._carried = carried

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of this moment."""
        yield from collect_media_metrics(self._desk, self._process_name)
        if self._carried is not None:
            yield from collect_carried_metrics(self._carried, self._process_name)


def collect_carried_metrics(carried: VideoCounters, process_name: str) -> Iterator[Metric]:
    """Yield what the forwarder counts itself, under `hubbub_video_`."""
    for name, value in msgspec.structs.asdict(carried).items():
        family = GaugeMetricFamily if name in NOW else CounterMetricFamily
        metric = family(f"hubbub_video_{name}", f"{name.replace('_', ' ')}.", labels=["process"])
        metric.add_metric([process_name], value)
        yield metric


def collect_media_metrics(desk: MediaDesk, process_name: str) -> Iterator[Metric]:
    """Yield every figure of the media process under `hubbub_media_`."""
    label = [process_name]
    for name, help_text in COUNTED.items():
        counter = CounterMetricFamily(f"hubbub_media_{name}", help_text, labels=["process"])
        counter.add_metric(label, getattr(desk.counters, name))
        yield counter
    refused = CounterMetricFamily(
        "hubbub_media_refused", "Requests that were refused, by code.", labels=["process", "code"]
    )
    for code, count in desk.counters.refused.items():
        refused.add_metric([*label, code], count)
    yield refused
    pictures = [picture for id in desk.rooms if (picture := desk.picture(id)) is not None]
    gauges = {
        "rooms_live": ("Rooms whose picture moves.", sum(one.live for one in pictures)),
        "rooms_stalled": ("Rooms whose picture stands.", sum(not one.live for one in pictures)),
        "viewers": ("Viewers of all rooms.", sum(one.viewers or 0 for one in pictures)),
        "bits_per_s": ("Video that publishers send.", sum(one.bits_per_s for one in pictures)),
    }
    for name, (help_text, value) in gauges.items():
        gauge = GaugeMetricFamily(f"hubbub_media_{name}", help_text, labels=["process"])
        gauge.add_metric(label, value)
        yield gauge
