"""What the offline store is asked, on DuckDB or on Spark: `offline_on_engines.py duckdb|spark relations.py folder`.

Reads `events/*.parquet` and `rows.parquet` of the folder and prints the answers as JSON. It runs where Pelton is not
installed, but for what `relations` itself imports.
"""

import importlib.util
import json
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import ibis


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("relations", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def connected(engine: str) -> Any:  # noqa: ANN401 - either backend
    if engine == "duckdb":
        return ibis.duckdb.connect()
    from pyspark.sql import SparkSession  # noqa: PLC0415 - where DuckDB runs there is no Spark

    builder = SparkSession.builder.master("local[1]").appName("offline")
    for name, value in {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "UTC",
    }.items():
        builder = builder.config(name, value)
    return ibis.pyspark.connect(builder.getOrCreate())


def answers(relations: ModuleType, events: Any, rows: Any) -> dict[str, Any]:  # noqa: ANN401
    events = relations.whole(events)
    once = relations.distinct(events)
    values = {"amount": once["amount"], "was": once["carrier"]}
    return {
        "between": relations.between(events, 1000, 4000).select("_id", "_offset").order_by(["_id", "_offset"]),
        "known": relations.known(events, 5000).select("_id", "_offset").order_by(["_id", "_offset"]),
        "distinct": once.select("_id", "_partition", "_offset").order_by("_id"),
        "fields": relations.fields(once, ["amount", "nothing"]).order_by("_tie"),
        "latest": relations.latest(rows, once, {"carrier": "carrier"}, values),
        "latest_known": relations.latest(rows, once, {"carrier": "carrier"}, values, as_known=True),
        "statistics": relations.statistics(once),
    }


def main() -> None:
    engine, path, folder = sys.argv[1:]
    warnings.simplefilter("ignore")
    connection = connected(engine)
    # Spark reads a folder, DuckDB a pattern.
    events = connection.read_parquet(f"{folder}/events" if engine == "spark" else f"{folder}/events/*.parquet")
    rows = connection.read_parquet(f"{folder}/rows.parquet")
    asked = answers(loaded(Path(path)), events, rows)
    found = {name: connection.to_pyarrow(one).to_pylist() for name, one in asked.items()}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
