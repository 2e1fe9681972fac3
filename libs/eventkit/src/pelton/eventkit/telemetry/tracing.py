"""Traces that go through Kafka: W3C trace context in headers, OpenTelemetry in the process."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from pelton.eventkit.telemetry.unexported import UnexportedTracers

_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("pelton")


def configure_tracing(service: str) -> None:
    """Trace from now on; spans are exported by OTLP over HTTP when `OTEL_EXPORTER_OTLP_ENDPOINT` is set.

    Without it they have ids, for logs and for what they cause, and cost little.
    """
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        trace.set_tracer_provider(UnexportedTracers())
        return
    # Imported only here: a process that exports nothing need not wait for it.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": f"pelton-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def current_traceparent() -> str | None:
    """The present span in W3C form; None outside of any."""
    present = trace.get_current_span().get_span_context()
    if not present.is_valid:
        return None
    return f"00-{present.trace_id:032x}-{present.span_id:016x}-{present.trace_flags:02x}"


def current_trace_id() -> str | None:
    """The present trace's id in hexadecimal; None outside of any."""
    span_context = trace.get_current_span().get_span_context()
    return format(span_context.trace_id, "032x") if span_context.is_valid else None


def context_from(traceparent: str | None) -> Context:
    """The remote context that a traceparent names; the empty one without."""
    return _propagator.extract({"traceparent": traceparent}, Context()) if traceparent else Context()


@contextmanager
def consume_span(name: str, topic: str, partition: int, offset: int, traceparent: str | None) -> Iterator[Span]:
    """A span for handling one message, in the trace of whoever published it."""
    attributes: dict[str, str | int] = {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.destination.name": topic,
        "messaging.destination.partition.id": str(partition),
        "messaging.kafka.offset": offset,
    }
    with _tracer.start_as_current_span(
        name, context_from(traceparent), kind=SpanKind.CONSUMER, attributes=attributes
    ) as span:
        yield span


@contextmanager
def batch_span(name: str, traceparents: Sequence[str], **attributes: str | int) -> Iterator[Span]:
    """A span for handling many messages at once: in the first one's trace, linked to the others'."""
    links = [
        trace.Link(trace.get_current_span(context_from(one)).get_span_context()) for one in dict.fromkeys(traceparents)
    ]
    first = context_from(traceparents[0]) if traceparents else contexts.get_current()
    with _tracer.start_as_current_span(
        name, first, kind=SpanKind.CONSUMER, links=links[1:], attributes=attributes
    ) as span:
        yield span


@contextmanager
def request_span(method: str, path: str, headers: Sequence[tuple[bytes, bytes]]) -> Iterator[Span]:
    """A span for answering one request, in the caller's trace when it sent one."""
    traceparent = next((value.decode("latin-1") for name, value in headers if name == b"traceparent"), None)
    attributes = {"http.request.method": method, "url.path": path}
    with _tracer.start_as_current_span(
        f"{method} {path}", context_from(traceparent), kind=SpanKind.SERVER, attributes=attributes
    ) as span:
        yield span
