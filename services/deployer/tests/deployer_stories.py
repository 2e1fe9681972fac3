"""Versions, plans, evidence and records for the tests."""

from collections.abc import Iterable, Sequence
from typing import Any

from pelton.contracts.canonical import sha256
from pelton.contracts.definitions import RolloutDefinition
from pelton.contracts.deployer import Evidence, ModelDeployed, StepSettings, TrafficShifted, Verdict
from pelton.contracts.fact import Fact
from pelton.contracts.records import OutcomeBatch, PredictionBatch
from pelton.contracts.values import Artifact, Evaluation, ModelVersion
from pelton.deployer.domain.decisions import step_settings
from pelton.deployer.domain.rollout import Rollout

MODEL = "late"
PLAN = RolloutDefinition(steps=(0.2, 0.5), patience="10d", bake="2d", margin=0.02, canary_margin=0.1)
DAY = 86_400_000
START = 1_356_998_400_000  # 2013-01-01 in UTC


def version(number: int, model: str = MODEL) -> ModelVersion:
    return ModelVersion(
        model=model,
        version=number,
        training_id=f"{model}-{number}",
        artifact=Artifact(digest=sha256(b"model %d" % number), size=7, format="onnx"),
        request=("distance",),
        features=(),
        views={},
        threshold=0.5,
        dataset=sha256(b"dataset %d" % number),
        evaluation=Evaluation(
            rows=500, positives=100, brier=0.15, brier_variance=0.02, log_loss=0.45, accuracy=0.8, auc=0.7
        ),
    )


def told(rollout: Rollout, facts: Iterable[Fact]) -> Rollout:
    for fact in facts:
        rollout = rollout.evolve(fact)
    return rollout


def champion_alone(number: int = 1, model: str = MODEL) -> Rollout:
    """A model whose version `number` answers alone, at revision 1."""
    shifted = TrafficShifted(
        model=model, revision=1, mode="champion", champion=version(number, model), challenger=None, weight=0.0, salt="r"
    )
    deployed = ModelDeployed(model=model, version=number, revision=1)
    return told(Rollout.initial(model), [shifted, deployed])


def shown(rollout: Rollout, verdict: Verdict = "inconclusive", **changes: object) -> Evidence:
    """Evidence of the present step's test."""
    settings = step_settings(rollout, "began")
    assert settings is not None
    return evidence(settings, verdict=verdict, **changes)


def evidence(settings: StepSettings, **changes: object) -> Evidence:
    fields: dict[str, Any] = {
        "settings": settings,
        "rows": 900,
        "champion_loss": 0.15,
        "challenger_loss": 0.2,
        "log_e_no_worse": 0.0,
        "log_e_worse": 0.0,
        "verdict": "inconclusive",
        "answers": 900,
        "errors": 0,
        "log_e_errors": 0.0,
        "breached": False,
        "since": None,
        "until": None,
        "offsets": (),
    }
    return Evidence(**(fields | changes))


def words(facts: Sequence[Fact]) -> list[str]:
    """What the facts are, with what tells one decision from another."""
    told_apart = ("mode", "reason", "guardrail", "step")
    return [
        " ".join([type(fact).__name__, *(str(getattr(fact, name)) for name in told_apart if hasattr(fact, name))])
        for fact in facts
    ]


def outcomes(revision: int, rows: int, *, day: int = 0, chunk: int = 0, **changes: object) -> OutcomeBatch:
    """A day of labelled rows of champion 1, always nearly right, and challenger 2, the same unless changed."""
    labels = [row % 2 for row in range(rows)]
    right = [0.9 if label else 0.1 for label in labels]
    fields: dict[str, Any] = {
        "model": MODEL,
        "revision": revision,
        "mode": "shadow",
        "champion": 1,
        "challenger": 2,
        "weight": 0.0,
        "window_start": START + day * DAY,
        "window_end": START + (day + 1) * DAY,
        "chunk": chunk,
        "keys": [f"d{day}c{chunk}k{row}" for row in range(rows)],
        "event_times": [START + day * DAY] * rows,
        "labels": labels,
        "served": [1] * rows,
        "outputs": {"1": list(right), "2": list(right)},
        "unlabelled": 0,
    }
    return OutcomeBatch(**(fields | changes))


def wrong(rows: int) -> list[float]:
    """Outputs that are as wrong as those of `outcomes` are right."""
    return [0.1 if row % 2 else 0.9 for row in range(rows)]


def predictions(revision: int, rows: int, errors: int = 0, **changes: object) -> PredictionBatch:
    fields: dict[str, Any] = {
        "id": "request",
        "model": MODEL,
        "revision": revision,
        "mode": "shadow",
        "champion": 1,
        "challenger": 2,
        "weight": 0.0,
        "keys": [f"k{row}" for row in range(rows)],
        "event_times": [START] * rows,
        "inputs": {"distance": [1.0] * rows},
        "served": [1] * rows,
        "outputs": {"1": [0.5] * rows},
        "errors": {"2": errors} if errors else {},
        "latency_us": {},
    }
    return PredictionBatch(**(fields | changes))
