"""A collector of OpenTelemetry spans, so that a test can see what the platform exports."""

import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """Takes spans by OTLP over HTTP; `services` and `linked` tell of each trace who was in it, and what led to it."""

    def __init__(self) -> None:
        self.services: dict[str, set[str]] = defaultdict(set)
        self.names: dict[str, set[str]] = defaultdict(set)
        self._lock = threading.Lock()
        collector = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.take(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Door)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def take(self, body: bytes) -> None:
        """One export: a span belongs to its own trace, and is also seen from those that it links to."""
        with self._lock:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                service = next(
                    one.value.string_value for one in resource.resource.attributes if one.key == "service.name"
                )
                for span in (span for scope in resource.scope_spans for span in scope.spans):
                    for trace_id in (span.trace_id, *(link.trace_id for link in span.links)):
                        self.services[trace_id.hex()].add(service.removeprefix("pelton-"))
                        self.names[trace_id.hex()].add(span.name)
