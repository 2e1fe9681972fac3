"""Feast's point-in-time join, run in its own environment: `_feast_history.py file|dask folder` prints the seconds."""

import json
import sys
import time
import warnings
from datetime import timedelta
from pathlib import Path

import pandas as pd
from feast.types import Float64

from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType


def main() -> None:
    """Join twice and print what the second time took, which includes reading Parquet and not reading definitions."""
    warnings.simplefilter("ignore")
    kind, folder, features = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    store = FeatureStore(
        config=RepoConfig(
            project="bench",
            provider="local",
            registry=str(folder / f"registry-{kind}.db"),
            offline_store={"type": kind},
            online_store={"type": "sqlite", "path": str(folder / f"online-{kind}.db")},
            entity_key_serialization_version=3,
        )
    )
    entity = Entity(name="entity", join_keys=["entity"], value_type=ValueType.STRING)
    names = [f"f{place}" for place in range(features)]
    view = FeatureView(
        name="numbers",
        entities=[entity],
        ttl=timedelta(days=60),
        source=FileSource(name="events", path=str(folder / "feast.parquet"), timestamp_field="event_timestamp"),
        schema=[Field(name=name, dtype=Float64) for name in names],
    )
    store.apply([entity, view])
    rows = pd.read_parquet(folder / "rows.parquet").rename(columns={"event_time": "event_timestamp"})
    for _ in range(2):
        began = time.perf_counter()
        found = store.get_historical_features(rows, [f"numbers:{name}" for name in names]).to_df()
        seconds = time.perf_counter() - began
    # What was found, so that both sides can be seen to have done the same work.
    sys.stdout.write(json.dumps({"seconds": seconds, "sum": float(found["f0"].sum())}) + "\n")


if __name__ == "__main__":
    main()
