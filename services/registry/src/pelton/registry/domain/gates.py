"""What a version must show before it may be staged."""

from collections.abc import Iterator, Mapping
from typing import Final

from pelton.contracts.definitions import GateDefinition
from pelton.contracts.registry import Gate
from pelton.contracts.trainer import TrainingCompleted
from pelton.contracts.values import Artifact, Evaluation
from pelton.registry.domain.evidence_gates import Shown, ceiling, floor, judge_evidence
from pelton.registry.domain.refusals import InvalidDefinition

FLOOR_METRICS: Final = ("accuracy", "auc")
CEILING_METRICS: Final = ("brier", "log_loss")
SAFE: Final = ("onnx",)
SIGNIFICANT_DIGITS: Final = 12


def check_gates(definition: GateDefinition) -> None:
    """Let gates pass that some evaluation can meet.

    Raises:
        InvalidDefinition: a metric is unknown or stands on the wrong side.
    """
    for side, limits, known in (
        ("floors", definition.floors, FLOOR_METRICS),
        ("ceilings", definition.ceilings, CEILING_METRICS),
    ):
        for metric in limits:
            if metric not in known:
                raise InvalidDefinition(
                    f"definition.gates.{side}.{metric}", f"{metric!r} is no metric of {side}; use {' or '.join(known)}"
                )


def judge(
    definition: GateDefinition,
    training: TrainingCompleted,
    champion: int | None,
    inputs: tuple[str, ...] = (),
    served_inputs: tuple[str, ...] | None = None,
) -> tuple[Gate, ...]:
    """Every gate with its verdict, in a fixed order: floors, ceilings, the champion, then those on evidence.

    `champion` is the version in production now, and `served_inputs` what its callers send; `inputs` are what those of
    the challenger would have to. The challenger is compared with the champion that the training evaluated on the same
    held-out rows; where there was none to compare with, the margin says so and passes, as the rollout is still to
    come, and the test, which asks for proof, does not.
    """
    scores = _scores(training.evaluation)
    shown = Shown(
        metrics={},
        evidence=training.evidence,
        inputs=inputs,
        unsafe_files=unsafe_formats(training.artifact),
        champion=training.champion_version,
        served=champion,
        served_inputs=served_inputs,
        how=training.champion_skipped or "train with a trainer that measures it (`evaluation` in pelton.yaml)",
    )
    gates = [
        floor(metric, scores[metric], limit, _undefined(metric)) for metric, limit in sorted(definition.floors.items())
    ]
    gates += [
        ceiling(metric, scores[metric], limit, _undefined(metric))
        for metric, limit in sorted(definition.ceilings.items())
    ]
    if definition.champion_margin is not None:
        gates.append(_champion(definition.champion_margin, training, champion))
    return (*gates, *judge_evidence(definition, shown))


def unsafe_formats(artifact: Artifact) -> tuple[str, ...]:
    """What of a trained artifact could run code when it is loaded: itself, or nothing."""
    return () if artifact.format in SAFE else (f"the artifact is {artifact.format} ({artifact.digest})",)


def scores_of(evaluation: Evaluation) -> Mapping[str, float]:
    """The metrics of an evaluation that have a value, for the record of the run."""
    return dict(_present(evaluation))


def _present(evaluation: Evaluation) -> Iterator[tuple[str, float]]:
    for name, value in {**_scores(evaluation), "rows": evaluation.rows, "positives": evaluation.positives}.items():
        if value is not None:
            yield name, float(value)


def _scores(evaluation: Evaluation) -> dict[str, float | None]:
    return {
        "accuracy": evaluation.accuracy,
        "auc": evaluation.auc,
        "brier": evaluation.brier,
        "log_loss": evaluation.log_loss,
    }


def _champion(margin: float, training: TrainingCompleted, champion: int | None) -> Gate:
    theirs = training.champion_evaluation
    if theirs is None or training.champion_version is None:
        return Gate(
            name="champion_margin", passed=True, value=None, limit=margin, reason=_not_compared(training, champion)
        )
    ours = training.evaluation
    if (theirs.rows, theirs.positives) != (ours.rows, ours.positives):
        reason = (
            f"v{training.champion_version} was evaluated on {theirs.rows} rows ({theirs.positives} positive), and the "
            f"challenger on {ours.rows} ({ours.positives} positive): these are not the same rows"
        )
        return Gate(name="champion_margin", passed=False, value=None, limit=margin, reason=reason)
    excess = _rounded(ours.brier - theirs.brier)
    passed = excess <= margin
    reason = (
        f"brier {ours.brier:.6g} against {theirs.brier:.6g} of v{training.champion_version} on the same rows: "
        f"higher by {excess:.6g}, {'within' if passed else 'over'} the margin {margin:.6g}"
    )
    if champion != training.champion_version:
        reason += f" (v{training.champion_version} was the champion when this was trained)"
    return Gate(name="champion_margin", passed=passed, value=excess, limit=margin, reason=reason)


def _not_compared(training: TrainingCompleted, champion: int | None) -> str:
    if training.champion_version is not None:
        why = training.champion_skipped or "the training did not evaluate it"
        return f"not compared with v{training.champion_version}: {why}; the rollout compares them on live rows"
    if champion is not None:
        return f"there was no champion when this was trained; the rollout compares it with v{champion} on live rows"
    return "there is no champion to compare with"


def _undefined(metric: str) -> str:
    return f"{metric} has no value on the held-out rows: they are all of one class"


def _rounded(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
