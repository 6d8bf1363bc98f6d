"""Count what happens in the real-time layer, as plain integers that anyone may read.

Only one event loop writes them, so they need no lock; the server turns them into metrics.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

# Fields that go down as well as up.
GAUGES = frozenset({"connections_open", "members_paused", "tick_lag_ms", "pass_ms", "load_rung"})


class Counters(msgspec.Struct):
    """Totals since the process started, but for what `GAUGES` names."""

    connections_opened: int = 0
    connections_open: int = 0
    handshakes_refused: int = 0
    closes: dict[int, int] = {}
    joins_fresh: int = 0
    joins_replayed: int = 0
    joins_snapshot: int = 0
    syncs: int = 0
    frames_in: int = 0
    frames_in_bad: int = 0
    frames_out: int = 0
    bytes_out: int = 0
    sale_events: int = 0
    sale_repeats: int = 0
    sale_gaps: int = 0
    sale_stops: int = 0
    repairs: int = 0
    repair_failures: int = 0
    rooms_resynced: int = 0
    snapshots: int = 0
    snapshots_shared: int = 0
    snapshot_failures: int = 0
    state_changes: int = 0
    state_skips: int = 0
    ticks: int = 0
    tick_lag_ms: int = 0
    pass_ms: int = 0
    load_rung: int = 0
    load_steps_up: int = 0
    load_refused: int = 0
    direct_sent: int = 0
    members_paused: int = 0
    chat_accepted: int = 0
    chat_refused: int = 0
    chat_sampled_out: int = 0
    chat_collapsed: int = 0
    chat_saved: int = 0
    chat_save_failures: int = 0
    chat_lost: int = 0
    chat_skipped: int = 0
    likes: int = 0
    like_flush_failures: int = 0
    presence_failures: int = 0
    commands: int = 0
    commands_refused: int = 0
    commands_failed: int = 0
    bus_messages_in: int = 0
    bus_messages_bad: int = 0
    bus_publish_failures: int = 0
    link_losses: int = 0
    link_canaries_missed: int = 0
    sale_deliveries_asked: int = 0
    sale_deliveries_acked: int = 0
    sale_deliveries_lost: int = 0
    sale_acks_ignored: int = 0
    delivery_save_failures: int = 0
    sale_delivery_bins: list[int] = []
    sale_delivery_sum_ms: int = 0

    def count_close(self, code: int) -> None:
        """Add one to the closes with `code`."""
        self.closes[code] = self.closes.get(code, 0) + 1

    def add_deliveries(self, bins: Sequence[int], sum_ms: int) -> None:
        """Add one event's acknowledged delays, counted in bins, and their sum."""
        known = self.sale_delivery_bins or [0] * len(bins)
        self.sale_delivery_bins = [a + b for a, b in zip(known, bins, strict=True)]
        self.sale_delivery_sum_ms += sum_ms
