"""The scores against scikit-learn's own, and at the edges where it has none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

from pelton.contracts.canonical import sha256
from pelton.trainer.evaluation import UnfitScoresError, auc, compare, evaluate

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


def test_two_versions_are_compared_by_row_as_a_paired_t_test_does() -> None:
    rng = np.random.default_rng(2)
    y, ours, theirs = rng.integers(0, 2, 400), rng.random(400), rng.random(400)
    found = compare(y, ours, theirs, against=3, dataset=sha256(b"rows"))
    assert (found.against, found.dataset, found.loss, found.rows) == (3, sha256(b"rows"), "brier", 400)
    expected = ttest_rel((ours - y) ** 2, (theirs - y) ** 2)
    assert found.mean / np.sqrt(found.variance / found.rows) == pytest.approx(expected.statistic)
    assert found.mean == pytest.approx(brier_score_loss(y, ours) - brier_score_loss(y, theirs))


def test_versions_that_answer_alike_do_not_differ_at_all() -> None:
    y, p = np.array([0, 1, 1]), np.array([0.2, 0.7, 0.9])
    same = compare(y, p, p, against=1, dataset=sha256(b"rows"))
    assert (same.mean, same.variance) == (0, 0)


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
