"""MLflow's filter language, as text and as comparisons."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pelton.registry.search.grammar import (
    EXPERIMENTS,
    LOGGED_MODELS,
    MODEL_VERSIONS,
    REGISTERED_MODELS,
    RUNS,
    Grammar,
    Type,
)
from pelton.registry.search.parser import parse, parse_field, parse_order
from pelton.registry.search.terms import Comparison, Kind, Operator, OrderTerm, SearchSyntaxError

GRAMMARS = (RUNS, EXPERIMENTS, REGISTERED_MODELS, MODEL_VERSIONS, LOGGED_MODELS)
ATTRIBUTE, METRIC, PARAM, TAG, DATASET = Kind.ATTRIBUTE, Kind.METRIC, Kind.PARAM, Kind.TAG, Kind.DATASET

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))


@st.composite
def comparisons(draw: st.DrawFn, grammar: Grammar) -> Comparison:
    kind = draw(st.sampled_from(sorted(grammar.kinds)))
    if kind is ATTRIBUTE:
        key = draw(st.sampled_from(sorted(grammar.attributes)))
    elif kind is DATASET:
        key = draw(st.sampled_from(["name", "digest", "context"]))
    else:
        key = draw(TEXTS.filter(bool))
    operator = draw(st.sampled_from(sorted(grammar.operators(kind, key))))
    value: Any
    if operator in {Operator.IS_NULL, Operator.IS_NOT_NULL}:
        value = None
    elif operator in {Operator.IN, Operator.NOT_IN}:
        value = tuple(draw(st.lists(TEXTS, min_size=1, max_size=3)))
    elif grammar.type_of(kind, key) is Type.TEXT:
        value = draw(TEXTS)
    elif kind is ATTRIBUTE:
        value = draw(st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False))
    else:
        value = draw(st.floats(allow_nan=False, allow_infinity=False))
    return Comparison(kind, key, operator, value)


def written(comparison: Comparison, quote: str) -> str:
    """A comparison in the filter language."""

    def text(value: str) -> str:
        return quote + value.replace(quote, quote * 2) + quote

    value = comparison.value
    right = ""
    if isinstance(value, tuple):
        right = f"({', '.join(text(one) for one in value)})"
    elif value is not None:
        right = text(value) if isinstance(value, str) else repr(value)
    key = comparison.key.replace("`", "``")
    return f"{comparison.kind}.`{key}` {comparison.operator} {right}"


@given(st.data(), st.sampled_from(GRAMMARS), st.sampled_from("'\""))
def test_what_is_written_is_read_again(data: st.DataObject, grammar: Grammar, quote: str) -> None:
    wanted = data.draw(st.lists(comparisons(grammar), max_size=4))
    filter_string = " AND ".join(written(one, quote) for one in wanted)
    assert parse(filter_string, grammar) == tuple(wanted)


PIECES = [
    "metrics",
    "tags",
    ".",
    "`",
    "'",
    '"',
    "=",
    ">",
    "<",
    " ",
    "AND",
    "IN",
    "NOT",
    "(",
    ")",
    ",",
    "1",
    "-",
    "e9",
    "x",
]


@given(st.text() | st.lists(st.sampled_from(PIECES)).map("".join), st.sampled_from(GRAMMARS))
def test_whatever_is_no_filter_is_refused_by_a_syntax_error(text: str, grammar: Grammar) -> None:
    for read in (lambda: parse(text, grammar), lambda: parse_order([text], grammar)):
        try:
            read()
        except SearchSyntaxError as error:
            assert str(error)  # noqa: PT017 - most texts are refused, and some are not


@pytest.mark.parametrize(
    ("filter_string", "kind", "key", "operator", "value"),
    [
        ("metrics.a > 0.5", METRIC, "a", ">", 0.5),
        ("metric.a.b.c<=-1e3", METRIC, "a.b.c", "<=", -1000.0),
        ("metrics.1a = .5", METRIC, "1a", "=", 0.5),
        ("metrics.`a/b` != 1.", METRIC, "a/b", "!=", 1.0),
        ("params.b = 'it''s'", PARAM, "b", "=", "it's"),
        ('parameters.b = "it\'s"', PARAM, "b", "=", "it's"),
        ("param.b = 'C:\\'", PARAM, "b", "=", "C:\\"),
        ("tags.`c d` LiKe '%x'", TAG, "c d", "LIKE", "%x"),
        ("tag.\"x y\" ilike 'a'", TAG, "x y", "ILIKE", "a"),
        ("`tags`.mlflow.source.name = ''", TAG, "mlflow.source.name", "=", ""),
        ("tags.é is  Not\nnull", TAG, "é", "IS NOT NULL", None),
        ("params.x IS NULL", PARAM, "x", "IS NULL", None),
        ("run_id in ('a','b',)", ATTRIBUTE, "run_id", "IN", ("a", "b")),
        ("attr.run_id NOT IN ('a')", ATTRIBUTE, "run_id", "NOT IN", ("a",)),
        ("run.status = 'RUNNING'", ATTRIBUTE, "status", "=", "RUNNING"),
        ("`run name` = 'x'", ATTRIBUTE, "run_name", "=", "x"),
        ("attributes.Created > 5", ATTRIBUTE, "start_time", ">", 5),
        ("end_time < 5.5", ATTRIBUTE, "end_time", "<", 5.5),
        ("start_time = '7'", ATTRIBUTE, "start_time", "=", 7),
        ("start_time > 99999999999999999999", ATTRIBUTE, "start_time", ">", 1e20),
        ("datasets.context = 'train'", DATASET, "context", "=", "train"),
    ],
)
def test_a_comparison_means_what_mlflow_means_by_it(
    filter_string: str, kind: Kind, key: str, operator: str, value: object
) -> None:
    assert parse(filter_string, RUNS) == (Comparison(kind, key, Operator(operator), value),)  # type: ignore[arg-type]


@pytest.mark.parametrize("filter_string", [None, "", "  ", "AND"])
def test_no_filter_has_no_comparisons(filter_string: str | None) -> None:
    assert parse(filter_string, RUNS) == ()


def test_pieces_that_are_empty_leave_ands_behind() -> None:
    wanted = parse("tags.a = '1' AND tags.b = '2'", RUNS)
    assert parse(" AND tags.a = '1' and AND tags.b = '2' AND ", RUNS) == wanted


@pytest.mark.parametrize(
    ("filter_string", "place"),
    [
        ("metrics.a > +1", 13),
        ("metrics.a > 'x'", 13),
        ("metrics.a > 0x10", 13),
        ("metrics.a > NaN", 13),
        ("metrics.a == 1", 12),
        ("metrics.a <> 1", 12),
        ("metrics.a >", 12),
        ("metrics.a", 10),
        ("metrics.a IS NULL", 11),
        ("metrics.a LIKE 'x'", 11),
        ("metrics.a-b > 1", 10),
        ("metrics.a > 1 or metrics.b > 2", 15),
        ("metrics.a > 1 metrics.b > 2", 15),
        ("metrics.a > 1;", 14),
        ("(metrics.a > 1)", 1),
        ("0.5 < metrics.a", 1),
        ("params.a = b", 12),
        ("params.a = `b`", 12),
        ("params.a = 'b", 12),
        ("params.a > 'b'", 10),
        ("Params.a = 'x'", 1),
        ("foo = 'x'", 1),
        ("dataset.foo = 'x'", 1),
        ("run_id IN ()", 12),
        ("run_id IN (1)", 12),
        ("run_id IN ('a' 'b')", 16),
        ("tags.a = 'x' -- y", 14),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(filter_string: str, place: int) -> None:
    with pytest.raises(SearchSyntaxError, match=f"at character {place}: "):
        parse(filter_string, RUNS)


@pytest.mark.parametrize(
    ("filter_string", "grammar"),
    [
        ("metrics.a > 1", REGISTERED_MODELS),
        ("params.a = 'x'", EXPERIMENTS),
        ("creation_timestamp > 1", MODEL_VERSIONS),
        ("dataset.name = 'x'", LOGGED_MODELS),
        ("run_name = 'x'", LOGGED_MODELS),
    ],
)
def test_each_search_knows_only_its_own_names(filter_string: str, grammar: Grammar) -> None:
    with pytest.raises(SearchSyntaxError):
        parse(filter_string, grammar)


def test_a_filter_with_a_zero_character_is_refused() -> None:
    with pytest.raises(SearchSyntaxError, match="zero"):
        parse("tags.a = '\0'", RUNS)


def test_a_long_filter_is_read_without_being_remembered() -> None:
    ids = tuple(f"run-{number}" for number in range(2000))
    (comparison,) = parse(f"run_id IN ({', '.join(map(repr, ids))})", RUNS)
    assert comparison.value == ids


@pytest.mark.parametrize(
    ("clause", "term"),
    [
        ("metrics.a", OrderTerm(METRIC, "a")),
        ("metrics.`a b` DESC", OrderTerm(METRIC, "a b", ascending=False)),
        ('params."x" asc', OrderTerm(PARAM, "x")),
        ("start_time  desc", OrderTerm(ATTRIBUTE, "start_time", ascending=False)),
        ("Created", OrderTerm(ATTRIBUTE, "start_time")),
        ("tags.mlflow.runName", OrderTerm(TAG, "mlflow.runName")),
    ],
)
def test_an_order_is_a_name_and_a_direction(clause: str, term: OrderTerm) -> None:
    assert parse_order([clause], RUNS) == (term,)


@pytest.mark.parametrize(
    "clauses", [[""], ["foo"], ["metrics.a foo"], ["metrics.a desc desc"], ["datasets.name"], ["run_id", "run_id DESC"]]
)
def test_what_is_no_order_is_refused(clauses: list[str]) -> None:
    with pytest.raises(SearchSyntaxError):
        parse_order(clauses, RUNS)


def test_an_order_may_name_more_than_a_filter() -> None:
    (term,) = parse_order(["last_updated_timestamp DESC"], REGISTERED_MODELS)
    assert term == OrderTerm(ATTRIBUTE, "last_updated_timestamp", ascending=False)
    with pytest.raises(SearchSyntaxError):
        parse_order(["tags.a"], REGISTERED_MODELS)


def test_a_field_of_its_own_is_not_quoted() -> None:
    assert parse_field("metrics.a `b`.c", LOGGED_MODELS) == (METRIC, "a `b`.c")
    assert parse_field("creation_time", LOGGED_MODELS) == (ATTRIBUTE, "creation_timestamp")
    for wrong in ("params.a", "nothing", "tags.a", ""):
        with pytest.raises(SearchSyntaxError):
            parse_field(wrong, LOGGED_MODELS)
