"""Scores by group and fairness, against an implementation that knows nothing of arrays or of fairlearn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pelton.contracts.evidence import Fairness, GroupScores, Segment
from pelton.trainer.evaluation import evaluate
from pelton.trainer.groups import group
from pelton.trainer.segments import Scored, fairness, segment

Row = tuple[str, int, float]
ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 1), st.floats(0, 1)), min_size=1, max_size=120)
THRESHOLD = 0.4
LEAST = 5


def measured(rows: list[Row]) -> tuple[Segment, Fairness]:
    grouping = group(np.array([name for name, _, _ in rows], dtype=object))
    labels, probabilities = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    scored = Scored(labels, probabilities, THRESHOLD)
    shown = segment("letter", grouping, scored, min_rows=LEAST)
    return shown, fairness(grouping, scored, shown, min_rows=LEAST)


def rate(outcomes: list[bool]) -> float | None:
    return sum(outcomes) / len(outcomes) if outcomes else None


def spread(rates: list[float | None]) -> float | None:
    found = [one for one in rates if one is not None]
    return max(found) - min(found) if len(found) == len(rates) else None


def plain_fairness(rows: list[Row]) -> dict[str, float]:
    """Hardt et al. (2016) and Dwork et al. (2012), counted by hand."""
    groups = [[row for row in rows if row[0] == name] for name in sorted({row[0] for row in rows})]
    groups = [members for members in groups if len(members) >= LEAST]
    if len(groups) < 2:
        return {}
    chosen = [rate([p >= THRESHOLD for _, _, p in members]) or 0.0 for members in groups]
    hits = [rate([p >= THRESHOLD for _, label, p in members if label]) for members in groups]
    alarms = [rate([p >= THRESHOLD for _, label, p in members if not label]) for members in groups]
    opportunity, false_alarms = spread(hits), spread(alarms)
    found = {
        "demographic_parity_difference": max(chosen) - min(chosen),
        "demographic_parity_ratio": min(chosen) / max(chosen) if max(chosen) else None,
        "equal_opportunity_difference": opportunity,
        "equalized_odds_difference": (
            max(opportunity, false_alarms) if opportunity is not None and false_alarms is not None else None
        ),
    }
    return {name: value for name, value in found.items() if value is not None}


@given(ROWS)
def test_fairness_is_what_counting_by_hand_gives_and_what_is_undefined_says_why(rows: list[Row]) -> None:
    _, found = measured(rows)
    assert found.measures == pytest.approx(plain_fairness(rows), abs=1e-11)
    assert set(found.measures) | set(found.undefined) == {
        "demographic_parity_difference",
        "demographic_parity_ratio",
        "equal_opportunity_difference",
        "equalized_odds_difference",
    }
    assert not set(found.measures) & set(found.undefined)


@given(ROWS)
def test_a_group_is_scored_as_if_its_rows_were_all_there_is_and_a_small_one_is_only_counted(rows: list[Row]) -> None:
    shown, _ = measured(rows)
    assert [one.group for one in shown.groups] == sorted({row[0] for row in rows})
    for one in shown.groups:
        members = [row for row in rows if row[0] == one.group]
        labels = np.array([label for _, label, _ in members])
        assert (one.rows, one.positives) == (len(members), int(labels.sum()))
        assert one.selected == pytest.approx(rate([p >= THRESHOLD for _, _, p in members]))
        if one.rows < LEAST:
            assert one.metrics == {}
            continue
        scores = evaluate(labels, np.array([p for _, _, p in members]), threshold=THRESHOLD)
        rates = {
            "true_positive_rate": rate([p >= THRESHOLD for _, label, p in members if label]),
            "false_positive_rate": rate([p >= THRESHOLD for _, label, p in members if not label]),
        }
        expected = {"accuracy": scores.accuracy, "auc": scores.auc, "brier": scores.brier, "log_loss": scores.log_loss}
        expected |= rates
        assert one.metrics == pytest.approx({name: value for name, value in expected.items() if value is not None})


def test_why_a_measure_is_undefined_is_said_in_words() -> None:
    few = [("a", 1, 0.9)] * LEAST + [("b", 0, 0.9)] * (LEAST - 1)
    assert set(measured(few)[1].undefined.values()) == {"fewer than two groups have 5 rows (evaluation.min_group_rows)"}
    one_sided = [("a", 1, 0.1)] * LEAST + [("b", 0, 0.1)] * LEAST
    assert measured(one_sided)[1] == Fairness(
        attribute="letter",
        measures={"demographic_parity_difference": 0.0},
        undefined={
            "demographic_parity_ratio": "no row of any group is predicted positive",
            "equalized_odds_difference": "no positive row in b",
            "equal_opportunity_difference": "no positive row in b",
        },
    )
    no_negatives = [("a", 1, 0.1), ("a", 0, 0.9)] * LEAST + [("b", 1, 0.9)] * LEAST
    assert measured(no_negatives)[1].undefined == {"equalized_odds_difference": "no negative row in b"}


def test_a_group_of_one_class_has_no_rate_of_the_other() -> None:
    (alone,) = measured([("a", 1, 0.9)] * LEAST)[0].groups
    assert isinstance(alone, GroupScores)
    assert alone.metrics["true_positive_rate"] == 1
    assert "false_positive_rate" not in alone.metrics
    assert "auc" not in alone.metrics
