"""Predictions over the Open Inference Protocol, beside MLServer: the same models, the same rows, the same client."""

import json
import os
import sys
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import joblib
import numpy as np
import uvloop
from _load import CONNECTIONS, Measured, Target, measure
from _results import Row, save
from _servers import PEERS, cpu_seconds, start_parts
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from pelton import local
from pelton.contracts.deployer import TrafficShifted
from pelton.contracts.fact import Fact
from pelton.contracts.registry import ModelVersionSigned
from pelton.contracts.values import Artifact, Evaluation, ModelVersion
from pelton.eventkit.envelope import Envelope
from pelton.eventkit.publisher import KafkaPublisher, Outgoing
from pelton.eventkit.settings import PORT_OFFSETS
from pelton.local import ports
from pelton.objects import Objects
from pelton.provenance import SigningKey
from pelton.provenance.signatures import sign_files
from pelton.testkit import eventually
from pelton.testkit.peers import Peer, Program
from pelton.trainer.export import to_onnx

ROUNDS = 3
COLUMNS = 10
ROWS = 32
TRAINED_ON = 2000
TOLERANCE = 1e-5
INPUTS = tuple(f"f{place}" for place in range(COLUMNS))
MODELS = {
    "logistic": ("logistic regression", LogisticRegression),
    "trees": ("histogram gradient boosting", HistGradientBoostingClassifier),
}
DIGEST = f"sha256:{'0' * 64}"
EVALUATION = Evaluation(rows=1, positives=1, brier=0.1, brier_variance=0.0, log_loss=0.1, accuracy=1.0, auc=None)


@dataclass(frozen=True)
class Fitted:
    """A model that both sides serve. `expected` is scikit-learn's own probability of each row asked for."""

    name: str
    estimator: Any
    onnx: bytes
    expected: NDArray[np.float64]


@dataclass(frozen=True)
class Side:
    """One server. `processes` are those whose processor time a request costs."""

    target: Callable[[Fitted], Target]
    processes: Sequence[int]

    def cpu(self) -> float:
        return cpu_seconds(self.processes)


def fit(rows: NDArray[np.float32]) -> list[Fitted]:
    """Fit both models to one random truth."""
    rng = np.random.default_rng(1)
    train = rng.normal(size=(TRAINED_ON, COLUMNS)).astype(np.float32)
    labels = train @ rng.normal(size=COLUMNS) + train[:, 0] * train[:, 1] + rng.normal(size=TRAINED_ON) > 0
    found = []
    for name, (_, make) in MODELS.items():
        estimator = make().fit(train, labels)
        onnx = to_onnx(estimator, INPUTS, {})
        found.append(Fitted(name, estimator, onnx, estimator.predict_proba(rows)[:, 1]))
    return found


def bodies(rows: NDArray[np.float32], output: str) -> list[bytes]:
    """One row a request, asking for the probability, by whatever name the server has for it."""
    return [
        json.dumps(
            {
                "inputs": [{"name": "rows", "shape": [1, COLUMNS], "datatype": "FP64", "data": row}],
                "outputs": [{"name": output}],
            },
            separators=(",", ":"),
        ).encode()
        for row in rows.tolist()
    ]


def checked(model: Fitted) -> Callable[[int, bytes], None]:
    """Compare an answer with scikit-learn's; of several classes' probabilities the last is the positive one's."""

    def check(number: int, body: bytes) -> None:
        (output,) = json.loads(body)["outputs"]
        if not abs(output["data"][-1] - model.expected[number]) <= TOLERANCE:
            raise RuntimeError(f"{model.name}, row {number}: {output['data']} is not {model.expected[number]}")

    return check


async def pelton(folder: Path, models: Sequence[Fitted], rows: NDArray[np.float32], stack: AsyncExitStack) -> Side:
    """The inference service and a broker as `pelton up` runs them; the models come as the deployer's facts."""
    started = start_parts(folder, ("kafka", "postgres", "inference"), stack)
    port = started.layout.port_base + PORT_OFFSETS["inference"]

    publisher = KafkaPublisher(started.layout.kafka.bootstrap, "bench")
    stack.push_async_callback(publisher.stop)
    objects = Objects((started.home.path / "objects").as_uri())
    key = SigningKey.load_or_create(started.home.path / "secrets" / "signing.key")
    champions = [_champion(model, await objects.put(model.onnx)) for model in models]
    signed = [await _signed(one.champion, objects, key) for one in champions]
    facts: list[Fact] = [*signed, *champions]
    await publisher.publish([_record(place, fact) for place, fact in enumerate(facts, start=1)])
    authorization = ("authorization", f"Bearer {started.token}")
    async with httpx.AsyncClient(trust_env=False, headers=[authorization]) as client:

        async def serves_all() -> bool:
            urls = [f"http://127.0.0.1:{port}/v2/models/{model.name}/ready" for model in models]
            return all([(await client.get(url)).status_code == httpx.codes.OK for url in urls])

        await eventually(serves_all, timeout=30)

    def target(model: Fitted) -> Target:
        asked = bodies(rows, "probability")
        return Target(port, f"/v2/models/{model.name}/infer", [authorization], asked, checked(model))

    return Side(target, [started.running["inference"].pid, started.running["kafka"].pid])


def _champion(model: Fitted, digest: str) -> TrafficShifted:
    served = ModelVersion(
        model=model.name,
        version=1,
        training_id=f"bench-{model.name}",
        artifact=Artifact(digest=digest, size=len(model.onnx), format="onnx"),
        request=INPUTS,
        features=(),
        views={},
        threshold=0.5,
        dataset=DIGEST,
        evaluation=EVALUATION,
    )
    return TrafficShifted(
        model=model.name, revision=1, mode="champion", champion=served, challenger=None, weight=0.0, salt="bench"
    )


async def _signed(version: ModelVersion, objects: Objects, key: SigningKey) -> ModelVersionSigned:
    """What the registry says of a version before it may be served."""
    artifact = version.artifact
    signature = sign_files(version.model, {f"model.{artifact.format}": artifact.digest}, key)
    kept = Artifact(digest=await objects.put(signature), size=len(signature), format="model-signature")
    return ModelVersionSigned(
        model=version.model,
        version=version.version,
        artifact=artifact.digest,
        signature=kept,
        provenance=kept,
        key_id=key.public.id,
    )


def _record(position: int, fact: Fact) -> Outgoing:
    envelope = Envelope(
        id=uuid.uuid4(),
        owner=fact.fact_owner,
        type=fact.fact_type,
        subject="models/bench",
        time=datetime.now(UTC),
        correlation_id="bench",
        causation_id=None,
        actor="bench",
        stream_version=1,
        position=position,
        traceparent=None,
    )
    return Outgoing(envelope.topic, b"bench", envelope.headers(), fact.to_bytes())


def mlserver(
    peer: Peer, folder: Path, models: Sequence[Fitted], rows: NDArray[np.float32], stack: AsyncExitStack
) -> Side:
    """MLServer with its defaults, its one parallel worker among them, but for two that it is faster without.

    It does not log every request, and as under `pelton up` numerical libraries start no thread a core: for one row
    those cost more than they bring.
    """
    port = ports.free_block(3)
    doors = {"http_port": port, "grpc_port": port + 1, "metrics_port": port + 2}
    settings = {"host": "127.0.0.1", **doors, "metrics_dir": str(folder / "metrics"), "debug": False}
    (folder / "settings.json").write_text(json.dumps(settings))
    for model in models:
        own = folder / model.name
        own.mkdir()
        joblib.dump(model.estimator, own / "model.joblib")
        described = {
            "name": model.name,
            "implementation": "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": "./model.joblib"},
        }
        (own / "model-settings.json").write_text(json.dumps(described))
    program = Program(
        name="mlserver",
        ports=(port, port + 1, port + 2),
        argv=[peer.folder / "bin" / "mlserver", "start", folder],
        env={**peer.env, "OMP_NUM_THREADS": "1"},
        ready_urls=[f"http://127.0.0.1:{port}/v2/models/{model.name}/ready" for model in models],
    )
    running = local.start(program, folder / "mlserver.log", timeout=120)
    stack.callback(running.stop)

    def target(model: Fitted) -> Target:
        return Target(port, f"/v2/models/{model.name}/infer", [], bodies(rows, "predict_proba"), checked(model))

    return Side(target, [running.pid])


def rows_of(case: str, ours: Sequence[Measured], theirs: Sequence[Measured]) -> list[Row]:
    """What is claimed of a case, and what shows whether the client was the limit."""

    def both(of: Callable[[Measured], float]) -> tuple[list[float], list[float]]:
        return [of(one) for one in ours], [of(one) for one in theirs]

    return [
        Row.rate(f"{case}, requests", *_around(both(lambda one: one.rate))),
        Row.cost(f"{case}, p50", "ms", *_around(both(lambda one: one.p50_ms))),
        Row.cost(f"{case}, p99", "ms", *_around(both(lambda one: one.p99_ms))),
        Row.cost(
            f"{case}, processor time a request", "us", *_around(both(lambda one: one.server_cores / one.rate * 1e6))
        ),
    ]


def _around(values: tuple[list[float], list[float]]) -> tuple[list[float], str, list[float]]:
    return values[0], "MLServer", values[1]


async def main() -> None:
    """Both servers up at once, asked in turns."""
    peer = Peer(PEERS / "mlserver.txt")
    installed = peer.versions()
    if installed["scikit-learn"] != version("scikit-learn"):
        sys.exit(
            f"the peer has scikit-learn {installed['scikit-learn']} and the project {version('scikit-learn')}, so that "
            "they cannot score the same fitted model: set it in tests/peers/mlserver.txt"
        )
    rows = np.random.default_rng(2).normal(size=(ROWS, COLUMNS)).astype(np.float32)
    models = fit(rows)
    report: list[Row] = []
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pelton-bench-infer-")))
        (folder / "mlserver").mkdir()
        sides = (
            await pelton(folder / "pelton", models, rows, stack),
            mlserver(peer, folder / "mlserver", models, rows, stack),
        )
        for model in models:
            runs: tuple[list[Measured], list[Measured]] = ([], [])
            for _ in range(ROUNDS):
                for side, measured in zip(sides, runs, strict=True):
                    measured.append(await measure(side.target(model), side.cpu))
            case = f"{MODELS[model.name][0]}, {COLUMNS} floats, {CONNECTIONS} connections"
            report += rows_of(case, *runs)
            _say_who_was_busy(MODELS[model.name][0], runs)
    versions: Mapping[str, str] = {name: installed[name] for name in ("mlserver", "mlserver-sklearn")}
    save("infer", report, {**versions, **{name: version(name) for name in ("scikit-learn", "onnxruntime", "uvicorn")}})


def _say_who_was_busy(case: str, runs: tuple[list[Measured], list[Measured]]) -> None:
    for name, measured in zip(("Pelton", "MLServer"), runs, strict=True):
        server = max(one.server_cores for one in measured)
        generator = max(one.generator_cores for one in measured)
        print(f"{case}: {name} kept {server:.2f} of {os.cpu_count()} cores busy, the generator {generator:.2f}")


if __name__ == "__main__":
    uvloop.run(main())
