"""Searches for runs, held against a search without SQL."""

import json
from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Any

import asyncpg
import pytest
import search_oracle
from hypothesis import example, given, settings
from hypothesis import strategies as st
from search_oracle import Logged

from pelton.registry.search.grammar import RUNS
from pelton.registry.search.terms import Comparison, Kind, Operator, OrderTerm
from pelton.registry.tracking import batches, runs, search
from pelton.registry.tracking.batches import Batch, Point
from pelton.registry.tracking.runs import NewRun
from pelton.registry.tracking.search import Search

LONG = "a" * 256
NUMBERS = [0.0, 1.0, float("inf"), float("-inf"), float("nan")]
TEXTS = ["", "a", "B", "a%", LONG, f"{LONG}y", f"{LONG}z"]
KEYS = {Kind.METRIC: NUMBERS, Kind.PARAM: TEXTS, Kind.TAG: TEXTS}
PATTERNS = ["%", "a%", "A%", "%a", "_", "a_%", f"{LONG}_", "b"]
EXPERIMENTS = [8001, 8002, 8003]
BEGIN = "INSERT INTO experiments VALUES ($1, $2, 'somewhere', 'active', 0, 0)"


@st.composite
def comparisons(draw: st.DrawFn) -> Comparison:
    kind, key = draw(st.sampled_from([*KEYS, Kind.ATTRIBUTE])), draw(st.sampled_from("xy"))
    if kind is Kind.ATTRIBUTE:
        return Comparison(kind, "start_time", Operator.GREATER, 1)
    operator = draw(st.sampled_from(sorted(RUNS.operators(kind, key))))
    if kind is Kind.METRIC:
        return Comparison(kind, key, operator, draw(st.sampled_from(NUMBERS[:3])))
    if operator in {Operator.IS_NULL, Operator.IS_NOT_NULL}:
        return Comparison(kind, key, operator, None)
    if operator in {Operator.IN, Operator.NOT_IN}:
        return Comparison(kind, key, operator, tuple(draw(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3))))
    texts = PATTERNS if operator in {Operator.LIKE, Operator.ILIKE} else TEXTS
    return Comparison(kind, key, operator, draw(st.sampled_from(texts)))


TERMS = st.builds(OrderTerm, st.sampled_from(list(KEYS)), st.sampled_from("xy"), st.booleans()) | st.builds(
    OrderTerm, st.just(Kind.ATTRIBUTE), st.sampled_from(["start_time", "end_time", "run_id"]), st.booleans()
)
SEARCHES = st.builds(
    Search,
    st.lists(comparisons(), max_size=2),
    st.lists(TERMS, max_size=3),
    st.just(["active"]),
    st.integers(1, 10),
    st.integers(0, 40),
)
ABSENT = Search(
    [Comparison(Kind.TAG, "x", Operator.IS_NULL, None)], [OrderTerm(Kind.TAG, "x")], ["active"], limit=10, offset=2
)


def some_run(draw: Random, experiment: int) -> Logged:
    """A run that may have each metric, param and tag."""
    values: dict[tuple[Kind, str], Any] = {
        (kind, key): draw.choice(known) for kind, known in KEYS.items() for key in "xy" if draw.random() < 0.7
    }
    values[Kind.ATTRIBUTE, "run_id"] = f"run {draw.getrandbits(64):x}"
    values[Kind.ATTRIBUTE, "start_time"] = draw.randint(1, 3)
    values[Kind.ATTRIBUTE, "end_time"] = draw.choice([None, 3, 4])
    return Logged(experiment, values, deleted=draw.random() < 0.1)


async def write(pool: asyncpg.Pool, one: Logged) -> None:
    """Log a run as its client would."""
    values = {of: value for of, value in one.values.items() if value is not None}

    def those(kind: Kind) -> dict[str, Any]:
        return {key: value for (of, key), value in values.items() if of is kind}

    attributes = those(Kind.ATTRIBUTE)
    run_id = attributes["run_id"]
    new = NewRun(run_id, one.experiment, "a run", "ann", attributes["start_time"], those(Kind.TAG))
    await runs.create(pool, new)
    points = [Point(key, value, 1, 1) for key, value in those(Kind.METRIC).items()]
    await batches.log(pool, run_id, Batch(points, those(Kind.PARAM)))
    await runs.update(pool, run_id, None, attributes.get("end_time"), None)
    if one.deleted:
        await runs.delete(pool, run_id)


@pytest.fixture(scope="module")
async def written(pool: asyncpg.Pool) -> AsyncIterator[list[Logged]]:
    """Runs of several experiments, as they are in the database."""
    draw = Random(7)  # noqa: S311 - no secret
    for experiment in EXPERIMENTS:
        await pool.execute(BEGIN, experiment, f"experiment {experiment}")
    found = [some_run(draw, draw.choice(EXPERIMENTS)) for _ in range(80)]
    for one in found:
        await write(pool, one)
    yield found
    await pool.execute("TRUNCATE experiments, tracked_runs, run_metrics, run_params, run_tags")


@pytest.mark.parametrize("narrow", [0, search.NARROW], ids=["no filter is of use to an index", "each may be"])
@settings(max_examples=200, deadline=None)
@example(asked=ABSENT, experiments=EXPERIMENTS)
@given(asked=SEARCHES, experiments=st.lists(st.sampled_from(EXPERIMENTS), max_size=3))
async def test_a_search_finds_what_one_without_sql_finds(
    pool: asyncpg.Pool, written: Sequence[Logged], narrow: int, asked: Search, experiments: Sequence[int]
) -> None:
    among = [one for one in written if one.experiment in experiments and not one.deleted]
    expected = search_oracle.found(among, asked.filters, asked.terms)
    end = asked.offset + asked.limit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "NARROW", narrow)
        page, more = await search.find_runs(pool, experiments, asked)
    found = [one["info"]["run_id"] for one in json.loads(page)]
    assert (found, more) == (expected[asked.offset : end], len(expected) > end)
