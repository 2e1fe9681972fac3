"""The monitor's own metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from pelton.monitor.intake import Intake


class Gauges:
    """What memory holds, and what came of the windows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._held = Gauge(
            "pelton_monitor_held", "In memory: open windows, rows, label events", ("model", "kind"), registry=registry
        )
        self._late = Gauge(
            "pelton_monitor_late_rows", "Rows that came after their window closed", ("model",), registry=registry
        )
        self._late_labels = Gauge(
            "pelton_monitor_late_labels",
            "Label events that came after the windows of their time had been settled",
            ("model",),
            registry=registry,
        )
        self._rows = Gauge("pelton_monitor_rows", "Prediction rows taken since the last start", registry=registry)
        self._flawed = Gauge("pelton_monitor_flawed_records", "Records passed over", registry=registry)
        self._windows = Counter(
            "pelton_monitor_windows", "Windows closed, by what they showed", ("kind", "verdict"), registry=registry
        )

    def show(self, intake: Intake) -> None:
        """Take over the numbers of memory."""
        self._rows.set(intake.rows)
        self._flawed.set(intake.flawed)
        for model, watched in intake.watched.items():
            self._late.labels(model).set(watched.late)
            self._late_labels.labels(model).set(watched.late_labels)
            for kind, count in zip(("windows", "rows", "labels"), watched.held, strict=True):
                self._held.labels(model, kind).set(count)

    def forget(self) -> None:
        """Nothing is in memory any more."""
        self._rows.set(0)
        for gauge in (self._held, self._late, self._late_labels):
            gauge.clear()

    def closed(self, kind: str, alarming: bool, conclusive: bool) -> None:  # noqa: FBT001 - read where it is called
        """Count a window."""
        verdict = "alarming" if alarming else "quiet" if conclusive else "inconclusive"
        self._windows.labels(kind, verdict).inc()
