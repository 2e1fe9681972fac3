"""The scores against scikit-learn's own, and at the edges where it has none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

from pelton.trainer.evaluation import UnfitScoresError, auc, evaluate

ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.one_of(st.floats(0.001, 0.999), st.sampled_from([0.25, 0.5, 0.75]))),
    min_size=2,
    max_size=200,
)


@given(ROWS, st.sampled_from([0.25, 0.5, 0.75]))
def test_scores_are_those_of_scikit_learn(rows: list[tuple[int, float]], threshold: float) -> None:
    y = np.array([label for label, _ in rows])
    p = np.array([probability for _, probability in rows])
    scores = evaluate(y, p, threshold=threshold)

    assert (scores.rows, scores.positives) == (len(rows), int(y.sum()))
    assert scores.brier == pytest.approx(brier_score_loss(y, p, pos_label=1), rel=1e-10)
    assert scores.brier_variance == pytest.approx(np.var((p - y) ** 2, ddof=1), rel=1e-9, abs=1e-15)
    assert scores.log_loss == pytest.approx(log_loss(y, p, labels=[0, 1]), rel=1e-10)
    assert scores.accuracy == pytest.approx(accuracy_score(y, p >= threshold))
    if 0 < y.sum() < len(y):
        assert scores.auc == pytest.approx(roc_auc_score(y, p), rel=1e-10, abs=1e-12)
    else:
        assert scores.auc is None


def test_a_sure_and_wrong_answer_is_not_an_infinite_loss() -> None:
    assert evaluate(np.array([1, 0]), np.array([0.0, 0.0]), threshold=0.5).log_loss == pytest.approx(25 * np.log(2))


def test_all_probabilities_alike_tell_nothing() -> None:
    assert auc(np.array([0, 1, 1]), np.array([0.3, 0.3, 0.3])) == 0.5


@pytest.mark.parametrize(
    ("labels", "probabilities", "why"),
    [
        ([0, 2], [0.1, 0.2], r"labels\[1\] is 2"),
        ([0, 1], [0.1, 1.2], r"probabilities\[1\] is 1.2"),
        ([0, 1], [0.1, float("nan")], r"probabilities\[1\] is nan"),
        ([0], [0.1], "at least 2"),
        ([0, 1], [0.1], "one of each a row"),
    ],
)
def test_what_cannot_be_scored_says_where(labels: list[int], probabilities: list[float], why: str) -> None:
    with pytest.raises(UnfitScoresError, match=why):
        evaluate(np.array(labels), np.array(probabilities), threshold=0.5)
