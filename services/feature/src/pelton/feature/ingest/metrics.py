"""What taking events in measures."""

from collections.abc import Sequence
from typing import Final

from prometheus_client import Counter, Gauge

from pelton.eventkit.telemetry.metrics import Metrics
from pelton.tiles.writer import ViewStatistics

# By the verdict on an event, as `pelton.tiles.writer` numbers them: on time, late, too late, a duplicate.
OUTCOMES: Final = ("accepted", "accepted", "too_late", "duplicate")


class IngestMetrics:
    """Counts of events by what became of them, and what the views keep online."""

    def __init__(self, metrics: Metrics) -> None:
        registry = metrics.registry
        self._events = Counter(
            "pelton_events", "Events by source and outcome", ("source", "outcome"), registry=registry
        )
        self._values = Counter(
            "pelton_values_refused", "Values too large to be accumulated, by source", ("source",), registry=registry
        )
        self._entries = Gauge(
            "pelton_online_entries",
            "Tiles and finer entries that are live online, by view",
            ("view",),
            registry=registry,
        )
        self._bytes = Gauge(
            "pelton_online_bytes", "Bytes of live entries online, by view", ("view",), registry=registry
        )

    def took(self, source: str, verdicts: Sequence[int], rejected: int, values_refused: int) -> None:
        """Count a batch: events by verdict, records that were no events, and values that were too large."""
        for outcome, count in zip(OUTCOMES, verdicts, strict=True):
            self._events.labels(source, outcome).inc(count)
        self._events.labels(source, "rejected").inc(rejected)
        self._values.labels(source).inc(values_refused)

    def keeps(self, view: str, kept: ViewStatistics) -> None:
        """Say what the newest version of a view keeps."""
        self._entries.labels(view).set(kept.entries)
        self._bytes.labels(view).set(kept.bytes)
