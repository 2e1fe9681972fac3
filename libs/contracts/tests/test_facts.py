"""The wire: what every fact promises, whichever it is."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pelton.contracts import audit, deployer, feature, monitor, registry, trainer
from pelton.contracts.canonical import canonical_json, digest
from pelton.contracts.definitions import FeatureViewDefinition, seconds
from pelton.contracts.fact import UnknownFactError, catalogue, fact_class
from pelton.contracts.topics import CONTROL_OWNERS
from pelton.contracts.trainer import TrainingFailed
from pelton.contracts.values import Artifact, Window

MODULES = (audit, deployer, feature, monitor, registry, trainer)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def test_every_fact_is_found_by_its_type_and_belongs_to_a_service() -> None:
    # Tests of other packages have facts of their own.
    ours = {type_: fact for type_, fact in catalogue().items() if fact.__module__.startswith("pelton.")}
    assert len(ours) > 30
    for type_, fact in ours.items():
        assert fact_class(type_) is fact
        assert fact.fact_owner in CONTROL_OWNERS
        assert type_.startswith(f"pelton.{fact.fact_owner}.")
        assert fact.__doc__


def test_an_unknown_type_says_which() -> None:
    with pytest.raises(UnknownFactError, match="model_exploded"):
        fact_class("pelton.registry.model_exploded.v1")


def test_a_reader_passes_over_fields_that_a_newer_owner_added() -> None:
    newer = {"training_id": "t", "model": "m", "reason": "none", "added_later": 1}
    assert TrainingFailed.from_bytes(json.dumps(newer).encode()) == TrainingFailed(
        training_id="t", model="m", reason="none"
    )


def test_a_reader_passes_over_fields_that_a_newer_owner_added_to_a_part() -> None:
    newer = {"digest": digest("x"), "size": 1, "format": "onnx", "added_later": 1}
    assert Artifact.model_validate(newer).size == 1


def test_a_fact_without_a_field_is_refused_by_its_name() -> None:
    with pytest.raises(ValidationError, match="reason"):
        TrainingFailed.from_bytes(b'{"training_id": "t", "model": "m"}')


@given(st.text(), st.text(), st.text())
def test_a_fact_reads_back_to_the_same_bytes(training_id: str, model: str, reason: str) -> None:
    data = TrainingFailed(training_id=training_id, model=model, reason=reason).to_bytes()
    assert TrainingFailed.from_bytes(data).to_bytes() == data


@given(st.dictionaries(st.text(), json_values))
def test_canonical_json_does_not_depend_on_the_order_of_keys(value: dict[str, object]) -> None:
    turned = dict(reversed(list(value.items())))
    assert canonical_json(value) == canonical_json(turned)
    assert digest(value) == digest(turned)
    assert json.loads(canonical_json(value)) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"value": value})


def test_a_window_holds_its_start_and_not_its_end() -> None:
    window = Window(start=datetime(2013, 1, 1, tzinfo=UTC), end=datetime(2013, 1, 2, tzinfo=UTC))
    assert window.holds(window.start)
    assert not window.holds(window.end)


@pytest.mark.parametrize(("text", "length"), [("90m", 5400), ("7d", 604800), ("1h", 3600), ("5s", 5)])
def test_durations(text: str, length: int) -> None:
    assert seconds(text) == length


@pytest.mark.parametrize(
    ("aggregate", "fault"),
    [
        ({"name": "n", "function": "mean", "windows": ["3h"]}, "needs a `value`"),
        ({"name": "n", "function": "count", "windows": ["45s"]}, "not a multiple of the resolution"),
        ({"name": "n", "function": "quantile", "value": "x", "windows": ["3h"]}, "`quantile`"),
        ({"name": "n", "function": "sum", "value": "x", "k": 3, "windows": ["3h"]}, "`k`"),
        ({"name": "n", "function": "count", "windows": ["3h", "3h"]}, "same name"),
        ({"name": "n", "function": "median", "value": "x", "windows": ["3h"]}, "function"),
    ],
)
def test_a_view_that_makes_no_sense_says_why(aggregate: dict[str, object], fault: str) -> None:
    view = {"name": "v", "source": "s", "entity": "e", "resolution": "1m", "aggregates": [aggregate]}
    with pytest.raises(ValidationError, match=fault):
        FeatureViewDefinition.model_validate(view)
