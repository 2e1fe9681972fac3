"""The data plane's door: the Open Inference Protocol v2 over raw ASGI, in front of the service's other routes."""

import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import structlog
from prometheus_client import Counter, Gauge
from starlette.types import ASGIApp, Receive, Scope, Send

from pelton.eventkit.telemetry.metrics import Metrics
from pelton.eventkit.telemetry.tracing import current_traceparent
from pelton.inference.answer import Answer, failure_record, labels, log_record, score, score_shadow
from pelton.inference.deprecation import Deprecations, Headers
from pelton.inference.features import FeatureReader
from pelton.inference.prediction_log import PredictionLog
from pelton.inference.protocol import BadRequestError, encode, read_request, response
from pelton.inference.routes import Route, RouteTable
from pelton.inference.rows import Rows, make_rows
from pelton.inference.usage import Usage
from pelton.tiles.errors import TilesError

log = structlog.get_logger(__name__)

PREFIX = "/v2"
JSON_HEADERS = (b"content-type", b"application/json")


class InferenceMetrics:
    """What the data plane measures besides its requests."""

    def __init__(self, metrics: Metrics, predictions: PredictionLog, table: RouteTable) -> None:
        self.rows = Counter(
            "pelton_predicted_rows", "Rows answered", ("model", "version", "role"), registry=metrics.registry
        )
        self.failures = Counter(
            "pelton_failed_rows", "Rows a version failed to score", ("model", "version"), registry=metrics.registry
        )
        waiting = Gauge("pelton_prediction_log_waiting", "Records not yet on Kafka", registry=metrics.registry)
        waiting.set_function(lambda: predictions.depth)
        swaps = Gauge("pelton_route_swaps", "Routes swapped in", registry=metrics.registry)
        swaps.set_function(lambda: table.swaps)


class Front:
    """Answers what is below `/v2`, and passes the rest on."""

    def __init__(
        self,
        app: ASGIApp,
        table: RouteTable,
        features: FeatureReader,
        predictions: PredictionLog,
        deprecations: Deprecations,
        usage: Usage,
        metrics: Metrics,
        missing: Callable[[], Awaitable[list[str]]],
    ) -> None:
        self._app = app
        self._table = table
        self._features = features
        self._predictions = predictions
        self._deprecations = deprecations
        self._usage = usage
        self._missing = missing
        self._metrics = InferenceMetrics(metrics, predictions, table)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of the protocol, in the protocol's own error format."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        path = scope["path"].rstrip("/").split("/")[2:]
        scope["pelton_route"] = "/v2/" + "/".join(part if part in _WORDS else "{}" for part in path)
        try:
            match scope["method"], path:
                case "POST", ["models", model, "infer"]:
                    await self._infer(model, None, scope, receive, send)
                case "POST", ["models", model, "versions", version, "infer"]:
                    await self._infer(model, version, scope, receive, send)
                case "GET", ["health", "ready"]:
                    ready = not await self._missing()
                    await _send(send, 200 if ready else 503, encode({"ready": ready}))
                case "GET", _:
                    status, body = self._describe(path)
                    await _send(send, status, encode(body))
                case _:
                    raise BadRequestError(f"{scope['method']} is not answered here", 405)
        except BadRequestError as error:
            await _send(send, error.status, encode({"error": str(error)}))

    async def _infer(self, model: str, version: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._route(model, version)
        if self._predictions.full:
            raise BadRequestError("the prediction log is full because Kafka does not take it; try again shortly", 503)
        request = read_request(await _body(receive))
        request_id = request.id or uuid.uuid4().hex
        try:
            rows = make_rows(request, request_id, route, self._features, round(time.time() * 1000))
            answer = self._score(rows, route, request_id)
        except TilesError as error:
            raise BadRequestError(f"the online features cannot be read: {error}", 503) from error
        except ValueError as error:
            raise BadRequestError(f"{model} failed: {error}", 500) from error
        wanted = {output.name for output in request.outputs or ()}
        served = answer.served.tolist()
        counts = {one: served.count(one) for one in set(served)}
        # Of several versions that answered rows of one request, the protocol has room for one.
        answered_by = served[0] if len(counts) == 1 else route.champion.version.version
        probabilities = answer.probabilities.tolist()
        body = response(model, answered_by, request_id, probabilities, labels(answer, route), wanted)
        await _send(send, 200, body, self._notice(model, counts))
        # The caller has the answer: what follows costs him nothing.
        score_shadow(answer, route)
        self._predictions.add(log_record(answer, route, request_id), current_traceparent())
        self._count(route, counts, answer.errors)
        caller = scope["state"]["actor"].name
        for one, count in counts.items():
            self._usage.count(model, one, caller, count)

    def _notice(self, model: str, counts: Mapping[int, int]) -> Headers:
        notice = self._deprecations.of(model, counts)
        return [] if notice is None else notice.headers(datetime.now(UTC))

    def _score(self, rows: Rows, route: Route, request_id: str) -> Answer:
        """Score; a failure is logged like an answer: a new champion that fails is taken back by what the log says."""
        try:
            return score(rows, route)
        except Exception:
            failed = {route.champion.version.version: len(rows.keys)}
            self._predictions.add(failure_record(route, failed, request_id), current_traceparent())
            self._count(route, {}, failed)
            raise

    def _count(self, route: Route, answered: Mapping[int, int], errors: Mapping[int, int]) -> None:
        for version, count in answered.items():
            role = "champion" if version == route.champion.version.version else _OTHERS[route.mode]
            self._metrics.rows.labels(route.model, str(version), role).inc(count)
        for version, count in errors.items():
            self._metrics.failures.labels(route.model, str(version)).inc(count)

    def _route(self, model: str, version: str | None) -> Route:
        route = self._table.routes.get(model)
        if route is None:
            known = ", ".join(sorted(self._table.routes)) or "none yet"
            raise BadRequestError(f"model {model!r} is not served here; served are: {known}", 404)
        if version is None:
            return route
        pinned = route.pinned(version)
        if pinned is None:
            loaded = ", ".join(str(one.version) for one in route.versions)
            raise BadRequestError(f"version {version!r} of {model} is not loaded; loaded are: {loaded}", 404)
        return pinned

    def _describe(self, path: list[str]) -> tuple[int, object]:
        match path:
            case []:
                return 200, {"name": "pelton", "version": "2", "extensions": []}
            case ["health", "live"]:
                return 200, {"live": True}
            case ["models", model] | ["models", model, "versions", _]:
                return 200, _metadata(self._route(model, path[3] if len(path) > _PLAIN else None))
            case ["models", model, "ready"] | ["models", model, "versions", _, "ready"]:
                self._route(model, path[3] if len(path) > _PLAIN + 1 else None)
                return 200, {"name": model, "ready": True}
        raise BadRequestError(f"there is nothing at /v2/{'/'.join(path)}", 404)


_OTHERS = {"canary": "challenger", "variants": "variant"}
_PLAIN = 2
_WORDS = frozenset(("models", "versions", "infer", "ready", "health", "live"))


def _metadata(route: Route) -> dict[str, object]:
    version = route.champion.version
    loaded = {one.version for one in route.versions}
    return {
        "name": route.model,
        "versions": [str(one) for one in sorted(loaded)],
        "platform": "onnx",
        "inputs": [{"name": name, "datatype": "FP64", "shape": [-1]} for name in version.inputs],
        "outputs": [
            {"name": "probability", "datatype": "FP64", "shape": [-1]},
            {"name": "label", "datatype": "INT64", "shape": [-1]},
        ],
    }


async def _body(receive: Receive) -> bytes:
    message = await receive()
    if not message.get("more_body"):
        return bytes(message.get("body", b""))
    parts = [message["body"]]
    while message.get("more_body"):
        message = await receive()
        parts.append(message.get("body", b""))
    return b"".join(parts)


async def _send(send: Send, status: int, body: bytes, more: Headers | None = None) -> None:
    headers = [JSON_HEADERS, (b"content-length", str(len(body)).encode()), *(more or ())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
