"""The artifact answers as the fitted estimator does, also where float32 values lie next to one another."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from pelton.trainer.export import ExportError, require_parity, score, to_onnx


def neighbours(rows: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Inputs whose sixteen values are neighbouring float32 numbers: the middle of two is often rounded to one."""
    rng = np.random.default_rng(5)
    steps = np.float32(1000) + np.arange(16, dtype=np.float32) * np.spacing(np.float32(1000))
    inputs = np.column_stack([rng.choice(steps, rows), rng.normal(size=rows)]).astype(np.float32)
    labels = (np.searchsorted(steps, inputs[:, 0]) / 16 + 0.2 * inputs[:, 1] + rng.normal(0, 0.1, rows) > 0.5).astype(
        int
    )
    return inputs, labels


@pytest.mark.parametrize(
    "estimator",
    [
        HistGradientBoostingClassifier(max_iter=20),
        make_pipeline(SimpleImputer(), HistGradientBoostingClassifier(max_iter=20)),
        CalibratedClassifierCV(HistGradientBoostingClassifier(max_iter=10), cv=2, ensemble=False),
        DecisionTreeClassifier(max_depth=6),
        RandomForestClassifier(10, max_depth=6, random_state=0),
        ExtraTreesClassifier(10, max_depth=6, random_state=0),
        GradientBoostingClassifier(n_estimators=10, random_state=0),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ],
    ids=lambda estimator: type(estimator[-1] if hasattr(estimator, "steps") else estimator).__name__,
)
def test_neighbouring_values_stay_on_their_side(estimator: BaseEstimator) -> None:
    inputs, labels = neighbours()
    estimator.fit(inputs, labels)
    artifact = to_onnx(estimator, ("near", "noise"), {})
    require_parity(score(artifact, inputs), estimator.predict_proba(inputs)[:, 1])
    assert to_onnx(estimator, ("near", "noise"), {}) == artifact


def test_an_artifact_that_answers_otherwise_is_refused_with_the_row() -> None:
    with pytest.raises(ExportError, match=r"differ by 0.2 on held-out row 1 .* 1 rows by more than 0.0001"):
        require_parity(np.array([0.5, 0.7]), np.array([0.50001, 0.9]))
    with pytest.raises(ExportError):
        require_parity(np.array([0.5, np.nan]), np.array([0.5, 0.9]))
