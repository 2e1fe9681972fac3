"""Predictions and label events of a small model for tests."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from pelton.contracts.definitions import (
    DegradationDefinition,
    DriftDefinition,
    InputDefinition,
    LabelDefinition,
    ModelDefinition,
    MonitorDefinition,
    PipelineDefinition,
    SourceDefinition,
    TrainingDefinition,
    TriggerDefinition,
)
from pelton.contracts.monitor import LabelJoin
from pelton.contracts.records import PredictionBatch
from pelton.contracts.values import Evaluation
from pelton.monitor import findings
from pelton.monitor.plan import Pinned, Plan
from pelton.monitor.rows import Located

HOUR = 3_600_000
EVALUATION = Evaluation(rows=5000, positives=1000, brier=0.1, brier_variance=0.02, log_loss=0.3, accuracy=0.85, auc=0.8)
JOIN = LabelJoin(
    definition=LabelDefinition(source="landings", value="delay > 15", delay="2h"), key="flight", event_time="at"
)
SOURCE = SourceDefinition(
    name="landings",
    json_schema={"properties": {"flight": {"type": "string"}, "delay": {"type": ["number", "null"]}}},
    event_time="at",
    key="flight",
)
MONITOR = MonitorDefinition(
    window="1h",
    min_rows=5,
    drift=DriftDefinition(consecutive=1),
    degradation=DegradationDefinition(consecutive=1, alpha=0.01),
)


def definition(name: str, source: str = "landings") -> ModelDefinition:
    """A model over two inputs in windows of an hour."""
    return ModelDefinition(
        name=name,
        source="departures",
        label=LabelDefinition(source=source, value="delay > 15", delay="2h"),
        inputs=InputDefinition(request=("a", "b")),
        pipeline=PipelineDefinition(entry="pipeline:make"),
        training=TrainingDefinition(history="30d", holdout="7d"),
        triggers=TriggerDefinition(first_after="30d", cooldown="1d", budget=3, budget_period="30d"),
        monitor=MONITOR,
    )


def plan(since: int = 0, versions: Sequence[int] = (1,), model: str = "flights") -> Plan:
    """A watched model whose inputs were standard normal."""
    random = np.random.default_rng(1)
    reference, _ = findings.pin({name: random.normal(size=5000) for name in ("a", "b")})
    pinned = {version: Pinned(version, 0.5, EVALUATION, reference, f"reference-{version}") for version in versions}
    return Plan(model, MONITOR, JOIN, since, since, pinned)


def batch(
    name: str,
    times: Sequence[int],
    *,
    model: str = "flights",
    champion: int = 1,
    shift: float = 0.0,
    probability: float = 0.1,
    revision: int = 1,
) -> PredictionBatch:
    """Rows with keys `<name>-<row>` and inputs that follow from the name."""
    random = np.random.default_rng(sum(map(ord, name)))
    inputs = {one: (random.normal(size=len(times)) + shift).astype(np.float32).tolist() for one in ("a", "b")}
    return PredictionBatch(
        id=name,
        model=model,
        revision=revision,
        mode="champion",
        champion=champion,
        challenger=None,
        weight=0.0,
        keys=[f"{name}-{row}" for row in range(len(times))],
        event_times=list(times),
        inputs=inputs,
        served=[champion] * len(times),
        outputs={str(champion): [probability] * len(times)},
        errors={},
        latency_us={str(champion): 100},
    )


def located(*batches: PredictionBatch) -> list[Located]:
    """Records at offsets 0, 1, …"""
    return [Located(offset, one) for offset, one in enumerate(batches)]


def landing(key: str, time: int, delay: float | None) -> bytes:
    """A label event: late when `delay` exceeds 15."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time)
    return json.dumps({"flight": key, "at": at.isoformat(), "delay": delay}).encode()
