"""What the trainer and the deployer report, and what people declare, for the tests."""

from datetime import UTC, datetime
from typing import Any, Literal

from pelton.contracts.canonical import sha256
from pelton.contracts.definitions import ModelDefinition
from pelton.contracts.deployer import Evidence, GuardrailBreached, Phase, RolloutAborted, RolloutSucceeded, StepSettings
from pelton.contracts.trainer import Candidate, TrainingCompleted
from pelton.contracts.values import Artifact, Environment, Evaluation, Window

MODEL = "late"
CODE_BYTES = b"code"
CODE = Artifact(digest=sha256(CODE_BYTES), size=4, format="code-bundle")
ENVIRONMENT = Environment(
    python="3.11.9", platform="linux", lock_digest=sha256(b"lock"), packages={"scikit-learn": "1.7"}, cpu_count=2
)
SPAN = Window(start=datetime(2013, 1, 1, tzinfo=UTC), end=datetime(2013, 2, 1, tzinfo=UTC))
HOLDOUT = Window(start=datetime(2013, 2, 1, tzinfo=UTC), end=datetime(2013, 2, 11, tzinfo=UTC))


def define(**changes: object) -> ModelDefinition:
    content: dict[str, Any] = {
        "name": MODEL,
        "source": "departures",
        "label": {"source": "landings", "value": "arr_delay > 15", "delay": "1d"},
        "inputs": {"request": ("distance",), "features": ("route:delay_mean_1d",)},
        "pipeline": {"entry": "pipeline:trees"},
        "training": {"history": "60d", "holdout": "10d"},
        "triggers": {"first_after": "59d", "cooldown": "7d", "budget": 3, "budget_period": "60d"},
        "gates": {"floors": {"auc": 0.6}, "ceilings": {"brier": 0.2}, "champion_margin": 0.01},
    }
    return ModelDefinition.model_validate(content | changes)


def person(**changes: object) -> ModelDefinition:
    return define(approval={"mode": "person"} | changes)


def evaluation(brier: float = 0.15, **changes: object) -> Evaluation:
    content = {
        "rows": 500,
        "positives": 100,
        "brier": brier,
        "brier_variance": 0.02,
        "log_loss": 0.45,
        "accuracy": 0.8,
        "auc": 0.7,
    }
    return Evaluation.model_validate(content | changes)


def trained(number: int, definition: ModelDefinition | None = None, **changes: object) -> TrainingCompleted:
    fields: dict[str, Any] = {
        "training_id": f"{MODEL}-{number}",
        "model": MODEL,
        "dataset": sha256(b"dataset %d" % number),
        "artifact": Artifact(digest=artifact(number), size=7, format="onnx"),
        "code": CODE.digest,
        "definition_digest": (definition or define()).digest,
        "views": {"route": sha256(b"route")},
        "candidates": (
            Candidate(parameters={"leaves": 7}, brier=0.2, folds=(0.2, 0.2)),
            Candidate(parameters={"leaves": 15, "layers": [10, 5]}, brier=0.15, folds=(0.1, 0.2)),
        ),
        "chosen": 1,
        "train_span": SPAN,
        "holdout_span": HOLDOUT,
        "evaluation": evaluation(),
        "champion_version": None,
        "champion_evaluation": None,
        "seed": 7,
        "environment": ENVIRONMENT,
        "duration_seconds": 1.5,
    }
    return TrainingCompleted(**(fields | changes))


def artifact(number: int) -> str:
    return sha256(b"model %d" % number)


def succeeded(version: int) -> RolloutSucceeded:
    return RolloutSucceeded(rollout_id=f"r{version}", model=MODEL, version=version, evidence=None)


def aborted(version: int, reason: Literal["worse", "superseded", "person"] = "worse") -> RolloutAborted:
    return RolloutAborted(rollout_id=f"r{version}", model=MODEL, version=version, reason=reason, evidence=None)


def breached(version: int, phase: Phase = "bake") -> GuardrailBreached:
    return GuardrailBreached(
        rollout_id=f"r{version}",
        model=MODEL,
        version=version,
        phase=phase,
        guardrail="worse",
        evidence=_evidence(version, phase),
    )


def _evidence(version: int, phase: Phase) -> Evidence:
    settings = StepSettings(
        model=MODEL,
        revision=3,
        phase=phase,
        step=0,
        kind="paired",
        champion=1,
        challenger=version,
        weight=1.0,
        centre=0.0,
        margin=0.005,
        alpha=0.05,
        max_error_rate=0.01,
        began="0",
    )
    return Evidence(
        settings=settings,
        rows=900,
        champion_loss=0.15,
        challenger_loss=0.2,
        log_e_no_worse=-4.0,
        log_e_worse=3.5,
        verdict="worse",
        answers=900,
        errors=0,
        log_e_errors=-1.0,
        breached=False,
        since=SPAN.start,
        until=SPAN.end,
        offsets=(),
    )
