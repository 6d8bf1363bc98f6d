"""The delivery histogram says in Prometheus' words what the gateway counted."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from commerce.insight.deliveries import rules as console_rules
from realtime.delivery import rules as gateway_rules
from realtime.delivery.rules import Tally
from realtime.protocol.counters import Counters
from server.metrics import collect_metrics


class Fixed(Collector):
    """These counters, for ever."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def collect(self):  # type: ignore[no-untyped-def]  # prometheus_client's own is untyped.
        return collect_metrics("g1", self._counters, is_link_up=True)


def render(counters: Counters) -> str:
    registry = CollectorRegistry()
    registry.register(Fixed(counters))
    return generate_latest(registry).decode()


def test_delays_are_cumulative_and_the_promise_is_a_bucket() -> None:
    counters, tally = Counters(), Tally(1, at_ms=0, written_ms=0)
    for delay_ms in (40, 400, 401, 5_000):
        tally.acknowledge(delay_ms, 10_000)
    counters.add_deliveries(tally.bins, tally.delays_ms)
    counters.add_deliveries(tally.bins, tally.delays_ms)
    text = render(counters)
    for line in (
        'hubbub_sale_delivery_ms_bucket{le="50",process="g1"} 2.0',
        'hubbub_sale_delivery_ms_bucket{le="400",process="g1"} 4.0',
        'hubbub_sale_delivery_ms_bucket{le="800",process="g1"} 6.0',
        'hubbub_sale_delivery_ms_bucket{le="2000",process="g1"} 6.0',
        'hubbub_sale_delivery_ms_bucket{le="+Inf",process="g1"} 8.0',
        'hubbub_sale_delivery_ms_count{process="g1"} 8.0',
        'hubbub_sale_delivery_ms_sum{process="g1"} 11682.0',
    ):
        assert line in text


def test_before_the_first_report_every_bucket_is_empty() -> None:
    text = render(Counters())
    assert 'hubbub_sale_delivery_ms_bucket{le="+Inf",process="g1"} 0.0' in text
    assert 'hubbub_sale_deliveries_asked_total{process="g1"} 0.0' in text


def test_gateways_count_in_the_bins_that_the_console_reads() -> None:
    """The two packages never meet; only this holds their steps together."""
    assert gateway_rules.BOUNDS_MS == console_rules.BOUNDS_MS
