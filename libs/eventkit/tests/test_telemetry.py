"""Logs without secrets, metrics without globals, traces that go on."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from prometheus_client.parser import text_string_to_metric_families

from pelton.eventkit.telemetry.logging import HIDDEN, _without_secrets
from pelton.eventkit.telemetry.metrics import Metrics
from pelton.eventkit.telemetry.tracing import (
    batch_span,
    configure_tracing,
    consume_span,
    context_from,
    current_trace_id,
    current_traceparent,
    request_span,
)

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture(autouse=True)
def _traced() -> None:
    configure_tracing("test")


def run(program: str) -> str:
    """What a process of its own writes: logs and traces are configured once a process."""
    done = subprocess.run([sys.executable, "-c", program], check=True, timeout=60, stdout=subprocess.PIPE, text=True)
    return done.stdout


LOGGING = f"""
import logging, structlog
from pelton.eventkit.telemetry.logging import configure_logging
from pelton.eventkit.telemetry.tracing import configure_tracing, consume_span
configure_logging("test", "info")
configure_tracing("test")
with (
    structlog.contextvars.bound_contextvars(event_id="e", causation_id="c", correlation_id="r"),
    consume_span("trainer.policy", "pelton.monitor", 0, 7, {PARENT!r}),
):
    structlog.get_logger("a").debug("too fine")
    structlog.get_logger("a").info("handled", rows=3)
    logging.getLogger("a.library").warning("of a %s", "library")
try:
    raise ValueError("postgresql://pelton:hunter2@db/x cannot be reached")
except ValueError:
    structlog.get_logger("a").exception("failed")
    logging.getLogger("a.library").exception("failed")
"""


def test_logs_are_lines_of_json_with_the_event_and_the_trace_and_no_secrets() -> None:
    ours, foreign, *failures = [json.loads(line) for line in run(LOGGING).splitlines()]
    common = {"service": "test", "event_id": "e", "causation_id": "c", "correlation_id": "r", "trace_id": TRACE}
    assert ours.items() >= ({"event": "handled", "rows": 3, "level": "info"} | common).items()
    assert foreign.items() >= ({"event": "of a library", "level": "warning"} | common).items()
    assert len(failures) == 2
    for failure in failures:
        assert "ValueError: postgresql://pelton:[hidden]@db/x cannot be reached" in failure["exception"]
        assert "trace_id" not in failure


@given(
    st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=100).filter(lambda x: x not in HIDDEN)
)
def test_a_password_of_a_url_is_hidden_whatever_is_in_it(password: str) -> None:
    hidden = str(_without_secrets("event", f"cannot reach postgresql://pelton:{password}@db:5432/x today"))
    assert hidden == f"cannot reach postgresql://pelton:{HIDDEN}@db:5432/x today"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("token", "hunter2"),
        ("db_password", "hunter2"),
        ("event", "Authorization: Bearer hunter2"),
        ("event", "redis://:hunter2@cache/0"),
        ("event", "took eyJhbGciOiJIUzI1NiJ9.hunter2.c2lnbmF0dXJl"),
        ("settings", {"nested": [{"secret": "hunter2"}]}),
        ("settings", ("kafka", "sasl://u:hunter2@broker")),
        ("error", ValueError("http://u:hunter2@host")),
    ],
)
def test_secrets_are_hidden_wherever_they_are(name: str, value: object) -> None:
    hidden = json.dumps(_without_secrets(name, value))
    assert "hunter2" not in hidden
    assert HIDDEN in hidden


@pytest.mark.parametrize("value", [3, 2.5, None, True, "http://localhost:8101/v1/runs", "a@b", ["x", 1]])
def test_what_is_no_secret_stays(value: object) -> None:
    assert _without_secrets("event", value) == value


def test_two_services_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.handled.labels("h", "handled").inc()
    assert one.registry.get_sample_value("pelton_handled_total", {"handler": "h", "outcome": "handled"}) == 1
    assert other.registry.get_sample_value("pelton_handled_total", {"handler": "h", "outcome": "handled"}) is None


def test_metrics_are_rendered_for_prometheus_with_the_process() -> None:
    metrics = Metrics()
    metrics.http_seconds.labels("/v1/runs").observe(0.003)
    families = {family.name: family for family in text_string_to_metric_families(metrics.render().decode())}
    assert {"pelton_http_seconds", "process_resident_memory_bytes", "python_info"} <= set(families)
    buckets = {
        s.labels.get("le"): s.value for s in families["pelton_http_seconds"].samples if s.name.endswith("bucket")
    }
    assert (buckets["0.0025"], buckets["0.005"]) == (0, 1)


def test_outside_of_any_span_there_is_no_trace() -> None:
    assert current_traceparent() is None
    assert current_trace_id() is None


def test_a_message_is_handled_in_its_publishers_trace() -> None:
    with consume_span("h", "t", 0, 0, PARENT):
        traceparent = current_traceparent()
        assert traceparent is not None
        assert traceparent != PARENT
        assert traceparent.startswith(f"00-{TRACE}-")
        assert traceparent.endswith("-01")
    assert current_traceparent() is None


def test_without_a_caller_each_request_starts_a_trace() -> None:
    seen = set()
    for _ in range(2):
        with request_span("GET", "/x", [(b"host", b"a")]):
            seen.add(current_trace_id())
    assert len(seen - {None}) == 2


def test_a_batch_is_in_its_first_messages_trace() -> None:
    with batch_span("ingest", [PARENT, PARENT.replace("0af7", "1bf8")], records=2):
        assert current_trace_id() == TRACE


@given(st.text())
def test_a_traceparent_that_is_none_is_no_context(text: str) -> None:
    assert not trace.get_current_span(context_from(text)).get_span_context().is_valid


EXPORTING = """
from pelton.eventkit.telemetry.tracing import configure_tracing, consume_span
configure_tracing("test")
with consume_span("trainer.policy", "pelton.monitor", 3, 7, None):
    pass
"""


def test_spans_are_exported_by_otlp_when_an_endpoint_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        run(EXPORTING)
        server.shutdown()
    ((path, body),) = received
    assert path == "/v1/traces"
    for word in (b"pelton-test", b"trainer.policy", b"messaging.destination.name", b"pelton.monitor"):
        assert word in body


def test_a_process_that_exports_nothing_does_not_import_the_exporter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    program = EXPORTING + "import sys; sys.exit(any(name.startswith('opentelemetry.sdk') for name in sys.modules))"
    run(program)
