"""A Pandera schema as rules of a source."""

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from pandera import pandas, polars

from pelton.sdk.errors import PeltonError
from pelton.sdk.rules import (
    Length,
    NotCarriedOverError,
    NotNull,
    OneOf,
    Pattern,
    Range,
    Rule,
    Unique,
    ValueOf,
    rules_from_pandera,
)

Check = polars.Check
CHECKS: list[tuple[Any, Rule]] = [
    (Check.ge(1), Range(name="x_greater_than_or_equal_to", field="x", ge=1)),
    (Check.gt(1), Range(name="x_greater_than", field="x", gt=1)),
    (Check.le(1), Range(name="x_less_than_or_equal_to", field="x", le=1)),
    (Check.lt(1), Range(name="x_less_than", field="x", lt=1)),
    (Check.in_range(0, 1), Range(name="x_in_range", field="x", ge=0, le=1)),
    (
        Check.in_range(0, 1, include_min=False, include_max=False),
        Range(name="x_in_range", field="x", gt=0, lt=1),
    ),
    (Check.eq("a"), OneOf(name="x_equal_to", field="x", allowed=("a",))),
    (Check.ne(3), OneOf(name="x_not_equal_to", field="x", forbidden=(3,))),
    (Check.isin(["b", "a"]), OneOf(name="x_isin", field="x", allowed=("a", "b"))),
    (Check.notin([2, 1]), OneOf(name="x_notin", field="x", forbidden=(1, 2))),
    (Check.str_matches("a|b"), Pattern(name="x_str_matches", field="x", regex="^(?:a|b)")),
    (Check.str_contains("a|b"), Pattern(name="x_str_contains", field="x", regex="a|b")),
    (
        Check.str_contains(re.compile("a", re.IGNORECASE)),
        Pattern(name="x_str_contains", field="x", regex="(?i:a)"),
    ),
    (Check.str_startswith("a.b c"), Pattern(name="x_str_startswith", field="x", regex="^a\\.b c")),
    (Check.str_endswith("$"), Pattern(name="x_str_endswith", field="x", regex="\\$$")),
    (Check.str_length(1, 3), Length(name="x_str_length", field="x", at_least=1, at_most=3)),
    (Check.str_length(max_value=3), Length(name="x_str_length", field="x", at_most=3)),
    (
        Check.gt(1, raise_warning=True),
        Range(name="x_greater_than", field="x", gt=1, severity="warn"),
    ),
]


@pytest.mark.parametrize(("check", "rule"), CHECKS, ids=lambda one: getattr(one, "name", None))
def test_each_check_is_the_rule_that_says_the_same(check: Any, rule: Rule) -> None:  # noqa: ANN401
    schema = polars.DataFrameSchema({"x": polars.Column(None, check, nullable=True)})
    assert rules_from_pandera(schema) == (rule,)


@pytest.mark.parametrize("backend", [pandas, polars])
@pytest.mark.parametrize(("type_", "kind"), [(int, "integer"), (float, "number"), (bool, "boolean"), (str, "text")])
def test_types_nulls_and_uniqueness_are_rules_in_either_backend(backend: Any, type_: type, kind: Any) -> None:  # noqa: ANN401
    schema = backend.DataFrameSchema({"x": backend.Column(type_, unique=True)}, unique=["x", "y"])
    assert rules_from_pandera(schema, unique_within="7d") == (
        NotNull(name="x_not_null", field="x"),
        ValueOf(name="x_type", field="x", type=kind),
        Unique(name="x_unique", fields=("x",), within="7d"),
        Unique(name="x_y_unique", fields=("x", "y"), within="7d"),
    )


def test_a_model_says_what_its_schema_says_and_names_are_given_once() -> None:
    class Departures(polars.DataFrameModel):
        delay: float = polars.Field(ge=-120, le=3000, nullable=True)
        Delay: float = polars.Field(ge=0, nullable=True)
        at: pl.Datetime = polars.Field()

    rules = rules_from_pandera(Departures)
    assert [rule.name for rule in rules] == [
        "delay_type",
        "delay_greater_than_or_equal_to",
        "delay_less_than_or_equal_to",
        "delay_type_2",
        "delay_greater_than_or_equal_to_2",
        "at_not_null",
        "at_type",
    ]
    assert rules[-1] == ValueOf(name="at_type", field="at", type="time")


LEFT: list[tuple[str, Callable[[], Any]]] = [
    ("function of its own", lambda: {"x": pandas.Column(checks=pandas.Check(lambda x: x > 0), nullable=True)}),
    ("unique_values_eq", lambda: {"x": pandas.Column(checks=pandas.Check.unique_values_eq([1]), nullable=True)}),
    ("category", lambda: {"x": pandas.Column("category", nullable=True)}),
    ("may be missing", lambda: {"x": pandas.Column(required=False)}),
    ("by a pattern", lambda: {"x.*": pandas.Column(regex=True)}),
    ("pass over null", lambda: {"x": pandas.Column(checks=pandas.Check.gt(1, ignore_na=False), nullable=True)}),
    ("could not|valid", lambda: {"x": pandas.Column(checks=pandas.Check.gt("a"), nullable=True)}),
]


@pytest.mark.parametrize(("said", "columns"), LEFT, ids=[said for said, _ in LEFT])
def test_what_rules_cannot_say_is_named_and_nothing_is_dropped_in_silence(
    said: str, columns: Callable[[], Any]
) -> None:
    schema = pandas.DataFrameSchema(columns())
    with pytest.raises(NotCarriedOverError, match="x") as refused:
        rules_from_pandera(schema)
    left: list[str] = []
    rules_from_pandera(schema, left=left)
    assert tuple(left) == refused.value.left
    assert re.search(said, left[0])


def test_what_is_said_of_whole_frames_is_named() -> None:
    left: list[str] = []
    schema = pandas.DataFrameSchema(
        {}, checks=pandas.Check(lambda frame: frame.x > 1), index=pandas.Index(int), strict=True, ordered=True
    )
    assert rules_from_pandera(schema, left=left) == ()
    assert [word for word in ("check", "index", "strict", "ordered") if any(word in one for one in left)] == [
        "check",
        "index",
        "strict",
        "ordered",
    ]


def test_what_is_no_schema_is_refused() -> None:
    with pytest.raises(PeltonError, match="DataFrameSchema"):
        rules_from_pandera({"x": int})


def test_the_rules_are_imported_without_pandera() -> None:
    code = "import sys; import pelton.sdk.rules; sys.exit('pandera' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
