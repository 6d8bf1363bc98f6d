"""This process's counters in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from realtime.delivery.rules import BOUNDS_MS
from realtime.gateway.gateway import Gateway
from realtime.protocol.counters import GAUGES, Counters


class AuditSeen(msgspec.Struct, frozen=True):
    """What a gateway last read of the continuous audit, and when (monotonic ms)."""

    age_ms: int
    violations: int
    warnings: int
    behind: int
    read_at_ms: int


# Each is the end of a bin in which delays are counted; 400 is what the console's light promises.
DELIVERY_BUCKETS_MS = (10, 20, 50, 100, 200, 400, 800, 1600, 2000)
DELIVERY_FIELDS = frozenset({"sale_delivery_bins", "sale_delivery_sum_ms"})


def collect_metrics(
    process_name: str,
    counters: Counters,
    *,
    is_link_up: bool,
    audit: AuditSeen | None = None,
    now_ms: int = 0,
) -> Iterator[Metric]:
    """Yield every counter under `hubbub_`, labelled with the process."""
    label = [process_name]
    for name, value in msgspec.structs.asdict(counters).items():
        if name in DELIVERY_FIELDS:
            continue
        if name == "closes":
            closes = CounterMetricFamily(
                "hubbub_closes", "Closed connections by code.", labels=["process", "code"]
            )
            for code, count in value.items():
                closes.add_metric([*label, str(code)], count)
            yield closes
            continue
        family = GaugeMetricFamily if name in GAUGES else CounterMetricFamily
        metric = family(f"hubbub_{name}", name.replace("_", " "), labels=["process"])
        metric.add_metric(label, value)
        yield metric
    yield _delivery_histogram(label, counters)
    link = GaugeMetricFamily(
        "hubbub_redis_link_up", "Whether messages from Redis arrive.", labels=["process"]
    )
    link.add_metric(label, int(is_link_up))
    yield link
    yield from _audit_gauges(label, audit, now_ms)


def _audit_gauges(label: list[str], audit: AuditSeen | None, now_ms: int) -> Iterator[Metric]:
    """Yield the audit's gauges; before the first report was read they have no value.

    The age goes on while PostgreSQL or every worker is away: that is what it is for.
    """
    helps = {
        "age_ms": "Since the last round of the audit.",
        "violations": "Rows that break a promise.",
        "warnings": "Rows that a person has to look at.",
        "behind": "Marks of changes that wait for the next round.",
    }
    for name, help_text in helps.items():
        gauge = GaugeMetricFamily(f"hubbub_audit_{name}", help_text, labels=["process"])
        if audit is not None:
            passed_ms = now_ms - audit.read_at_ms if name == "age_ms" else 0
            gauge.add_metric(label, getattr(audit, name) + passed_ms)
        yield gauge


def _delivery_histogram(label: list[str], counters: Counters) -> Metric:
    histogram = HistogramMetricFamily(
        "hubbub_sale_delivery_ms",
        "From a sale event's moment until a viewer who was asked had drawn it.",
        labels=["process"],
    )
    bins = counters.sale_delivery_bins
    buckets = [
        (str(limit_ms), sum(bins[: BOUNDS_MS.index(limit_ms) + 1]))
        for limit_ms in DELIVERY_BUCKETS_MS
    ]
    buckets.append(("+Inf", sum(bins)))
    histogram.add_metric(label, buckets, sum_value=counters.sale_delivery_sum_ms)
    return histogram


class GatewayCollector(Collector):
    """Reads the gateway's plain integers when somebody asks."""

    def __init__(
        self, process_name: str, gateway: Gateway, *, audit: AuditSeen | None, now_ms: int
    ) -> None:
        self._process_name = process_name
        self._gateway = gateway
        self._audit = audit
        self._now_ms = now_ms

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of this moment."""
        return collect_metrics(
            self._process_name,
            self._gateway.counters,
            is_link_up=self._gateway.link_ok,
            audit=self._audit,
            now_ms=self._now_ms,
        )


def render_metrics(
    process_name: str, gateway: Gateway, *, audit: AuditSeen | None, now_ms: int
) -> bytes:
    """Return this process's metrics as text."""
    registry = CollectorRegistry()
    registry.register(GatewayCollector(process_name, gateway, audit=audit, now_ms=now_ms))
    return generate_latest(registry)
