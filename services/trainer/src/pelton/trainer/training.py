"""From a dataset to an evaluated artifact: search, fit, export, evaluate. Only a worker process does it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pelton.contracts.trainer import Candidate
from pelton.contracts.values import Evaluation, Window
from pelton.trainer import bundle, export, pipeline, splits
from pelton.trainer.dataset import Dataset, read_dataset
from pelton.trainer.evaluation import brier, evaluate
from pelton.trainer.evidence import gather
from pelton.trainer.orders import TrainingOrder, TrainingResult

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Search:
    """The candidates with their scores on time-ordered folds of the training rows."""

    entry: Any
    inputs: export.Matrix
    labels: NDArray[np.int64]
    seed: int

    def score(self, parameters: dict[str, Any], folds: list[tuple[int, slice]]) -> Candidate:
        scores = []
        for number, (known, rows) in enumerate(folds, start=1):
            splits.require_both_classes(self.labels[:known], f"fold {number}'s training part")
            estimator = self.fit(parameters, known)
            scores.append(brier(self.labels[rows], _probabilities(estimator, self.inputs[rows])))
        mean = float(f"{np.mean(scores):.12g}")
        return Candidate(parameters=parameters, brier=mean, folds=tuple(scores))

    def fit(self, parameters: dict[str, Any], rows: int) -> Any:  # noqa: ANN401 - scikit-learn is untyped
        np.random.seed(self.seed)  # noqa: NPY002 - for estimators that fall back on the global state
        estimator = pipeline.make_estimator(self.entry, parameters, self.seed)
        return estimator.fit(self.inputs[:rows], self.labels[:rows])


def train(order: TrainingOrder) -> TrainingResult:
    """Search, fit, export and evaluate; writes the artifact.

    Inputs are float32 throughout, so that trees part rows in training as they do in serving.

    Raises:
        ValueError: the dataset, the code or the fit cannot give a model; the message says why and what to do.
    """
    definition = order.definition
    names = definition.inputs.names
    dataset = read_dataset(order.dataset, names, definition.attributes)
    split = splits.split_holdout(dataset.times, definition)
    labels = dataset.labels[: split.train]
    splits.require_both_classes(labels, "the training part")
    search = _Search(_entry(order), dataset.matrix(names)[: split.train], labels, order.seed)

    folds = list(splits.split_folds(dataset.times[: split.train], definition.pipeline.folds, definition.label.delay))
    candidates = tuple(search.score(parameters, folds) for parameters in definition.pipeline.candidates)
    chosen = int(np.argmin([candidate.brier for candidate in candidates]))
    estimator = search.fit(candidates[chosen].parameters, split.train)

    artifact = export.to_onnx(estimator, names, _metadata(order))
    held = dataset.since(split.holdout)
    inputs = held.matrix(names)
    served = export.score(artifact, inputs)
    export.require_parity(served, _probabilities(estimator, inputs))
    evaluation = evaluate(held.labels, served, threshold=definition.threshold)
    champion, champion_skipped = _score_champion(order, held)
    order.output.write_bytes(artifact)
    return TrainingResult(
        candidates=candidates,
        chosen=chosen,
        train_span=Window(start=order.span.start, end=_moment(split.train_end)),
        holdout_span=Window(start=_moment(split.holdout_start), end=order.span.end),
        evaluation=evaluation,
        champion_evaluation=_evaluate_champion(order, held, champion),
        champion_skipped=champion_skipped,
        evidence=gather(order, held, evaluation, artifact, served, champion),
    )


def _entry(order: TrainingOrder) -> Any:  # noqa: ANN401 - the user's function
    folder = order.code.with_suffix(".unpacked")
    bundle.unpack(order.code.read_bytes(), folder)
    return pipeline.load_entry(folder, order.definition.pipeline)


def _metadata(order: TrainingOrder) -> dict[str, str]:
    return {
        "pelton.model": order.definition.name,
        "pelton.dataset": order.dataset_digest,
        "pelton.code": order.code_digest,
        "pelton.definition": order.definition.digest,
        "pelton.seed": str(order.seed),
    }


def _score_champion(order: TrainingOrder, held: Dataset) -> tuple[NDArray[np.float64] | None, str | None]:
    """The champion's probabilities of the held-out rows, or why there are none."""
    if order.champion is None:
        return None, None
    version = order.champion.version
    missing = [name for name in version.inputs if name not in held.columns]
    if missing:
        return None, f"the dataset lacks {', '.join(missing)}, which version {version.version} needs"
    now = order.views | order.transformations
    changed = [
        name for name, digest in sorted((version.views | version.transformations).items()) if now.get(name) != digest
    ]
    if changed:
        return None, f"{', '.join(changed)} have changed since version {version.version} was trained"
    return export.score(order.champion.path.read_bytes(), held.matrix(version.inputs)), None


def _evaluate_champion(
    order: TrainingOrder, held: Dataset, probabilities: NDArray[np.float64] | None
) -> Evaluation | None:
    if order.champion is None or probabilities is None:
        return None
    return evaluate(held.labels, probabilities, threshold=order.champion.version.threshold)


def _probabilities(estimator: Any, inputs: export.Matrix) -> NDArray[np.float64]:  # noqa: ANN401 - scikit-learn is untyped
    return np.asarray(estimator.predict_proba(inputs)[:, 1], dtype=np.float64)


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
