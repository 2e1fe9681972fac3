"""Prometheus metrics, in a registry that is passed around rather than global."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """What every service measures; a service adds its own on `registry`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.handled = Counter(
            "pelton_handled", "Messages by handler and outcome", ("handler", "outcome"), registry=self.registry
        )
        self.handle_seconds = Histogram(
            "pelton_handle_seconds", "From taken to committed", ("handler",), buckets=_SECONDS, registry=self.registry
        )
        self.retries = Counter("pelton_retries", "Attempts that will be repeated", ("handler",), registry=self.registry)
        self.dead_letters = Counter("pelton_dead_letters", "Messages set aside", ("handler",), registry=self.registry)
        self.consumer_lag = Gauge(
            "pelton_consumer_lag", "Records not yet taken", ("topic", "partition"), registry=self.registry
        )
        self.relay_published = Counter("pelton_relay_published", "Facts put on Kafka", registry=self.registry)
        self.relay_leading = Gauge("pelton_relay_leading", "Whether this process's relay leads", registry=self.registry)
        self.leading = Gauge(
            "pelton_leading", "Whether this process does what one does at a time", ("work",), registry=self.registry
        )
        self.http_requests = Counter(
            "pelton_http_requests", "Requests by route and status", ("route", "status"), registry=self.registry
        )
        self.http_seconds = Histogram(
            "pelton_http_seconds", "Time to answer", ("route",), buckets=_SECONDS, registry=self.registry
        )

    def render(self) -> bytes:
        """The text format of Prometheus."""
        return generate_latest(self.registry)
