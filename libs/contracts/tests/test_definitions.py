"""What a user may declare, and what is refused with which words."""

import math
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pelton.contracts.canonical import canonical_json
from pelton.contracts.definitions import (
    DegradationDefinition,
    DriftDefinition,
    EvaluationDefinition,
    FeatureViewDefinition,
    GateDefinition,
    InputDefinition,
    LabelDefinition,
    ModelDefinition,
    MonitorDefinition,
    PipelineDefinition,
    RolloutDefinition,
    SourceDefinition,
    TrainingDefinition,
    TriggerDefinition,
    seconds,
)
from pelton.contracts.fact import Value

SOURCE: dict[str, Any] = {"name": "s", "json_schema": {}, "event_time": "at", "key": "id"}
AGGREGATE: dict[str, Any] = {"name": "n", "function": "mean", "value": "x", "windows": ["3h"]}
VIEW: dict[str, Any] = {"name": "v", "source": "s", "entity": "e", "aggregates": [AGGREGATE]}
TRIGGERS: dict[str, Any] = {"first_after": "30d", "cooldown": "1d", "budget": 3, "budget_period": "30d"}
MODEL: dict[str, Any] = {
    "name": "m",
    "source": "s",
    "label": {"source": "s", "value": "x > 1", "delay": "1d"},
    "inputs": {"request": ["x"], "features": ["v:n_3h"]},
    "pipeline": {"entry": "pipeline:build"},
    "training": {"history": "30d", "holdout": "7d"},
    "triggers": TRIGGERS,
}

REFUSED: list[tuple[type[Value], Mapping[str, Any], Mapping[str, Any], str]] = [
    # Names become topics, paths and columns.
    *[
        (SourceDefinition, SOURCE, {"name": name}, "name")
        for name in ("", "..", "a/b", "a.b", "A", "-a", "a b", "a\n", "a" * 64, "\u00fc")
    ],
    (SourceDefinition, SOURCE, {"event_time": ""}, "event_time"),
    (SourceDefinition, SOURCE, {"key": ""}, "key"),
    (SourceDefinition, SOURCE, {"lateness": "0s"}, "lateness"),
    (SourceDefinition, SOURCE, {"max_age": "1w"}, "max_age"),
    (SourceDefinition, SOURCE, {"max_age": "36501d"}, "a hundred years"),
    (SourceDefinition, SOURCE, {"max_age": "9" * 5000 + "d"}, "max_age"),
    (SourceDefinition, SOURCE, {"json_schema": {"maximum": math.inf}}, "maximum is inf, which JSON cannot say"),
    (SourceDefinition, SOURCE, {"json_schema": {"enum": [1, math.nan]}}, r"enum\[1\] is nan"),
    (SourceDefinition, SOURCE, {"json_schema": {"enum": {1: 2}}}, "enum has the key 1, which is no text"),
    (SourceDefinition, SOURCE, {"json_schema": {"const": "\ud800"}}, "const has half of a surrogate pair"),
    (SourceDefinition, SOURCE, {"json_schema": {"const": date(2013, 1, 1)}}, "const is a date"),
    (SourceDefinition, SOURCE, {"colour": "red"}, "colour"),
    (FeatureViewDefinition, VIEW, {"entity": ""}, "entity"),
    (FeatureViewDefinition, VIEW, {"aggregates": []}, "aggregates"),
    (FeatureViewDefinition, VIEW, {"tile": "0h"}, "tile"),
    (FeatureViewDefinition, VIEW, {"resolution": "2h", "tile": "2h"}, "window 3h of 'n' is not a multiple of"),
    (FeatureViewDefinition, VIEW, {"resolution": "7m"}, "the tile 1h is not a multiple"),
    (FeatureViewDefinition, VIEW, {"sensitive": ["x"]}, "`sensitive` names x"),
    (FeatureViewDefinition, VIEW, {"keys": ["a", "a"]}, "twice"),
    (FeatureViewDefinition, VIEW, {"aggregates": [AGGREGATE, AGGREGATE]}, "same name: n_3h"),
    *[
        (FeatureViewDefinition, VIEW, {"aggregates": [AGGREGATE | changes]}, fault)
        for changes, fault in (
            ({"windows": []}, "windows"),
            ({"windows": ["0h"]}, "windows"),
            ({"windows": ["-1h"]}, "windows"),
            ({"windows": ["3h", "3h"]}, "same name: n_3h"),
            ({"value": None}, "needs a `value`"),
            ({"value": " "}, "value"),
            ({"where": ""}, "where"),
            ({"where": "x" * 2001}, "where"),
            ({"name": "N"}, "name"),
            ({"name": "n-1"}, "name"),
            ({"name": "n" * 64}, "name"),
        )
    ],
    (LabelDefinition, MODEL["label"], {"value": ""}, "value"),
    (LabelDefinition, MODEL["label"], {"delay": "0d"}, "delay"),
    (InputDefinition, {}, {}, "needs an input"),
    (InputDefinition, {}, {"request": ["x", "x"]}, "same name: x"),
    (InputDefinition, {}, {"request": [""]}, "request"),
    (InputDefinition, {}, {"request": ["v__n_3h"], "features": ["v:n_3h"]}, "same name: v__n_3h"),
    (InputDefinition, {}, {"features": ["a__b:c_3h", "a:b__c_3h"]}, "same name"),
    (InputDefinition, {}, {"request": ["label"]}, "label cannot be an input"),
    (InputDefinition, {}, {"request": ["x", "key", "event_time"]}, "event_time, key cannot be an input"),
    (InputDefinition, {}, {"features": ["../v:n_3h"]}, "features"),
    (InputDefinition, {}, {"features": ["v:"]}, "features"),
    (PipelineDefinition, MODEL["pipeline"], {"entry": "os.path:join"}, "entry"),
    (PipelineDefinition, MODEL["pipeline"], {"candidates": []}, "candidates"),
    (PipelineDefinition, MODEL["pipeline"], {"candidates": [{"a": 1, "b": 2}, {"b": 2, "a": 1}]}, "same parameters"),
    (PipelineDefinition, MODEL["pipeline"], {"candidates": [{"a": math.nan}]}, "a is nan"),
    (PipelineDefinition, MODEL["pipeline"], {"folds": 1}, "folds"),
    (PipelineDefinition, MODEL["pipeline"], {"seed": -1}, "seed"),
    (PipelineDefinition, MODEL["pipeline"], {"seed": 2**31}, "seed"),
    (TrainingDefinition, MODEL["training"], {"min_rows": 0}, "min_rows"),
    (TriggerDefinition, TRIGGERS, {"budget": 0}, "budget"),
    (TriggerDefinition, TRIGGERS, {"cooldown": "0d"}, "cooldown"),
    (TriggerDefinition, TRIGGERS, {"schedule": "daily"}, "schedule"),
    *[
        (GateDefinition, {}, changes, fault)
        for changes, fault in (
            ({"floors": {"auc": 1.0}}, "auc"),
            ({"floors": {"auc": -0.1}}, "auc"),
            ({"floors": {"auc": math.nan}}, "auc"),
            ({"ceilings": {"brier": 0.0}}, "brier"),
            ({"ceilings": {"log_loss": math.inf}}, "log_loss"),
            ({"champion_margin": math.nan}, "champion_margin"),
            ({"champion_margin": -1.0}, "champion_margin"),
        )
    ],
    *[
        (RolloutDefinition, {}, {field: bad}, field)
        for field in ("alpha", "margin", "canary_margin", "max_error_rate")
        for bad in (0.0, 1.0, -0.1, 1.1, math.nan)
    ],
    (RolloutDefinition, {}, {"steps": [0.0, 0.5]}, "greater than 0"),
    (RolloutDefinition, {}, {"steps": [0.5, 1.0]}, "less than 1"),
    (RolloutDefinition, {}, {"steps": [0.5, 0.1]}, "step 0.1 after 0.5: each step gives the challenger more"),
    (RolloutDefinition, {}, {"steps": [0.5, 0.5]}, "step 0.5 after 0.5"),
    (RolloutDefinition, {}, {"patience": "0d"}, "patience"),
    (RolloutDefinition, {}, {"bake": "0d"}, "bake"),
    *[(DriftDefinition, {}, {"q": bad}, "q") for bad in (0.0, 1.0, math.nan)],
    *[(DriftDefinition, {}, {"floor": bad}, "floor") for bad in (0.0, -1.0, math.inf)],
    *[(DriftDefinition, {}, {"share": bad}, "share") for bad in (-0.1, 1.1, math.nan)],
    (DriftDefinition, {}, {"consecutive": 0}, "consecutive"),
    *[(DegradationDefinition, {}, {"alpha": bad}, "alpha") for bad in (0.0, 1.0)],
    *[(DegradationDefinition, {}, {"floor": bad}, "floor") for bad in (0.0, 1.0)],
    (DegradationDefinition, {}, {"consecutive": 0}, "consecutive"),
    (MonitorDefinition, {}, {"window": "0d"}, "window"),
    (MonitorDefinition, {}, {"min_rows": 0}, "min_rows"),
    (EvaluationDefinition, {}, {"segments": ["x", "y", "x"]}, "segments names x twice"),
    (EvaluationDefinition, {}, {"fairness": ["label"]}, "fairness cannot name label: that is a column of every"),
    (EvaluationDefinition, {}, {"fairness": [""]}, "fairness"),
    (EvaluationDefinition, {}, {"min_group_rows": 1}, "min_group_rows"),
    *[(ModelDefinition, MODEL, {"threshold": bad}, "threshold") for bad in (0.0, 1.0, math.nan)],
    (ModelDefinition, MODEL, {"training": {"history": "8d", "holdout": "7d"}}, "leaves no row to train on"),
    (ModelDefinition, MODEL, {"triggers": TRIGGERS | {"first_after": "7d"}}, "leaves the first training no row"),
]


@pytest.mark.parametrize(("kind", "good", "changes", "fault"), REFUSED)
def test_a_definition_that_cannot_work_is_refused_by_its_field(
    kind: type[Value], good: Mapping[str, Any], changes: Mapping[str, Any], fault: str
) -> None:
    with pytest.raises(ValidationError, match=fault):
        kind.model_validate({**good, **changes})


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (SourceDefinition, SOURCE | {"json_schema": {"enum": [1, None, True, 0.5, "\u00fc", {"a": []}]}}),
        (FeatureViewDefinition, VIEW),
        (ModelDefinition, MODEL),
        (RolloutDefinition, {"steps": []}),  # shadow alone
        (GateDefinition, {"champion_margin": -0.01}),  # better than the champion
        (DriftDefinition, {"share": 0}),  # one input is enough
        (PipelineDefinition, {"entry": "p:build", "candidates": [{"layers": (10, 5)}, {"layers": [10]}]}),
    ],
)
def test_what_makes_sense_is_let_in(kind: type[Value], content: Mapping[str, Any]) -> None:
    assert kind.model_validate_json(canonical_json(kind.model_validate(content))) is not None


@given(st.integers(1, 10**11), st.sampled_from("smhd"))
def test_a_duration_is_let_in_up_to_a_hundred_years(number: int, unit: str) -> None:
    text = f"{number}{unit}"
    content = SOURCE | {"lateness": text}
    if seconds(text) <= seconds("36500d"):
        assert SourceDefinition.model_validate(content).lateness == text
    else:
        with pytest.raises(ValidationError, match="lateness"):
            SourceDefinition.model_validate(content)


def test_every_definition_refuses_a_field_it_does_not_know() -> None:
    for kind, good in ((SourceDefinition, SOURCE), (FeatureViewDefinition, VIEW), (ModelDefinition, MODEL)):
        with pytest.raises(ValidationError, match="added"):
            kind.model_validate({**good, "added": 1})


def test_a_dataset_carries_the_attributes_that_are_no_inputs_each_once() -> None:
    evaluation = {"segments": ["x", "region"], "fairness": ["region", "v__n_3h", "age"]}
    assert ModelDefinition.model_validate(MODEL | {"evaluation": evaluation}).attributes == ("region", "age")


def test_a_definition_that_asks_for_no_groups_has_the_digest_that_it_had_before_they_could_be_asked_for() -> None:
    plain = ModelDefinition.model_validate(MODEL)
    assert b"evaluation" not in canonical_json(plain)
    asked = ModelDefinition.model_validate(MODEL | {"evaluation": {"segments": ["x"]}})
    assert ModelDefinition.model_validate_json(canonical_json(asked)) == asked
    assert asked.digest != plain.digest
