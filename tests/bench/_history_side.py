"""Pelton's point-in-time join from its own files, or polars' `join_asof` from the same Parquet: prints the seconds.

`_history_side.py pelton|pelton-known|polars folder features`. It joins twice in a process of its own, and the second
time counts: libraries that load themselves at the first use are loaded by then, on every side.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl

from pelton.contracts.definitions import FeatureViewDefinition, Latest
from pelton.contracts.definitions.training import Known
from pelton.feature.columns import TIME
from pelton.feature.datasets.history import features_of, spans
from pelton.feature.offline.reading import read
from pelton.feature.selection import Feature, Selection

Found = tuple[float, float]


def view(features: int) -> FeatureViewDefinition:
    """Latest values of as many fields."""
    latest = tuple(Latest(name=f"f{place}", value=f"f{place}") for place in range(features))
    return FeatureViewDefinition(name="numbers", source="events", entity="entity", latest=latest)


def pelton(folder: Path, features: int, known: Known) -> Found:
    """What the feature service does with a request, but for the request."""
    rows = pl.read_parquet(folder / "rows.parquet")
    views = {"numbers": view(features)}
    chosen = tuple(Feature("numbers", name, "number") for name in views["numbers"].feature_names)
    selection = Selection(chosen, views, {}, frozenset({"entity"}), frozenset())
    began = time.perf_counter()
    at_ms = rows["event_time"].dt.timestamp("ms").to_numpy()
    files = sorted((folder / "offline").rglob("*.parquet"))
    events = read({"events": files}, spans(views, int(at_ms.min()), int(at_ms.max()), known))
    columns = features_of(selection, rows, at_ms, events, known)
    return time.perf_counter() - began, float(np.nansum(columns[0]))


def polars(folder: Path, features: int) -> Found:
    """The join alone, without distinct ids, lateness, or anything that is known of the data."""
    rows = pl.read_parquet(folder / "rows.parquet")
    began = time.perf_counter()
    events = pl.scan_parquet(folder / "offline" / "**" / "*.parquet").select(
        "entity", TIME, *(f"f{place}" for place in range(features))
    )
    asked = rows.lazy().with_columns(at=pl.col("event_time").dt.timestamp("ms")).sort("at")
    found = asked.join_asof(
        events.sort(TIME),
        left_on="at",
        right_on=TIME,
        by="entity",
        allow_exact_matches=False,
        check_sortedness=False,
    ).collect()
    return time.perf_counter() - began, float(found["f0"].sum())


def main() -> None:
    """Join twice and print what the second time took."""
    side, folder, features = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    for _ in range(2):
        if side == "polars":
            seconds, total = polars(folder, features)
        else:
            seconds, total = pelton(folder, features, "arrival" if side == "pelton-known" else "event_time")
    sys.stdout.write(json.dumps({"seconds": seconds, "sum": total}) + "\n")


if __name__ == "__main__":
    main()
